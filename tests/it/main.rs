//! The one integration-test binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and says on standard error what it skips"
)]

#[macro_use]
mod support;

mod access;
mod browser;
mod canary;
mod changes;
mod coverage;
mod crash;
mod daemon;
mod dashboard;
mod deploy;
mod e2e;
mod faults;
mod first;
mod follow;
mod http;
mod large;
mod layers;
mod limits;
mod migrations;
mod oidc;
mod pace;
mod queue;
mod retention;
mod store;
mod tamper;
mod tampering;
mod traces;
mod years;
