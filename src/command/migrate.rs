//! `rosterd migrate`: the step of its own that PostgreSQL needs; SQLite migrates by itself.

use crate::command::{CommandError, Common, output};
use crate::config;
use crate::store::Store;

pub(super) async fn run(common: &Common) -> Result<u8, CommandError> {
    let settings = config::read(&common.config)?;
    Store::migrate(&settings.store).await?;
    output::tell("the store is up to date");
    Ok(0)
}
