//! What the tests stand on.

pub(crate) mod canary;
pub(crate) mod chance;
pub(crate) mod chromium;
pub(crate) mod daemon;
#[macro_use]
pub(crate) mod db;
pub(crate) mod described;
pub(crate) mod desk;
pub(crate) mod disk;
pub(crate) mod letterbox;
pub(crate) mod mailroom;
pub(crate) mod place;
pub(crate) mod postgres;
pub(crate) mod provider;
pub(crate) mod truth;
pub(crate) mod upload;
pub(crate) mod vendor;
pub(crate) mod wire;
pub(crate) mod world;

/// What a large round is told by its environment.
pub(crate) fn number<T: std::str::FromStr>(name: &str, or: T) -> T {
    let told = std::env::var(name).ok();
    told.map_or(or, |it| it.parse().unwrap_or_else(|_| panic!("{name} is `{it}`, which is no number")))
}
