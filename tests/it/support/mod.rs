//! What the tests stand on.

#[macro_use]
pub(crate) mod db;
pub(crate) mod postgres;
pub(crate) mod vendor;
pub(crate) mod world;
