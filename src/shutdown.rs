//! The signals of the daemon. Their handlers stand before anything else, because the default of `SIGUSR1` is death
//! (reliability.md T30); a signal that comes while the daemon still starts is remembered and acted on later.

use std::ffi::OsString;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for (interface.md, Signals).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `SIGUSR1`: sync all districts now.
    SyncAll,
    /// `SIGHUP`: read configuration, catalog and directory again.
    Reload,
    /// `SIGTERM` or `SIGINT`: drain and stop.
    Stop,
}

/// The installed handlers. Many signals of one kind may arrive as one.
#[derive(Debug)]
pub struct Signals {
    usr1: Signal,
    hup: Signal,
    term: Signal,
    int: Signal,
}

impl Signals {
    /// Installs the handlers; from here on no signal is lost or deadly. Needs a running runtime.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            usr1: signal(SignalKind::user_defined1())?,
            hup: signal(SignalKind::hangup())?,
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        })
    }

    /// The next wish. Dropped, it loses none.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            biased;
            _ = self.term.recv() => Wish::Stop,
            _ = self.int.recv() => Wish::Stop,
            _ = self.hup.recv() => Wish::Reload,
            _ = self.usr1.recv() => Wish::SyncAll,
        }
    }

    /// Waits for `SIGTERM` or `SIGINT`; the other signals stay remembered.
    pub async fn stop(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// Whether these arguments, without the program's name, ask for the daemon. Known before they are parsed, because parsing
/// takes time in which a signal would kill.
pub fn asks_for_daemon(args: impl Iterator<Item = OsString>) -> bool {
    let mut args = args.map(|arg| arg.to_string_lossy().into_owned());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--config" | "--now" => drop(args.next()),
            option if option.starts_with('-') => {}
            command => return command == "run",
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(line: &str) -> bool {
        asks_for_daemon(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_daemon_is_told_from_other_commands_before_the_arguments_are_parsed() {
        assert!(asks("run"));
        assert!(asks("--config run --now 2026-10-05T07:00:00Z --json run"));
        assert!(asks("--config=a.toml run --now 2026-10-05T07:00:00Z"));
        assert!(!asks("sync run"));
        assert!(!asks("--config run sync"));
        assert!(!asks(""));
    }
}
