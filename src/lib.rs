//! `rosterd`: plan-and-apply for school rosters and the license seats that follow from them.
//!
//! The modules stand in the order of the flow; `run` is the page to read first.
#![forbid(unsafe_code)]

pub mod allocate;
pub mod audit;
pub mod model;
pub mod snapshot;
pub mod store;
