//! The API, a file for each group of calls.

pub(super) mod access;
pub(super) mod activity;
pub(super) mod alerts;
pub(super) mod audit;
pub(super) mod by_hand;
pub(super) mod catalog;
pub(super) mod changes;
pub(super) mod districts;
pub(super) mod enroll;
pub(super) mod explain;
pub(super) mod fleet;
pub(super) mod health;
pub(super) mod identity;
pub(super) mod import;
pub(super) mod metrics;
pub(super) mod modes;
pub(super) mod overrides;
pub(super) mod reports;
pub(super) mod runs;
pub(super) mod suggestions;
pub(super) mod syncs;

use schemars::JsonSchema;
use serde::Serialize;

use crate::http::problem::Problem;

/// Rows of a list when the caller names no limit.
const USUAL: u32 = 50;

/// The most rows of a list.
const MOST: u32 = 500;

/// One page of a list; `next_cursor` is null on the last one.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(crate) struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(USUAL) {
        limit @ 1..=MOST => Ok(limit),
        _ => Err(Problem::bad_request(format!("`limit` must be 1 to {MOST}"))),
    }
}
