//! `rosterd simulate-feed`: the simulated servers alone, for anyone who tests a client.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::command::CommandError;
use crate::command::output::{self, Output};
use crate::simulate::{Options, Quirks, Server, World};

/// The simulated Clever and OneRoster servers alone
#[derive(Debug, Args)]
pub(super) struct SimulateFeed {
    /// Fixtures: a folder of districts, or one district
    #[arg(long, value_name = "DIR", default_value = "fixtures")]
    fixtures: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8899")]
    listen: SocketAddr,
    /// Faults to show, by name, comma-separated; `--quirks help` lists them
    #[arg(long, value_name = "LIST", default_value = "")]
    quirks: String,
}

impl SimulateFeed {
    pub(super) async fn run(&self) -> Result<u8, CommandError> {
        if self.quirks == "help" {
            for name in Quirks::names() {
                Output::new(false).line(name)?;
            }
            return Ok(0);
        }
        let quirks = Quirks::parse(&self.quirks).map_err(|error| CommandError::Usage(error.to_string()))?;
        let world = World::load(&self.fixtures).map_err(|error| CommandError::Usage(error.to_string()))?;
        let options = Options { listen: self.listen, quirks, ..Options::default() };
        let server = Server::start(world, options).await.map_err(|error| CommandError::Failed(error.to_string()))?;
        output::tell(&format!(
            "simulated feeds at {}; districts, urls and credentials: GET /_simulate/",
            server.base_url()
        ));
        tokio::signal::ctrl_c().await?;
        server.stop().await;
        Ok(0)
    }
}
