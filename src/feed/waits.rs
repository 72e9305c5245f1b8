//! How long a server asks to be left alone.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::feed::error::{FeedError, Place};
use crate::retry::Failure;

/// No header we obey may keep us longer.
pub(crate) const LONGEST_ASKED: Duration = Duration::from_mins(10);

/// A rate limit's window, and a little more.
const LONGEST_RESET: Duration = Duration::from_secs(75);

/// 429.
pub(crate) fn limited(place: &Place, headers: &HeaderMap, now: DateTime<Utc>) -> Failure<FeedError> {
    let error = FeedError::RateLimited { place: place.clone() };
    match asked_wait(headers, now) {
        Some(wait) if wait > LONGEST_ASKED => Failure::Final(error),
        Some(wait) => Failure::After(error, wait),
        None => Failure::Again(error),
    }
}

/// `Retry-After`, else Clever's `x-ratelimit-reset`. Headers speak of the real time, so `now` is it.
fn asked_wait(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    retry_after(headers, now).or_else(|| reset_wait(headers, now))
}

/// `Retry-After` in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let after = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = after.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(after).ok()?;
    Some((date.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}

/// Clever's counter starts anew each minute, so a reset further away than that is a clock that is wrong, theirs or ours.
fn reset_wait(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let reset = headers.get("x-ratelimit-reset")?.to_str().ok()?.trim().parse::<i64>().ok()?;
    let wait = (DateTime::from_timestamp(reset, 0)? - now).to_std().unwrap_or_default();
    Some(wait.min(LONGEST_RESET))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use reqwest::header::HeaderValue;

    fn wait(name: &'static str, value: &'static str) -> Option<u64> {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        asked_wait(&headers, now).map(|it| it.as_secs())
    }

    #[test]
    fn the_wait_a_server_asks_for_is_read_in_every_form() {
        assert_eq!(wait("retry-after", "7"), Some(7));
        assert_eq!(wait("retry-after", "Tue, 14 Nov 2023 22:13:30 GMT"), Some(10));
        assert_eq!(wait("retry-after", "Tue, 14 Nov 2000 22:13:30 GMT"), Some(0));
        assert_eq!(wait("retry-after", "-5"), None);
        assert_eq!(wait("x-ratelimit-reset", "1700000042"), Some(42));
        assert_eq!(wait("x-ratelimit-reset", "1700009999"), Some(75));
        assert_eq!(wait("x-ratelimit-reset", "soon"), None);
    }

    #[test]
    fn a_wait_without_end_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1000000000"));
        let place = Place { district: "d".to_owned(), kind: "clever", collection: "users".to_owned(), at: None };
        let outcome = limited(&place, &headers, clock::real_now().instant());
        assert!(matches!(outcome, Failure::Final(FeedError::RateLimited { .. })));
    }
}
