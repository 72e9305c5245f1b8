//! Carries out what the queue holds, a few runs at once. A run that fails, panics or loses its lease never takes the daemon
//! down.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::model::{Kind, RunRecord, RunStatus};
use crate::schedule::desk::Desk;
use crate::schedule::worker::Office;
use crate::store::{Claimed, QueueError};
use crate::systemd::{self, Watchdog};

/// How often the queue is looked at for what other processes filed, should nobody have heard of it.
const POLL: Duration = Duration::from_secs(1);

/// A database that does not answer is asked again after so long.
const AGAIN: Duration = Duration::from_secs(30);

/// A dispatcher that is silent for so long counts as dead, and the watchdog is no longer fed.
const DISPATCHER_DEAD: Duration = Duration::from_mins(5);

/// How long a run that is applying may take to finish when the daemon stops.
const APPLYING: Duration = Duration::from_mins(1);

/// Works until the daemon stops, then lets runs that are applying finish and gives the others back.
pub async fn work(desk: Arc<Desk>) {
    let mut watchdog = Watchdog::of_environment();
    let mut running: JoinSet<()> = JoinSet::new();
    let listening = tokio::spawn(listen(Arc::clone(&desk)));
    let mut told = 0;
    while !desk.stopping().is_cancelled() {
        if desk.silence() < DISPATCHER_DEAD {
            watchdog.alive();
        }
        let office = desk.office();
        let room = usize::try_from(office.settings.schedule.concurrency).unwrap_or(1).max(1);
        while running.len() < room {
            match office.claim(None).await {
                Ok(Some(claimed)) => {
                    running.spawn(carry_out(office.clone(), claimed, Arc::clone(&desk)));
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "cannot look at the queue, trying again");
                    break;
                }
            }
        }
        if told != running.len() {
            told = running.len();
            systemd::status(&if told == 0 { "waiting".to_owned() } else { format!("{told} runs under way") });
        }
        tokio::select! {
            () = desk.stopping().cancelled() => {}
            () = desk.filed() => {}
            () = tokio::time::sleep(POLL) => {}
            Some(_) = running.join_next() => {}
        }
    }
    while running.join_next().await.is_some() {}
    // It ends with the daemon, and gives its connection back before the others are closed.
    drop(listening.await);
}

/// Wakes the workers whenever another process files something, until the daemon stops.
async fn listen(desk: Arc<Desk>) {
    let hear = async {
        loop {
            match desk.office().queue.wakes().await {
                Ok(None) => return,
                Ok(Some(mut wakes)) => {
                    while wakes.next().await.is_ok() {
                        desk.wake();
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "nobody tells of new requests, the queue is looked at each second");
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = hear => {}
        () = desk.stopping().cancelled() => {}
    }
}

/// One run, with its line in the log.
async fn carry_out(office: Office, claimed: Claimed, desk: Arc<Desk>) {
    let request = &claimed.request;
    let span = tracing::info_span!("run", run.id = %request.run, district.id = %request.district);
    async {
        let progress = desk.begins(&request.run);
        let work = AssertUnwindSafe(office.carry_out(claimed.clone(), progress)).catch_unwind();
        tokio::select! {
            ended = work => settle(&office, &claimed, ended, &desk).await,
            () = may_be_aborted(&office, &claimed, &desk) => give_back(&office, &claimed).await,
        }
        desk.ended(&request.run);
    }
    .instrument(span)
    .await;
}

/// Returns when the daemon stops and this run has not begun to apply; never for one that has, but for a limit.
async fn may_be_aborted(office: &Office, claimed: &Claimed, desk: &Desk) {
    desk.stopping().cancelled().await;
    let status = match office.queue.get(&claimed.request.run).await {
        Ok(request) => request.map(|it| it.status),
        Err(_) => None,
    };
    if status == Some(RunStatus::Applying) {
        tokio::time::sleep(APPLYING).await;
    }
}

/// For anyone to take up from its start. What was being written is rolled back, or is there already, which whoever takes
/// the run up sees.
async fn give_back(office: &Office, claimed: &Claimed) {
    let run = &claimed.request.run;
    match office.queue.release(run, claimed.fence).await {
        Ok(()) => tracing::info!("run {run} goes back to the queue"),
        Err(error) => {
            tracing::warn!(%error, "run {run} could not be given back; it is taken up when its lease runs out");
        }
    }
}

type Ended = Result<Result<RunRecord, QueueError>, Box<dyn std::any::Any + Send>>;

async fn settle(office: &Office, claimed: &Claimed, ended: Ended, desk: &Desk) {
    let run = &claimed.request.run;
    let outcome = if let Ok(outcome) = ended {
        outcome
    } else {
        // The hook has logged the place; the message may hold a value of the feed.
        let message =
            "rosterd made a mistake (a panic) in this run: nothing was changed; the log says where, please report it";
        office.give_up(claimed, message.to_owned()).await
    };
    match outcome {
        Ok(record) => {
            let took = record.started_at.zip(record.finished_at);
            let took = took.and_then(|(begun, ended)| (ended.instant() - begun.instant()).to_std().ok());
            desk.metrics().run_ended(record.status.as_str(), record.trigger.as_str(), took);
            tell(&record);
        }
        Err(error @ QueueError::LeaseLost(_)) => tracing::warn!(%error, "run {run} goes on elsewhere"),
        Err(error) => {
            tracing::error!(%error, "run {run} could not be recorded, trying again later");
            // Longer each time, so that a full disk is not hammered.
            let pause = Duration::from_secs(u64::try_from(claimed.request.attempts.clamp(1, 12)).unwrap_or(1) * 5);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = desk.stopping().cancelled() => {}
            }
            give_back(office, claimed).await;
        }
    }
}

/// The one line of a run.
fn tell(record: &RunRecord) {
    let sum = |count: fn(&crate::model::Changed) -> u64| {
        Kind::ALL.iter().filter_map(|kind| record.changes.get(kind)).map(count).sum()
    };
    let (added, changed, removed, held): (u64, u64, u64, u64) =
        (sum(|it| it.added), sum(|it| it.changed), sum(|it| it.removed), sum(|it| it.held));
    let RunRecord { run, district, trigger, mode, status, seats, .. } = record;
    let (granted, released, waiting) = (seats.granted, seats.released, seats.waiting);
    let audit = record.audit.as_ref().map(|it| it.last_seq);
    let head = record.audit.as_ref().map(|it| it.head.as_str());
    let failed = *status == RunStatus::Failed;
    let error = record.error.as_deref().filter(|_| failed);
    let line = format!(
        "run {run} of {district} ({mode}, {trigger}) is {status}: {added} added, {changed} changed, {removed} removed, {held} held; \
         seats {granted} granted, {released} released, {waiting} waiting"
    );
    if failed {
        tracing::warn!(%trigger, %status, error, "{line}");
    } else {
        tracing::info!(
            %trigger, %status, added, changed, removed, held, granted, released, waiting, audit.size = audit, audit.head = head,
            "{line}"
        );
    }
}
