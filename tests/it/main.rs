//! The one integration-test binary.

#[macro_use]
mod support;

mod e2e;
mod migrations;
mod queue;
mod store;
mod tamper;
