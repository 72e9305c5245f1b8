use crate::command::{CommandError, Common};
#[derive(Debug, Default, clap::Args)]
pub(super) struct Run {}
impl Run {
    pub(super) async fn run(&self, _: &Common) -> Result<u8, CommandError> {
        Ok(0)
    }
}
