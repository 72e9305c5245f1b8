//! What the tests stand on.

#[macro_use]
pub mod db;
pub mod postgres;
