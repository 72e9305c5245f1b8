//! `rosterd run`: the daemon. It puts the parts together in the order in which they need each other, waits for signals, and
//! takes them apart again.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::command::{CommandError, Common, Session};
use crate::config::{self, Settings};
use crate::directory::Directory;
use crate::http;
use crate::schedule::catalog;
use crate::schedule::desk::Desk;
use crate::schedule::dispatcher::{self, Dispatcher, Order};
use crate::schedule::heartbeat::Heartbeat;
use crate::schedule::{notices, workers};
use crate::shutdown::{Signals, Wish};
use crate::store::{StoreError, WorkerLock};
use crate::{systemd, telemetry};

/// The daemon: nightly syncs, requests, HTTP
///
/// The address it listens on is told in the log line `listening on http://…` on standard error, field `address`; with port
/// 0 the system chooses one.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Run {}

/// What the daemon is called where it holds an SQLite store.
pub(super) const DAEMON: &str = "rosterd run";

/// How long a command at work on an SQLite store is waited for.
pub(super) const WAIT_FOR_COMMAND: Duration = Duration::from_secs(30);

/// A daemon that has just been replaced may need a moment to let go.
const WAIT_FOR_DAEMON: Duration = Duration::from_secs(2);

/// Between two looks at the lock.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// How long open connections may finish their answers after the runs have ended.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

impl Run {
    pub(super) async fn run(&self, common: &Common, signals: Option<Signals>) -> Result<u8, CommandError> {
        let installed = match signals {
            Some(signals) => Ok(signals),
            None => Signals::install(),
        };
        let mut signals =
            installed.map_err(|error| CommandError::Failed(format!("cannot take signals: {}", error.kind())))?;
        let traces = telemetry::start();
        let outcome = tokio::select! {
            daemon = Daemon::start(common) => Some(daemon),
            () = signals.stop() => None,
        };
        let outcome = match outcome {
            Some(Ok(daemon)) => daemon.attend(signals).await,
            Some(Err(error)) => Err(error),
            None => Ok(0),
        };
        traces.finish().await;
        outcome
    }
}

/// Everything that runs.
struct Daemon {
    desk: Arc<Desk>,
    orders: mpsc::Sender<Order>,
    heartbeat: Heartbeat,
    dispatching: tokio::task::JoinHandle<()>,
    working: tokio::task::JoinHandle<()>,
    telling: tokio::task::JoinHandle<()>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
    _lock: WorkerLock,
}

impl Daemon {
    async fn start(common: &Common) -> Result<Self, CommandError> {
        let settings = Arc::new(config::read(&common.config)?);
        let lock = lock(&settings).await?;
        let session = Session::with(Arc::clone(&settings), common.now, super::Output::new(false)).await?;
        session.writable().await?;
        let mut office = session.office;
        office.clock = Clock::running_from(common.now);
        if settings.store.is_sqlite() {
            // Whoever has the lock knows that every other holder of a lease is dead (safety.md, Crash).
            office.queue.void_all_leases().await?;
            office.store.void_message_leases().await?;
        }
        let mut known = Directory::configured(&settings);
        known.keep_former(&office.store.listed().await?, &settings);
        office.known = Arc::new(known);
        dispatcher::meet(&office).await?;
        let look = catalog::look(&office, None).await?;
        if let Some(error) = look.as_ref().and_then(|look| look.error.clone()) {
            let last = office.store.catalog().await?;
            if last.products.is_empty() && last.subscriptions.is_empty() {
                return Err(CommandError::Usage(error));
            }
        }
        let tls = settings.http.tls().map_err(CommandError::Usage)?;
        let listener = listen(&settings).await?;
        let heartbeat = Heartbeat::start().await.map_err(|error| CommandError::Failed(error.to_string()))?;

        let desk = Arc::new(Desk::new(office));
        if let Some(mut look) = look {
            catalog::file_runs(&desk, &mut look, None).await?;
        }
        let (orders, ordered) = mpsc::channel(8);
        let dispatcher = Dispatcher::new(Arc::clone(&desk), common.config.clone());
        heartbeat.wake.notify_one();
        let dispatching = tokio::spawn(dispatcher.run(Arc::clone(&heartbeat.wake), ordered));
        let working = tokio::spawn(workers::work(Arc::clone(&desk)));
        let telling = tokio::spawn(notices::tell(Arc::clone(&desk)));
        let serving = tokio::spawn(http::serve(listener, Arc::clone(&desk), tls));
        systemd::ready("running");
        Ok(Self { desk, orders, heartbeat, dispatching, working, telling, serving, _lock: lock })
    }

    /// Passes signals on until one says stop, then drains.
    async fn attend(mut self, mut signals: Signals) -> Result<u8, CommandError> {
        let broken = loop {
            tokio::select! {
                wish = signals.next() => match wish {
                    Wish::Stop => break None,
                    Wish::SyncAll => self.order(Order::SyncAll),
                    Wish::Reload => self.order(Order::Reload),
                },
                _ = &mut self.working => break Some("the workers ended"),
                _ = &mut self.telling => break Some("the sender of notices ended"),
                _ = &mut self.dispatching => break Some("the dispatcher ended"),
                _ = &mut self.serving => break Some("the HTTP side ended"),
            }
        };
        if let Some(what) = broken {
            self.desk.stopping().cancel();
            return Err(CommandError::Failed(format!("{what}; this is a fault of rosterd, start it again")));
        }
        tracing::info!("stopping: runs that are applying finish, the others go back to the queue");
        systemd::stopping("draining");
        self.desk.stopping().cancel();
        tokio::select! {
            () = self.drain() => {
                tracing::info!("stopped");
                Ok(0)
            }
            () = signals.stop() => Err(CommandError::Failed("stopped at once by a second signal".to_owned())),
        }
    }

    /// Signals of one kind that come faster than they are dealt with are one.
    fn order(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            tracing::debug!(?order, "as many orders wait already");
        }
    }

    async fn drain(self) {
        for (what, ended) in [("workers", self.working.await), ("dispatcher", self.dispatching.await)] {
            if ended.is_err() {
                tracing::error!("the {what} ended by a panic");
            }
        }
        if tokio::time::timeout(LAST_ANSWERS, self.telling).await.is_err() {
            tracing::warn!("a message of [notify] was on its way; it is sent again under the same id");
        }
        if tokio::time::timeout(LAST_ANSWERS, self.serving).await.is_err() {
            tracing::warn!("some HTTP answers were cut off");
        }
        self.heartbeat.stop().await;
        let office = self.desk.office();
        office.queue.close().await;
        office.store.close().await;
    }
}

/// On SQLite, the right to work on the store. A command that is at work is waited for, a daemon is not.
async fn lock(settings: &Settings) -> Result<WorkerLock, CommandError> {
    let begun = tokio::time::Instant::now();
    let mut told = false;
    loop {
        let (refused, holder) = match WorkerLock::acquire(&settings.store, DAEMON) {
            Ok(lock) => return Ok(lock),
            Err(StoreError::InUse { store, holder }) => (StoreError::InUse { store, holder: holder.clone() }, holder),
            Err(error) => return Err(error.into()),
        };
        let wait = if holder.contains(DAEMON) { WAIT_FOR_DAEMON } else { WAIT_FOR_COMMAND };
        if begun.elapsed() >= wait {
            return Err(refused.into());
        }
        if wait == WAIT_FOR_COMMAND && !told {
            told = true;
            tracing::info!(holder, "waiting for {holder} to finish with the store");
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn listen(settings: &Settings) -> Result<TcpListener, CommandError> {
    let wanted = settings.http.listen;
    let failed = |error: std::io::Error| {
        CommandError::Failed(format!(
            "cannot listen on {wanted} ({}): set `http.listen` to a free address",
            error.kind()
        ))
    };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let scheme = if settings.http.tls.is_some() { "https" } else { "http" };
    tracing::info!(%address, "listening on {scheme}://{address}");
    Ok(listener)
}
