//! The one integration-test binary.

#[macro_use]
mod support;

mod migrations;
mod queue;
mod store;
mod tamper;
