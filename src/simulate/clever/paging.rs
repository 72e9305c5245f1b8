//! Clever's range paging on ascending ids, and its links (protocol page 1.2 and 1.4).

use serde_json::Value;
use serde_json::json;

use crate::simulate::http::Call;
use crate::simulate::http::encode;

/// Rows of a page when the client does not say.
const DEFAULT_LIMIT: usize = 100;
/// Rows of a page at most; more is refused.
const MAX_LIMIT: usize = 10_000;

/// The range a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) limit: usize,
    pub(crate) starting_after: Option<String>,
    pub(crate) ending_before: Option<String>,
}

/// Why a range is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadRange {
    NotANumber,
    TooLarge,
}

/// A page's place among all ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) next: bool,
    pub(crate) prev: bool,
}

impl Range {
    pub(crate) fn read(call: &Call) -> Result<Range, BadRange> {
        let limit = match call.param("limit").filter(|limit| !limit.is_empty()) {
            None => DEFAULT_LIMIT,
            Some(text) => match text.parse::<usize>() {
                Ok(limit) if limit > MAX_LIMIT => return Err(BadRange::TooLarge),
                Ok(limit) if limit > 0 => limit,
                _ => return Err(BadRange::NotANumber),
            },
        };
        let id = |name| call.param(name).filter(|id| !id.is_empty()).map(str::to_owned);
        Ok(Range { limit, starting_after: id("starting_after"), ending_before: id("ending_before") })
    }

    /// Cuts the page out of ids in ascending order. Ids are only compared: one that was never issued is as good as any.
    pub(crate) fn cut(&self, ids: &[&str]) -> Cut {
        let first = self.starting_after.as_deref().map_or(0, |after| ids.partition_point(|id| *id <= after));
        let last = self.ending_before.as_deref().map_or(ids.len(), |before| ids.partition_point(|id| *id < before));
        let last = last.max(first);
        let (start, end) = if self.ending_before.is_some() {
            (last.saturating_sub(self.limit).max(first), last)
        } else {
            (first, last.min(first.saturating_add(self.limit)))
        };
        Cut { start, end, next: end < ids.len(), prev: self.starting_after.is_some() && start > 0 && start < end }
    }
}

/// The links of a page: self as sent, then prev, then next, which keep the other parameters.
pub(crate) fn links(call: &Call, cut: &Cut, page: &[&str], origin: &str) -> Value {
    let own = if call.raw_query.is_empty() { call.path.clone() } else { format!("{}?{}", call.path, call.raw_query) };
    let mut links = vec![json!({ "rel": "self", "uri": own })];
    let to = |cursor: &str, id: &str| {
        let kept = call.query.iter().filter(|(name, _)| name != "starting_after" && name != "ending_before");
        let mut pairs: Vec<_> = kept.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        pairs.push(format!("{cursor}={id}"));
        format!("{origin}{}?{}", call.path, pairs.join("&"))
    };
    if let (true, Some(first)) = (cut.prev, page.first()) {
        links.push(json!({ "rel": "prev", "uri": to("ending_before", first) }));
    }
    if let (true, Some(last)) = (cut.next, page.last()) {
        links.push(json!({ "rel": "next", "uri": to("starting_after", last) }));
    }
    Value::Array(links)
}
