//! Tests of the simulated feeds: what they serve is what the fixtures hold, and what they refuse is what real ones refuse.

use std::path::PathBuf;

use super::Options;
use super::Quirks;
use super::Server;
use super::World;

mod clever_http;
mod damaged;
mod days;
mod disturbed;
mod generated;
mod objects;
mod over_http;
mod paging;
mod signed;
mod switches;
mod wire;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

async fn serve(quirks: &str) -> Server {
    let options = Options { quirks: Quirks::parse(quirks).unwrap(), ..Options::default() };
    Server::start(World::load(&fixtures()).unwrap(), options).await.unwrap()
}
