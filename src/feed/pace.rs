//! Not asking more often than agreed.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Servers that count together what is asked for several districts, by origin and rate.
static TOGETHER: LazyLock<std::sync::Mutex<Known>> = LazyLock::new(Default::default);

type Known = BTreeMap<(String, u32), Weak<Pace>>;

/// Spaces requests out: up to one second's worth at once, then one each interval.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: u32,
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { per_second, interval, next: Mutex::new(None) }
    }

    /// The one pace, of this rate, of all in this process who ask that server.
    pub(crate) fn together(&self, server: &str) -> Arc<Self> {
        let mut known = TOGETHER.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, it| it.strong_count() > 0);
        let key = (server.to_owned(), self.per_second);
        if let Some(it) = known.get(&key).and_then(Weak::upgrade) {
            return it;
        }
        let it = Arc::new(Self::new(self.per_second));
        known.insert(key, Arc::downgrade(&it));
        it
    }

    /// Returns when the next request may be sent.
    pub(crate) async fn turn(&self) {
        let slot = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let slot = next.map_or(now, |next| next.max(now));
            *next = Some(slot + self.interval);
            slot
        };
        let burst = Duration::from_secs(1).saturating_sub(self.interval);
        tokio::time::sleep_until(slot.checked_sub(burst).unwrap_or(slot)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_the_same_server_waits_for_one_another() {
        let [one, other, elsewhere] = ["https://a.example", "https://a.example", "https://b.example"]
            .map(|server| Pace::new(10).together(server));
        let started = Instant::now();
        for _ in 0..15 {
            one.turn().await;
            other.turn().await;
        }
        let elapsed = started.elapsed();
        assert!(elapsed >= Duration::from_millis(1950) && elapsed <= Duration::from_millis(2100), "{elapsed:?}");
        for _ in 0..10 {
            elsewhere.turn().await;
        }
        assert_eq!(started.elapsed(), elapsed);
    }

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
