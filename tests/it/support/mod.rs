//! What the tests stand on.

pub(crate) mod daemon;
#[macro_use]
pub(crate) mod db;
pub(crate) mod letterbox;
pub(crate) mod place;
pub(crate) mod postgres;
pub(crate) mod upload;
pub(crate) mod vendor;
pub(crate) mod world;
