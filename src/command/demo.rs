use crate::command::{CommandError, Common};
#[derive(Debug, clap::Args)]
pub(super) struct Demo {}
impl Demo {
    pub(super) async fn run(&self, _: &Common) -> Result<u8, CommandError> {
        Ok(0)
    }
}
