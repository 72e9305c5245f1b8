//! Not asking more often than agreed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Spaces requests out: up to one second's worth at once, then one each interval.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(per_second: u32) -> Self {
        Self::each(Duration::from_secs(1) / per_second.max(1))
    }

    /// One request each `interval`.
    pub(crate) fn each(interval: Duration) -> Self {
        Self { interval, next: Mutex::new(None) }
    }

    /// Returns when the next request may be sent.
    pub(crate) async fn turn(&self) {
        let slot = self.slot();
        let burst = Duration::from_secs(1).saturating_sub(self.interval);
        tokio::time::sleep_until(slot.checked_sub(burst).unwrap_or(slot)).await;
    }

    fn slot(&self) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let slot = next.map_or(now, |next| next.max(now));
        *next = Some(slot + self.interval);
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_s_worth_goes_at_once_and_the_rest_is_spread() {
        let (pace, started) = (Pace::new(10), Instant::now());
        for _ in 0..10 {
            pace.turn().await;
        }
        assert!(started.elapsed() < Duration::from_millis(50));
        for _ in 0..20 {
            pace.turn().await;
        }
        let elapsed = started.elapsed();
        assert!(elapsed >= Duration::from_millis(1950) && elapsed <= Duration::from_millis(2100));
    }
}
