//! Requests, leases and tokens, on both databases.

use std::collections::BTreeSet;
use std::time::Duration;

use rosterd::model::{DistrictId, RunId, RunStatus, Timestamp, Trigger};
use rosterd::store::{Cancelled, Claimed, Filed, NewRequest, Queue, QueueError};

use crate::support::db::{Backend, Fresh};
use crate::support::world::{at, monday};

both!(
    a_second_request_of_the_same_mode_joins_the_one_still_queued,
    a_request_with_a_payload_stands_alone,
    an_idempotency_key_gives_the_same_run,
    a_night_is_filed_once,
    a_district_is_worked_on_by_one_at_a_time,
    a_run_of_a_dead_holder_is_taken_up_from_its_start,
    who_lost_the_lease_can_do_nothing_more,
    a_released_run_can_be_claimed_again,
    one_run_can_be_claimed_by_name,
    a_run_is_cancelled_before_it_begins_or_asked_to_stop,
    void_leases_free_every_run,
    fences_never_repeat_even_in_a_new_queue,
    many_workers_share_the_queue_and_do_each_run_once,
    many_requests_at_once_become_one_run,
    tokens_are_kept_found_by_hash_and_revoked,
    an_acknowledged_request_survives_a_restart,
);

const LEASE: Duration = Duration::from_mins(1);

fn new(district: &str, mode: &str) -> NewRequest {
    NewRequest {
        district: district.into(),
        mode: mode.to_owned(),
        trigger: Trigger::Cli,
        requested_by: Some("kim".to_owned()),
        reason: None,
        payload: None,
        at: monday(),
        night: None,
        idempotency_key: None,
    }
}

fn later(seconds: i64) -> Timestamp {
    monday().plus(chrono::TimeDelta::seconds(seconds))
}

async fn claim(queue: &Queue, owner: &str, now: Timestamp) -> Option<Claimed> {
    queue.claim(owner, now, LEASE, None).await.unwrap()
}

async fn a_second_request_of_the_same_mode_joins_the_one_still_queued(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let first = queue.request(new("oak", "apply")).await.unwrap();
    assert_eq!((first.joined, first.filed), (false, Filed::New));
    let second = queue.request(new("oak", "apply")).await.unwrap();
    assert_eq!((&second.run, second.joined, second.filed), (&first.run, true, Filed::Joined));
    let plan = queue.request(new("oak", "plan")).await.unwrap();
    let elm = queue.request(new("elm", "apply")).await.unwrap();
    assert_eq!(BTreeSet::from([&first.run, &plan.run, &elm.run]).len(), 3);

    let claimed = claim(&queue, "a", monday()).await.unwrap();
    assert_eq!(claimed.request.run, first.run);
    let third = queue.request(new("oak", "apply")).await.unwrap();
    assert!(!third.joined, "a run that began may have read the feed already");
    let open: Vec<RunId> = queue.list(true).await.unwrap().into_iter().map(|it| it.run).collect();
    assert_eq!(open, [first.run, plan.run, elm.run, third.run]);
}

async fn a_request_with_a_payload_stands_alone(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let approve = || NewRequest { payload: Some("{}".to_owned()), ..new("oak", "approve") };
    let first = queue.request(approve()).await.unwrap();
    assert!(!queue.request(approve()).await.unwrap().joined);
    let kept = queue.get(&first.run).await.unwrap().unwrap();
    assert_eq!((kept.payload.as_deref(), kept.mode.as_str()), (Some("{}"), "approve"));
    assert_eq!((kept.status, kept.open, kept.attempts), (RunStatus::Queued, true, 0));
    assert_eq!((kept.at, kept.trigger, kept.requested_by.as_deref()), (monday(), Trigger::Cli, Some("kim")));
}

async fn an_idempotency_key_gives_the_same_run(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let keyed =
        |body: &str| NewRequest { idempotency_key: Some(("key-1".to_owned(), body.to_owned())), ..new("oak", "apply") };
    let first = queue.request(keyed("hash-1")).await.unwrap();
    let claimed = claim(&queue, "a", monday()).await.unwrap();
    queue.finish(&first.run, claimed.fence, RunStatus::Applied).await.unwrap();
    let again = queue.request(keyed("hash-1")).await.unwrap();
    assert_eq!((&again.run, again.filed), (&first.run, Filed::SameKey));
    let other = queue.request(keyed("hash-2")).await;
    assert_eq!(other, Err(QueueError::KeyReused(first.run)));
}

/// P34.
async fn a_night_is_filed_once(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let night =
        |date: &str| NewRequest { night: Some(date.to_owned()), trigger: Trigger::Schedule, ..new("oak", "apply") };
    let first = queue.request(night("2026-10-05")).await.unwrap();
    let claimed = claim(&queue, "a", monday()).await.unwrap();
    queue.finish(&first.run, claimed.fence, RunStatus::Applied).await.unwrap();
    let again = queue.request(night("2026-10-05")).await.unwrap();
    assert_eq!((&again.run, again.filed), (&first.run, Filed::SameNight));
    assert!(claim(&queue, "a", monday()).await.is_none(), "nothing new was filed");

    let asked = queue.request(new("oak", "apply")).await.unwrap();
    let next = queue.request(night("2026-10-06")).await.unwrap();
    assert_eq!((&next.run, next.filed), (&asked.run, Filed::Joined));
    assert_eq!(queue.request(night("2026-10-06")).await.unwrap().filed, Filed::SameNight);
}

async fn a_district_is_worked_on_by_one_at_a_time(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let oak = queue.request(new("oak", "apply")).await.unwrap().run;
    let plan = queue.request(new("oak", "plan")).await.unwrap().run;
    let elm = queue.request(new("elm", "apply")).await.unwrap().run;
    let first = claim(&queue, "a", monday()).await.unwrap();
    assert_eq!((&first.request.run, first.request.status), (&oak, RunStatus::Fetching));
    assert_eq!(claim(&queue, "b", monday()).await.unwrap().request.run, elm);
    assert!(claim(&queue, "c", monday()).await.is_none());
    queue.progress(&oak, first.fence, RunStatus::Applying).await.unwrap();
    assert_eq!(queue.get(&oak).await.unwrap().unwrap().status, RunStatus::Applying);
    queue.finish(&oak, first.fence, RunStatus::Held).await.unwrap();
    let done = queue.get(&oak).await.unwrap().unwrap();
    assert_eq!((done.status, done.open), (RunStatus::Held, false));
    assert_eq!(claim(&queue, "c", monday()).await.unwrap().request.run, plan);
    assert_eq!(queue.list(false).await.unwrap().len(), 3);
}

/// P48, M9.
async fn a_run_of_a_dead_holder_is_taken_up_from_its_start(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let run = queue.request(new("oak", "apply")).await.unwrap().run;
    let dead = claim(&queue, "a", monday()).await.unwrap();
    queue.progress(&run, dead.fence, RunStatus::Applying).await.unwrap();
    assert!(claim(&queue, "b", later(59)).await.is_none());
    queue.heartbeat(&run, dead.fence, later(50), LEASE).await.unwrap();
    assert!(claim(&queue, "b", later(109)).await.is_none(), "a heartbeat keeps it");
    let heir = claim(&queue, "b", later(110)).await.unwrap();
    assert_eq!((&heir.request.run, heir.request.attempts), (&run, 2));
    assert_eq!(heir.request.status, RunStatus::Fetching);
    assert!(heir.fence > dead.fence);
}

async fn who_lost_the_lease_can_do_nothing_more(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let run = queue.request(new("oak", "apply")).await.unwrap().run;
    let old = claim(&queue, "a", monday()).await.unwrap().fence;
    let heir = claim(&queue, "b", later(60)).await.unwrap();
    let lost = Err(QueueError::LeaseLost(run.clone()));
    assert_eq!(queue.heartbeat(&run, old, later(61), LEASE).await, lost);
    assert_eq!(queue.progress(&run, old, RunStatus::Applying).await, lost);
    assert_eq!(queue.finish(&run, old, RunStatus::Failed).await, lost);
    assert_eq!(queue.release(&run, old).await, lost);
    assert_eq!(queue.get(&run).await.unwrap(), Some(heir.request));
    queue.finish(&run, heir.fence, RunStatus::Applied).await.unwrap();
    assert_eq!(queue.finish(&run, heir.fence, RunStatus::Applied).await, lost);
}

async fn a_released_run_can_be_claimed_again(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let run = queue.request(new("oak", "apply")).await.unwrap().run;
    let first = claim(&queue, "a", monday()).await.unwrap();
    queue.release(&run, first.fence).await.unwrap();
    assert_eq!(queue.get(&run).await.unwrap().unwrap().status, RunStatus::Queued);
    assert!(queue.request(new("oak", "apply")).await.unwrap().joined);
    let second = claim(&queue, "b", monday()).await.unwrap();
    assert!(second.request.run == run && second.fence > first.fence);
}

async fn one_run_can_be_claimed_by_name(fresh: &Fresh) {
    let queue = fresh.queue().await;
    queue.request(new("oak", "apply")).await.unwrap();
    let elm = queue.request(new("elm", "apply")).await.unwrap().run;
    let claimed = queue.claim("a", monday(), LEASE, Some(&elm)).await.unwrap().unwrap();
    assert_eq!(claimed.request.run, elm);
    assert_eq!(queue.claim("b", monday(), LEASE, Some(&elm)).await.unwrap(), None);
    assert_eq!(queue.claim("b", monday(), LEASE, Some(&"01NONE".into())).await.unwrap(), None);
}

async fn a_run_is_cancelled_before_it_begins_or_asked_to_stop(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let first = queue.request(new("oak", "apply")).await.unwrap().run;
    assert_eq!(queue.cancel(&first).await.unwrap(), Cancelled::Now);
    assert_eq!(queue.get(&first).await.unwrap().unwrap().status, RunStatus::Cancelled);
    assert!(claim(&queue, "a", monday()).await.is_none());
    let second = queue.request(new("oak", "apply")).await.unwrap().run;
    let claimed = claim(&queue, "a", monday()).await.unwrap();
    assert_eq!(queue.cancel(&second).await.unwrap(), Cancelled::Asked);
    assert!(queue.get(&second).await.unwrap().unwrap().cancel_asked);
    queue.finish(&second, claimed.fence, RunStatus::Cancelled).await.unwrap();
    assert_eq!(queue.cancel(&second).await.unwrap(), Cancelled::TooLate);
    assert_eq!(queue.cancel(&"01NONE".into()).await.unwrap(), Cancelled::TooLate);
}

async fn void_leases_free_every_run(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let run = queue.request(new("oak", "apply")).await.unwrap().run;
    let dead = claim(&queue, "a", monday()).await.unwrap();
    assert_eq!(queue.void_all_leases().await.unwrap(), 1);
    assert_eq!(queue.void_all_leases().await.unwrap(), 0);
    let heir = claim(&queue, "b", monday()).await.unwrap();
    assert!(heir.request.run == run && heir.fence > dead.fence);
}

async fn fences_never_repeat_even_in_a_new_queue(fresh: &Fresh) {
    let queue = fresh.queue().await;
    queue.request(new("oak", "apply")).await.unwrap();
    let claimed = claim(&queue, "a", monday()).await.unwrap();
    assert!(claimed.fence >= monday().millis());
    queue.release(&claimed.request.run, claimed.fence).await.unwrap();
    let before = at("2020-01-01T00:00:00Z");
    let again = claim(&queue, "a", before).await.unwrap();
    assert_eq!(again.fence, claimed.fence + 1, "also when the clock jumps back");
}

async fn many_workers_share_the_queue_and_do_each_run_once(fresh: &Fresh) {
    let queue = fresh.queue().await;
    for n in 0..20 {
        queue.request(new(&format!("d-{n:02}"), "apply")).await.unwrap();
    }
    let workers = (0..8).map(|n| {
        let queue = queue.clone();
        async move {
            let mut done = Vec::new();
            while let Some(it) = claim(&queue, &format!("w-{n}"), monday()).await {
                queue.finish(&it.request.run, it.fence, RunStatus::Applied).await.unwrap();
                done.push(it.request.run);
            }
            done
        }
    });
    let done: Vec<RunId> = futures_util::future::join_all(workers).await.concat();
    assert_eq!((done.len(), done.iter().collect::<BTreeSet<_>>().len()), (20, 20));
    assert!(queue.list(true).await.unwrap().is_empty());
}

async fn many_requests_at_once_become_one_run(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let all = (0..20).map(|_| queue.request(new("oak", "apply")));
    let all = futures_util::future::join_all(all).await;
    let runs: BTreeSet<RunId> = all.into_iter().map(|it| it.unwrap().run).collect();
    assert_eq!(runs.len(), 1);
}

/// On SQLite one process works, and hears of itself.
#[tokio::test]
async fn who_files_wakes_those_who_listen() {
    assert!(Fresh::new(Backend::Sqlite).await.unwrap().queue().await.wakes().await.unwrap().is_none());
    let Some(fresh) = Fresh::new(Backend::Postgres).await else { return };
    let (one, other) = (fresh.queue().await, fresh.queue().await);
    let mut wakes = other.wakes().await.unwrap().unwrap();
    one.request(new("oak", "apply")).await.unwrap();
    tokio::time::timeout(LEASE, wakes.next()).await.unwrap().unwrap();
    let claimed = claim(&other, "other", monday()).await.unwrap();
    assert_eq!(claimed.request.district, DistrictId::from("oak"), "what is told of is there");
    drop(wakes);
    one.close().await;
    other.close().await;
}

async fn tokens_are_kept_found_by_hash_and_revoked(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let scopes = ["read".to_owned(), "sync".to_owned()];
    let districts = [DistrictId::from("oak")];
    queue.create_token("ci", "aa", &scopes, &districts, monday()).await.unwrap();
    queue.create_token("ops", "bb", &scopes, &[], monday()).await.unwrap();
    let twice = queue.create_token("ci", "cc", &scopes, &[], monday()).await;
    assert_eq!(twice, Err(QueueError::TokenExists("ci".to_owned())));
    let found = queue.token_by_hash("aa").await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.scopes.as_slice()), ("ci", scopes.as_slice()));
    assert_eq!(found.districts, districts);
    assert_eq!(queue.token_by_hash("cc").await.unwrap(), None);
    assert!(queue.revoke_token("ci", later(1)).await.unwrap());
    assert!(!queue.revoke_token("ci", later(2)).await.unwrap());
    assert_eq!(queue.token_by_hash("aa").await.unwrap(), None);
    let all = queue.tokens().await.unwrap();
    let shown: Vec<_> = all.iter().map(|it| (it.name.as_str(), it.revoked_at)).collect();
    assert_eq!(shown, [("ci", Some(later(1))), ("ops", None)]);
}

async fn an_acknowledged_request_survives_a_restart(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let run = queue.request(new("oak", "apply")).await.unwrap().run;
    queue.close().await;
    assert_eq!(fresh.queue().await.list(true).await.unwrap()[0].run, run);
}

#[tokio::test]
async fn the_same_requests_have_the_same_run_ids_on_both_databases() {
    let sqlite = Fresh::new(Backend::Sqlite).await.unwrap();
    let Some(postgres) = Fresh::new(Backend::Postgres).await else { return };
    let mut all = Vec::new();
    for fresh in [&sqlite, &postgres] {
        let queue = fresh.queue().await;
        for (district, mode) in [("oak", "apply"), ("oak", "plan"), ("elm", "apply")] {
            queue.request(new(district, mode)).await.unwrap();
        }
        all.push(queue.list(true).await.unwrap());
    }
    assert_eq!(all[0], all[1]);
    postgres.discard().await;
}

#[tokio::test]
async fn a_long_apply_delays_neither_an_acknowledgement_nor_a_reader() {
    let fresh = Fresh::new(Backend::Sqlite).await.unwrap();
    fresh.store().await.close().await;
    let path = fresh.settings.url.strip_prefix("sqlite:").unwrap();
    let writer = sqlx::SqlitePool::connect(path).await.unwrap();
    let apply = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let meanwhile = async {
        fresh.queue().await.request(new("oak", "apply")).await.unwrap();
        fresh.store().await.districts().await.unwrap();
    };
    let done = tokio::time::timeout(Duration::from_secs(20), meanwhile).await;
    assert!(done.is_ok(), "a request, an open and a read wait for the store's write lock");
    drop(apply);
}
