//! What the service manager is told. Without one (`NOTIFY_SOCKET` is not set) nothing happens.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The daemon answers; `status` says what it does.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// What it does now, in one line.
pub fn status(status: &str) {
    send(&[NotifyState::Status(status)]);
}

/// It reads its configuration again; [`ready`] follows.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(_) => send(&[NotifyState::Reloading]),
    }
}

/// It drains and stops.
pub fn stopping(status: &str) {
    send(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(kind = %error.kind(), "the service manager does not listen");
    }
}

/// The service manager's watchdog, pinged at half its time by whoever proves to be alive.
#[derive(Debug)]
pub struct Watchdog {
    every: Option<Duration>,
    last: Instant,
}

impl Watchdog {
    /// As the environment asks for it: `WATCHDOG_USEC`, for this process.
    pub fn of_environment() -> Self {
        Self { every: sd_notify::watchdog_enabled().map(|limit| limit / 2), last: Instant::now() }
    }

    /// Says that the caller's loop goes round; sends a ping if one is due.
    pub fn alive(&mut self) {
        let Some(every) = self.every else { return };
        // A little early, since the next round may be late.
        if self.last.elapsed() + Duration::from_secs(1) >= every {
            send(&[NotifyState::Watchdog]);
            self.last = Instant::now();
        }
    }
}
