//! `rosterd`: plan-and-apply for school rosters and the license seats that follow from them.
//!
//! The modules stand in the order of the flow; `run` is the page to read first.
#![forbid(unsafe_code)]

pub mod clock;
pub mod keyed;
pub mod metrics;
pub mod secret;

pub mod model;

pub mod feed;
pub mod retry;
pub mod snapshot;

pub mod allocate;
pub mod catalog;
pub mod identity;
pub mod plan;
pub mod suggest;

pub mod guard;

pub mod access;
pub mod audit;

pub mod alert;
pub mod notice;
pub mod settled;
pub mod store;

pub mod apply;
pub mod report;

pub mod activity;
pub mod decide;
pub mod district;
pub mod erase;
pub mod explain;
pub mod inquiry;
pub mod manual;
pub mod notify;
pub mod reports;
pub mod revert;
pub mod run;

pub mod config;
pub mod directory;
pub mod http;
pub mod openid;
pub mod schedule;
pub mod shutdown;
pub mod systemd;
pub mod telemetry;

pub mod command;
pub mod simulate;
