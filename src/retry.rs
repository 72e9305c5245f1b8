//! Trying again: the only user of `backoff`, with a policy of our own (dependencies.md, backoff).
//!
//! `backoff` would let a server that always sends `Retry-After` keep us for ever, so the wait a server asks for goes through
//! our own schedule, under the same attempt cap and deadline as every other wait.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backoff::backoff::Backoff;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Upper bound of the first wait; each later one doubles it.
    pub first_wait: Duration,
    /// No wait of our own is longer.
    pub longest_wait: Duration,
    /// No attempt starts later than this after the first, whoever asked for the wait.
    pub deadline: Duration,
}

impl Default for Policy {
    /// reliability.md, F33 and F34: a few tries, half a second to thirty seconds, ten minutes in all.
    fn default() -> Self {
        Self {
            attempts: 6,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            deadline: Duration::from_mins(10),
        }
    }
}

impl Policy {
    /// The wait after the `tried`-th attempt: `share` of a bound that doubles each time, up to the longest.
    pub fn wait(&self, tried: u32, share: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(tried.saturating_sub(1));
        self.first_wait.saturating_mul(doubled).min(self.longest_wait).mul_f64(share)
    }
}

/// What an attempt that did not succeed asks for.
#[derive(Debug)]
pub enum Failure<E> {
    /// Trying again would not help.
    Final(E),
    /// Trying again may help.
    Again(E),
    /// The server said when to try again.
    After(E, Duration),
}

/// Runs `attempt` until it succeeds, fails for good, or the policy is used up; then gives the last error. The future is made
/// anew when its turn comes, after the wait, so that whatever carries a time or a nonce is fresh. `seed` decides the jitter.
pub async fn retry<T, E, F, Fut>(policy: Policy, seed: u64, attempt: F) -> Result<T, E>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, Failure<E>>>,
{
    let asked = Arc::new(AtomicU64::new(NOTHING_ASKED));
    let schedule = Schedule {
        policy,
        started: Instant::now(),
        tried: 0,
        jitter: StdRng::seed_from_u64(seed),
        asked: Arc::clone(&asked),
    };
    let operation = || async {
        // `backoff` calls the closure before it waits; only the body of this block runs after.
        attempt().await.map_err(|failure| match failure {
            Failure::Final(err) => backoff::Error::Permanent(err),
            Failure::Again(err) => backoff::Error::Transient { err, retry_after: None },
            Failure::After(err, wait) => {
                let millis = u64::try_from(wait.as_millis()).unwrap_or(NOTHING_ASKED - 1);
                asked.store(millis.min(NOTHING_ASKED - 1), Ordering::Relaxed);
                backoff::Error::Transient { err, retry_after: None }
            }
        })
    };
    backoff::future::retry(schedule, operation).await
}

/// Stands for "no wait asked for": longer than any.
const NOTHING_ASKED: u64 = u64::MAX;

struct Schedule {
    policy: Policy,
    started: Instant,
    tried: u32,
    jitter: StdRng,
    asked: Arc<AtomicU64>,
}

impl Backoff for Schedule {
    fn next_backoff(&mut self) -> Option<Duration> {
        self.tried += 1;
        if self.tried >= self.policy.attempts {
            return None;
        }
        let share: f64 = self.jitter.random_range(0.0..1.0);
        let asked = self.asked.swap(NOTHING_ASKED, Ordering::Relaxed);
        let wait = if asked == NOTHING_ASKED {
            self.policy.wait(self.tried, share)
        } else {
            // Never sooner than asked, and not all clients in the same instant.
            Duration::from_millis(asked).saturating_add(Duration::from_millis(250).mul_f64(share))
        };
        let left = self.policy.deadline.checked_sub(self.started.elapsed())?;
        (wait <= left).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_after_its_attempts_and_returns_the_last_error() {
        let tries = AtomicU64::new(0);
        let outcome: Result<(), u64> =
            retry(Policy::default(), 1, || async { Err(Failure::Again(tries.fetch_add(1, Ordering::Relaxed))) }).await;
        assert_eq!((outcome, tries.into_inner()), (Err(5), 6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_always_asks_to_wait_cannot_keep_us_past_the_deadline() {
        let started = Instant::now();
        let policy = Policy { attempts: 1000, ..Policy::default() };
        let outcome: Result<(), &str> =
            retry(policy, 1, || async { Err(Failure::After("busy", Duration::from_mins(1))) }).await;
        assert_eq!(outcome, Err("busy"));
        assert!(started.elapsed() <= policy.deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_a_server_asks_for_is_kept_and_the_attempt_is_made_after_it() {
        let made = Mutex::new(Vec::new());
        let started = Instant::now();
        let outcome: Result<u8, &str> = retry(Policy::default(), 7, || async {
            let mut made = made.lock().unwrap();
            made.push(started.elapsed());
            if made.len() == 1 { Err(Failure::After("busy", Duration::from_secs(20))) } else { Ok(1) }
        })
        .await;
        assert_eq!(outcome, Ok(1));
        let second = made.lock().unwrap().last().copied().unwrap();
        assert!(second >= Duration::from_secs(20) && second < Duration::from_secs(21));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_get_better_is_tried_once() {
        let tries = AtomicU64::new(0);
        let outcome: Result<(), ()> = retry(Policy::default(), 1, || async {
            tries.fetch_add(1, Ordering::Relaxed);
            Err(Failure::Final(()))
        })
        .await;
        assert_eq!((outcome, tries.into_inner()), (Err(()), 1));
    }
}
