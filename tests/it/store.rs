//! Every public function of the store, on both databases.

use std::collections::{BTreeMap, BTreeSet};

use rosterd::alert::Move;
use rosterd::audit::GENESIS;
use rosterd::model::Verb;
use rosterd::model::{
    Alert, AlertKind, Assignment, Baseline, Daily, Decision, EducatorAccess, EndDates, Ended, Fingerprint, HeldChange,
    HoldDecision, HoldRecord, Kind, Leaving, Level, Override, OverrideKind, Pool, ProductCode, Record, ReleaseReason,
    Remembered, RunRecord, RunStatus, SeatState, SourceId, SourceMark, Spell, SubscriptionId, Target, Terms, Timestamp,
    Verdict,
};
use rosterd::store::{
    Activity, AuditFilter, ByHand, CatalogLook, HoldUpdate, RecordWrite, RunFilter, Store, StoreError, WriteError,
};

use crate::support::db::{Backend, Fresh};
use crate::support::world::{
    added, at, class, draft, enrollment, first_run, granted, monday, oak, removed, run, seat, told, tuesday, user,
    with_oak, writes,
};

both!(
    a_district_is_made_once_and_follows_the_configuration,
    a_run_is_written_whole_and_read_back,
    a_stale_plan_is_refused_and_writes_nothing,
    an_older_holder_is_fenced_out,
    a_run_is_written_once,
    a_failing_write_leaves_nothing_behind,
    a_run_without_changes_moves_neither_revision_nor_chain,
    runs_are_listed_newest_first,
    a_removed_record_is_archived_and_can_be_restored,
    what_left_by_mere_absence_is_kept_for_the_leaving_seat,
    seats_and_the_waitlist_follow_the_writes,
    a_hold_waits_until_every_change_is_decided,
    decisions_are_kept_replaced_and_forgotten,
    what_the_catalog_says_is_in_force_once_a_run_takes_it_up,
    a_subscription_that_vanishes_is_told_and_keeps_its_state,
    a_subscription_stays_in_the_district_where_it_is_in_force,
    what_was_decided_by_hand_is_written_with_its_run,
    what_an_allocation_leaves_to_remember_comes_back,
    alerts_and_the_days_behind_them_come_back_and_the_audit_knows_them,
    the_audit_is_read_by_filter,
    ten_thousand_records_go_in_and_come_out,
    ids_sort_by_their_bytes,
);

type SeatKey = (ProductCode, SourceId);

fn key(user: &str) -> SeatKey {
    ("reading".into(), user.into())
}

async fn clean(store: &Store) {
    let checked = store.check(&oak(), None).await.unwrap();
    assert_eq!(checked.faults, Vec::<String>::new());
}

async fn a_district_is_made_once_and_follows_the_configuration(fresh: &Fresh) {
    let store = fresh.store().await;
    assert!(matches!(store.baseline(&oak()).await, Err(StoreError::NoDistrict { .. })));
    with_oak(&store).await;
    with_oak(&store).await;
    let [state] = &store.districts().await.unwrap()[..] else { panic!("one district") };
    assert_eq!((state.revision, state.audit_seq, state.audit_head.as_str()), (0, 0, GENESIS));
    let zone = "America/Denver".parse().unwrap();
    store.ensure_district(&oak(), "Oak", zone, EndDates::Inclusive).await.unwrap();
    let state = store.district(&oak()).await.unwrap();
    assert_eq!((state.revision, state.time_zone, state.end_dates), (1, zone, EndDates::Inclusive));
    assert_eq!(store.latest_at().await.unwrap(), None);
    assert!(store.check(&oak(), None).await.unwrap().faults.is_empty(), "an empty store verifies");
}

async fn a_run_is_written_whole_and_read_back(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    let mut writes = first_run();
    let source = SourceMark { feed: "clever:1".into(), content: None, uploaded_at: None, pulled_at: monday() };
    writes.source = Some(source.clone());
    let span = store.write(writes.clone()).await.unwrap().unwrap();
    assert_eq!((span.first_seq, span.last_seq), (1, 8));

    let base = store.baseline(&oak()).await.unwrap();
    assert_eq!((base.state.revision, base.state.audit_seq), (1, 8));
    assert_eq!(base.state.audit_head, span.head);
    assert_eq!((base.state.source, base.state.allocated_at), (Some(source), Some(monday())));
    assert_eq!(base.roster.count(Kind::Users), 2);
    assert_eq!(base.seats, BTreeMap::from([(key("U1"), (*writes.seats_put[0]).clone())]));
    assert_eq!(base.waiting, BTreeMap::from([(key("U2"), (*writes.waiting_put[0]).clone())]));
    let counts = store.counts(&oak()).await.unwrap();
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [1, 0, 0, 1, 2, 2]);
    let users = store.roster(&oak(), Kind::Users).await.unwrap();
    assert_eq!(users, [user("U1"), user("U2")]);

    let kept = store.run(&"01RUN-1".into()).await.unwrap().unwrap();
    assert_eq!(kept.audit, Some(span));
    assert_eq!(store.latest_at().await.unwrap(), Some(monday()));
    clean(&store).await;
}

async fn a_stale_plan_is_refused_and_writes_nothing(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    store.write(first_run()).await.unwrap();
    let mut late = writes("01RUN-2", tuesday(), 0);
    late.records = vec![added(&user("U3"))].into();
    let refused = store.write(late).await.unwrap_err();
    assert_eq!(refused, WriteError::Stale { expected: 0, found: 1 });
    assert_eq!(store.counts(&oak()).await.unwrap()[&Kind::Users], 2);
    assert_eq!(store.run(&"01RUN-2".into()).await.unwrap(), None);
}

async fn an_older_holder_is_fenced_out(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    store.take_fence(&oak(), 8).await.unwrap();
    assert_eq!(store.take_fence(&oak(), 7).await, Err(WriteError::Fenced));
    let mut old = first_run();
    old.fence = Some(7);
    assert_eq!(store.write(old).await, Err(WriteError::Fenced));
    let failed = RunRecord { status: RunStatus::Failed, ..run("01RUN-1", monday()) };
    assert_eq!(store.finish_run(&failed, Some(7)).await, Err(WriteError::Fenced), "nor says that the run failed");
    let mut new = first_run();
    new.fence = Some(8);
    store.write(new).await.unwrap();
    clean(&store).await;
}

async fn a_run_is_written_once(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    store.write(first_run()).await.unwrap();
    let done = WriteError::AlreadyDone("01RUN-1".into());
    assert_eq!(store.write(first_run()).await, Err(done.clone()));
    assert_eq!(store.finish_run(&run("01RUN-1", monday()), None).await, Err(done));
    clean(&store).await;
}

async fn a_failing_write_leaves_nothing_behind(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    let mut bad = first_run();
    bad.seats_removed = vec![key("nobody")];
    let error = store.write(bad).await.unwrap_err();
    assert!(matches!(error, WriteError::Store(StoreError::RowsAffected { .. })), "{error:?}");
    let mut bodiless = first_run();
    let mut records = bodiless.records.made().unwrap();
    records[0].after = None;
    bodiless.records = records.into();
    let error = store.write(bodiless).await.unwrap_err();
    assert!(matches!(error, WriteError::Store(StoreError::NoBody { .. })), "{error:?}");
    let state = store.district(&oak()).await.unwrap();
    assert_eq!((state.revision, state.audit_seq, state.allocated_at), (0, 0, None));
    assert_eq!(store.counts(&oak()).await.unwrap()[&Kind::Users], 0);
    assert!(store.runs(&RunFilter::default()).await.unwrap().is_empty());
    store.write(first_run()).await.unwrap();
}

async fn a_run_without_changes_moves_neither_revision_nor_chain(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    store.write(first_run()).await.unwrap();
    let before = store.district(&oak()).await.unwrap();
    assert_eq!(store.write(writes("01RUN-2", tuesday(), 1)).await.unwrap(), None);
    let after = store.district(&oak()).await.unwrap();
    assert_eq!((after.revision, &after.audit_head), (before.revision, &before.audit_head));
    assert_eq!(after.allocated_at, Some(tuesday()));
}

async fn runs_are_listed_newest_first(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    let zone = "America/Denver".parse().unwrap();
    store.ensure_district(&"elm".into(), "Elm", zone, EndDates::Inclusive).await.unwrap();
    store.write(first_run()).await.unwrap();
    let mut failed = run("01RUN-2", tuesday());
    failed.status = RunStatus::Failed;
    failed.error = Some("the feed answered 500".to_owned());
    store.finish_run(&failed, None).await.unwrap();
    let mut other = run("01RUN-3", tuesday());
    other.district = "elm".into();
    store.finish_run(&other, None).await.unwrap();

    let ids = async |filter: RunFilter| -> Vec<String> {
        let runs = store.runs(&filter).await.unwrap();
        runs.into_iter().map(|it| it.run.to_string()).collect()
    };
    let all = RunFilter::default();
    assert_eq!(ids(all.clone()).await, ["01RUN-3", "01RUN-2", "01RUN-1"]);
    let of_oak = RunFilter { district: Some(oak()), ..all.clone() };
    assert_eq!(ids(of_oak).await, ["01RUN-2", "01RUN-1"]);
    let of_failed = RunFilter { status: Some(RunStatus::Failed), ..all.clone() };
    assert_eq!(ids(of_failed).await, ["01RUN-2"]);
    let page = RunFilter { before: Some("01RUN-3".into()), limit: Some(1), ..all };
    assert_eq!(ids(page).await, ["01RUN-2"]);
    assert_eq!(store.run(&"01RUN-2".into()).await.unwrap(), Some(failed));
    assert_eq!(store.run(&"01NONE".into()).await.unwrap(), None);
}

/// S2.14, C14, U9: nothing is deleted.
async fn a_removed_record_is_archived_and_can_be_restored(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    store.write(first_run()).await.unwrap();
    let mut second = writes("01RUN-2", tuesday(), 1);
    second.records = vec![removed(&enrollment("U2", "C1"), false), removed(&user("U2"), false)].into();
    second.waiting_removed = vec![key("U2")];
    second.audit = second.records.made().unwrap().iter().map(told).collect();
    second.audit.push(draft("seat.waiting_ended", "reading/U2"));
    store.write(second).await.unwrap();

    let base = store.baseline(&oak()).await.unwrap();
    assert!(base.is_archived(&user("U2")) && base.is_archived(&enrollment("U2", "C1")));
    assert_eq!((base.count(Kind::Users), base.waiting.len()), (1, 0));
    clean(&store).await;

    let mut third = writes("01RUN-3", tuesday(), 2);
    third.records = vec![RecordWrite { verb: Verb::Restored, ..added(&user("U2")) }].into();
    third.audit = third.records.made().unwrap().iter().map(told).collect();
    store.write(third).await.unwrap();
    let base = store.baseline(&oak()).await.unwrap();
    assert!(!base.is_archived(&user("U2")) && base.count(Kind::Users) == 2);
    clean(&store).await;
}

async fn what_left_by_mere_absence_is_kept_for_the_leaving_seat(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    store.write(first_run()).await.unwrap();
    let mut second = writes("01RUN-2", tuesday(), 1);
    let gone = [enrollment("U1", "C1"), user("U1"), enrollment("U2", "C1"), user("U2"), class("C1")];
    second.records = gone.iter().map(|it| removed(it, true)).collect();
    let mut leaving = seat("U1", Pool::School("S1".into()));
    leaving.leaving = Some(Leaving { since: tuesday().date_in(chrono_tz::UTC), upload: None });
    leaving.state = SeatState::Leaving;
    second.seats_put = vec![leaving.clone().into()];
    store.write(second).await.unwrap();

    let base = store.baseline(&oak()).await.unwrap();
    assert_eq!(base.seats[&key("U1")], leaving);
    let departed: BTreeSet<String> = base.departed.records().map(|it| it.text_id()).collect();
    let wanted = ["C1", "U1", r#"["U1","C1","student"]"#].map(str::to_owned);
    assert_eq!(departed, BTreeSet::from(wanted), "nothing of U2, who has no seat");
}

async fn seats_and_the_waitlist_follow_the_writes(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    store.write(first_run()).await.unwrap();
    let mut second = writes("01RUN-2", tuesday(), 1);
    second.seats_removed = vec![key("U1")];
    second.ended_put = vec![(key("U1"), Ended { at: tuesday(), reason: ReleaseReason::Reclaimed })];
    let mut next = seat("U2", Pool::District);
    next.claimed_at = Some(monday());
    next.last_used_at = Some(tuesday());
    next.bridged = true;
    next.state = SeatState::Bridged;
    second.seats_put = vec![next.clone().into()];
    second.waiting_removed = vec![key("U2")];
    let mut released = draft("seat.released", "reading/U1");
    released.reason = Some("reclaimed".to_owned());
    second.audit =
        vec![released, granted(&next), draft("seat.bridged", "reading/U2"), draft("seat.waiting_ended", "reading/U2")]
            .into();
    store.write(second).await.unwrap();
    let (holders, line) = store.seats(&oak(), &"reading".into()).await.unwrap();
    assert_eq!((holders, line.len()), (vec![next], 0));
    assert!(store.seats(&oak(), &"math".into()).await.unwrap().0.is_empty());
    let base = store.baseline(&oak()).await.unwrap();
    assert_eq!(base.ended[&key("U1")].reason, ReleaseReason::Reclaimed);
    clean(&store).await;
}

fn held(id: &str) -> HeldChange {
    HeldChange {
        groups: BTreeSet::from(["district/users/removed".to_owned()]),
        kind: Kind::Users,
        id: id.to_owned(),
        before: Some(user(id).body().unwrap()),
        after: None,
        tombstone: true,
    }
}

async fn a_hold_waits_until_every_change_is_decided(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    store.write(first_run()).await.unwrap();
    let mut second = writes("01RUN-2", tuesday(), 1);
    second.run.status = RunStatus::Held;
    second.run.holds = vec![HoldRecord {
        group: "district/users/removed".to_owned(),
        count: 2,
        of: 2,
        affected: 2,
        limit: "over 5 % and over 50".to_owned(),
        decision: None,
    }];
    second.held = vec![held("U1"), held("U2")];
    let run_record = second.run.clone();
    store.write(second).await.unwrap();
    let review = store.baseline(&oak()).await.unwrap().review.unwrap();
    assert_eq!((review.run.as_str(), review.first_sync), ("01RUN-2", false));
    assert_eq!(review.changes, [held("U1"), held("U2")]);
    assert_eq!(store.undecided_runs(&oak()).await.unwrap(), std::slice::from_ref(&run_record));

    let update = |id: &str| HoldUpdate {
        run: "01RUN-2".into(),
        kind: Kind::Users,
        id: id.to_owned(),
        decision: "rejected".to_owned(),
        by: Some("kim".to_owned()),
        at: tuesday(),
    };
    let mut third = writes("01RUN-3", tuesday(), 2);
    third.hold_decisions = vec![update("U1")];
    store.write(third).await.unwrap();
    assert_eq!(store.baseline(&oak()).await.unwrap().review.unwrap().changes, [held("U2")]);

    let mut fourth = writes("01RUN-4", tuesday(), 3);
    fourth.hold_decisions = vec![update("U2")];
    let mut decided = run_record;
    decided.holds[0].decision =
        Some(HoldDecision { decision: "rejected".to_owned(), by: Some("kim".to_owned()), at: tuesday() });
    fourth.runs_updated = vec![decided.clone()];
    store.write(fourth).await.unwrap();
    assert_eq!(store.baseline(&oak()).await.unwrap().review, None);
    assert!(store.undecided_runs(&oak()).await.unwrap().is_empty());
    assert_eq!(store.run(&"01RUN-2".into()).await.unwrap(), Some(decided));
    let rejected = Some("rejected".to_owned());
    let changes = store.held_changes(&"01RUN-2".into()).await.unwrap();
    assert_eq!(changes, [(held("U1"), rejected.clone()), (held("U2"), rejected)]);
}

async fn decisions_are_kept_replaced_and_forgotten(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    let refused = Decision { verdict: Verdict::Refused, version: None, until: None, run: "01RUN-1".into() };
    let approved = Decision {
        verdict: Verdict::Approved,
        version: Some(Fingerprint::of("{}")),
        until: Some(tuesday()),
        run: "01RUN-2".into(),
    };
    let mut first = writes("01RUN-1", monday(), 0);
    first.decisions =
        vec![(Kind::Users, "U1".to_owned(), refused.clone()), (Kind::Classes, "U1".to_owned(), refused.clone())];
    store.write(first).await.unwrap();
    let mut second = writes("01RUN-2", tuesday(), 1);
    second.decisions = vec![(Kind::Users, "U1".to_owned(), approved.clone())];
    second.decisions_cleared = vec![(Kind::Classes, "U1".to_owned()), (Kind::Classes, "gone".to_owned())];
    store.write(second).await.unwrap();
    let decisions = store.baseline(&oak()).await.unwrap().decisions;
    assert_eq!(decisions, BTreeMap::from([((Kind::Users, "U1".to_owned()), approved)]));
}

fn catalog(products: &[&str], subscriptions: &[(&str, &str, u32)]) -> rosterd::model::Catalog {
    let product = |code: &&str| {
        serde_json::json!({
            "code": code, "name": "Reading A", "audience": "student", "basis": "enrolled",
            "count_by": "account", "roles": [], "grades": ["01"], "schools": [], "subjects": [],
            "courses": [], "educator_access": false, "bundle": [], "leaving_grace_days": 3,
            "after_last_day": "keep", "order": [],
        })
    };
    let subscription = |(id, district, seats): &(&str, &str, u32)| {
        serde_json::json!({
            "id": id, "district": district, "product": "reading", "seats": seats,
            "starts_on": "2026-07-01", "expires_on": "2027-06-30", "grace_days": 30, "renews": null,
            "status": "active", "licensed_to": "Oak Unified", "created_on": null,
            "overage": { "percent": 10, "days": 30 }, "on_shrink": "keep", "remediate_days": 0,
            "alert_remaining": 5, "allotments": [{ "school": "S1", "seats": "unlimited" }],
        })
    };
    let map = |rows: Vec<serde_json::Value>, key: &str| -> serde_json::Value {
        rows.into_iter().map(|it| (it[key].as_str().unwrap().to_owned(), it)).collect::<serde_json::Map<_, _>>().into()
    };
    serde_json::from_value(serde_json::json!({
        "products": map(products.iter().map(product).collect(), "code"),
        "subscriptions": map(subscriptions.iter().map(subscription).collect(), "id"),
    }))
    .unwrap()
}

fn look(at: Timestamp) -> CatalogLook {
    CatalogLook { at, source: None, etag: None, outcome: String::new() }
}

/// S0.2: what is said is in force only with the run that takes it up.
async fn what_the_catalog_says_is_in_force_once_a_run_takes_it_up(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    let in_force = async || store.catalog().await.unwrap().subscriptions;
    let unsettled = async || store.unsettled().await.unwrap();
    let first = catalog(&["reading", "math"], &[("A", "oak", 10), ("B", "elm", 5)]);
    assert!(store.offer_catalog(&first, &look(monday())).await.unwrap());
    assert!(!store.offer_catalog(&first, &look(monday())).await.unwrap(), "the same again says nothing new");
    assert!(in_force().await.is_empty());
    assert_eq!(unsettled().await, [oak()].into(), "elm is not known yet");
    let base = store.baseline(&oak()).await.unwrap();
    assert_eq!((base.catalog.products.len(), base.catalog.subscriptions.len(), base.state.revision), (2, 0, 0));

    let taken = base.taking_up();
    assert_eq!(taken.catalog.subscriptions.len(), 1);
    let mut run = writes("01RUN-1", monday(), 0);
    run.contract = taken.taken_up().unwrap().clone();
    store.write(run).await.unwrap();
    assert_eq!(in_force().await.into_keys().collect::<Vec<_>>(), [SubscriptionId::from("A")]);
    assert_eq!(unsettled().await, [].into());
    assert_eq!(store.baseline(&oak()).await.unwrap().terms, Terms::Settled);

    // A product that oak did not buy is none of its business; one that it bought is.
    let mut second = catalog(&["reading", "math", "science"], &[("A", "oak", 10)]);
    "Mathematics".clone_into(&mut second.products.get_mut(&"math".into()).unwrap().name);
    store.offer_catalog(&second, &look(tuesday())).await.unwrap();
    assert_eq!(unsettled().await, [].into());
    second.products.get_mut(&"reading".into()).unwrap().leaving_grace_days = 4;
    store.offer_catalog(&second, &look(tuesday())).await.unwrap();
    assert_eq!(unsettled().await, [oak()].into());
    let grace = |base: &Baseline| base.catalog.products[&"reading".into()].leaving_grace_days;
    let base = store.baseline(&oak()).await.unwrap();
    assert_eq!((grace(&base), grace(&base.taking_up())), (3, 4));
}

/// licensing.md, Subscriptions: ending is said, not implied.
async fn a_subscription_that_vanishes_is_told_and_keeps_its_state(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    let both = catalog(&["reading"], &[("A", "oak", 10), ("B", "oak", 5)]);
    store.offer_catalog(&both, &look(monday())).await.unwrap();
    let mut run = writes("01RUN-1", monday(), 0);
    run.contract = store.baseline(&oak()).await.unwrap().taking_up().taken_up().unwrap().clone();
    store.write(run).await.unwrap();
    assert!(store.offer_catalog(&catalog(&["reading"], &[("A", "oak", 10)]), &look(tuesday())).await.unwrap());
    assert_eq!(store.vanished().await.unwrap(), [(oak(), "B".into(), tuesday())]);
    assert_eq!(store.unsettled().await.unwrap(), [].into());
    let base = store.baseline(&oak()).await.unwrap();
    assert_eq!((base.catalog.subscriptions.len(), base.vanished), (2, [("B".into(), tuesday())].into()));
    store.offer_catalog(&both, &look(tuesday())).await.unwrap();
    assert_eq!(store.vanished().await.unwrap(), []);
}

/// S4.47: an id that was written for the wrong district before anyone had it is corrected, one in force is not moved.
async fn a_subscription_stays_in_the_district_where_it_is_in_force(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    let zone = "America/Denver".parse().unwrap();
    store.ensure_district(&"elm".into(), "Elm", zone, EndDates::Inclusive).await.unwrap();
    store.offer_catalog(&catalog(&["reading"], &[("A", "elm", 10)]), &look(monday())).await.unwrap();
    store.offer_catalog(&catalog(&["reading"], &[("A", "oak", 10)]), &look(monday())).await.unwrap();
    assert_eq!(store.unsettled().await.unwrap(), [oak()].into());
    let mut run = writes("01RUN-1", monday(), 0);
    run.contract = store.baseline(&oak()).await.unwrap().taking_up().taken_up().unwrap().clone();
    store.write(run.clone()).await.unwrap();
    let revision = store.district(&"elm".into()).await.unwrap().revision;
    let mut stolen = writes("01RUN-2", monday(), revision);
    stolen.district = "elm".into();
    stolen.run.district = "elm".into();
    stolen.contract = run.contract;
    store.write(stolen).await.unwrap_err();
    assert_eq!(store.catalog().await.unwrap().subscriptions[&"A".into()].district, oak());
}

async fn what_was_decided_by_hand_is_written_with_its_run(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    let pin = Override {
        product: "reading".into(),
        user: "U1".into(),
        kind: OverrideKind::Pin,
        actor: "kim".to_owned(),
        reason: "asked by the school".to_owned(),
        until: Some("2026-12-01".parse().unwrap()),
    };
    let access = EducatorAccess { product: "reading".into(), educator: "T1".into(), on: false };
    let assigned = |target: Target| Assignment {
        instance: 0,
        product: "reading".into(),
        target,
        kind: OverrideKind::Pin,
        except: ["U2".into()].into(),
        actor: "kim".to_owned(),
        reason: "asked by the school".to_owned(),
        at: monday(),
        until: None,
    };
    let (of_user, of_class) = (assigned(Target::User("U1".into())), assigned(Target::Class("U1".into())));
    let used = |first, last| Activity { product: "reading".into(), user: "U1".into(), first, last };
    let mut first = writes("01RUN-1", monday(), 0);
    first.by_hand = ByHand {
        overrides_put: vec![pin.clone()],
        access_put: vec![access.clone()],
        assignments_put: vec![of_user.clone(), of_class.clone()],
        activity: vec![used(tuesday(), tuesday())],
        persons_put: vec![("U1".into(), "U1".into()), ("U2".into(), "U1".into())],
        ..ByHand::default()
    };
    store.write(first).await.unwrap();
    let base = store.baseline(&oak()).await.unwrap();
    assert_eq!(base.state.revision, 1, "plans made before are stale");
    assert_eq!(base.overrides, BTreeMap::from([(key("U1"), pin.clone())]));
    assert_eq!(base.educator_access, BTreeMap::from([(key("T1"), access)]));
    let both = [of_user, of_class.clone()].map(|it| ((it.product.clone(), it.target.clone()), it));
    assert_eq!(base.assignments, BTreeMap::from(both));
    assert_eq!(base.opened, BTreeMap::from([(key("U1"), tuesday())]));
    assert_eq!(base.persons, BTreeMap::from([("U1".into(), "U1".into()), ("U2".into(), "U1".into())]));

    let mut second = writes("01RUN-2", tuesday(), 1);
    let exclude = Override { kind: OverrideKind::Exclude, until: None, ..pin };
    second.by_hand = ByHand {
        overrides_put: vec![exclude.clone()],
        assignments_removed: vec![("reading".into(), Target::User("U1".into()))],
        activity: vec![used(monday(), monday())],
        persons_removed: vec!["U2".into()],
        ..ByHand::default()
    };
    store.write(second).await.unwrap();
    let base = store.baseline(&oak()).await.unwrap();
    assert_eq!(base.overrides, BTreeMap::from([(key("U1"), exclude)]));
    assert_eq!(base.assignments.into_values().collect::<Vec<_>>(), [of_class]);
    assert_eq!(base.opened, BTreeMap::from([(key("U1"), monday())]), "the earlier first use counts");
    assert_eq!(base.persons.len(), 1);

    let mut third = writes("01RUN-3", tuesday(), 2);
    third.by_hand.overrides_removed = vec![key("U1"), key("U2")];
    let error = store.write(third.clone()).await.unwrap_err();
    assert!(matches!(error, WriteError::Store(StoreError::RowsAffected { .. })), "{error:?}");
    third.by_hand.overrides_removed.pop();
    store.write(third).await.unwrap();
    assert_eq!(store.baseline(&oak()).await.unwrap().overrides, BTreeMap::new());
    // These runs said nothing in the audit: what is left of them stands there behind its back.
    let faults = store.check(&oak(), None).await.unwrap().faults;
    for table in ["educator access", "assignments", "accounts of persons"] {
        assert!(
            faults.iter().any(|it| it.starts_with(&format!("{table} of `oak`: 1 only in the store"))),
            "{faults:?}"
        );
    }
    assert_eq!(faults.len(), 3, "{faults:?}");
}

async fn what_an_allocation_leaves_to_remember_comes_back(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    assert_eq!(store.baseline(&oak()).await.unwrap().remembered, Remembered::default());
    let spell = Spell { over: "2025-10-06".parse().unwrap(), beyond: None };
    let remembered = Remembered {
        over: BTreeMap::from([("reading".into(), spell)]),
        grace: BTreeMap::from([("SUB-1".into(), 7)]),
        ..Remembered::default()
    };
    let mut first = writes("01RUN-1", monday(), 0);
    first.remembered = Some(remembered.clone());
    store.write(first).await.unwrap();
    let base = store.baseline(&oak()).await.unwrap();
    assert_eq!((base.remembered, base.state.revision), (remembered, 1));
}

async fn alerts_and_the_days_behind_them_come_back_and_the_audit_knows_them(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    let of = |school: Option<&str>| (ProductCode::from("reading"), school.map(SourceId::from));
    let days = ["2026-10-04", "2026-10-05"].map(|day| day.parse().unwrap());
    let alert = Alert {
        id: Alert::id_of(&oak(), AlertKind::Waitlist, Some(&"reading".into()), Some(&"S1".into())),
        district: oak(),
        kind: AlertKind::Waitlist,
        product: Some("reading".into()),
        school: Some("S1".into()),
        level: Level::Red,
        step: None,
        on: None,
        text: "1 user waits for a license.".to_owned(),
        numbers: BTreeMap::from([("waiting".to_owned(), 1)]),
        raised_at: monday(),
        stepped_at: None,
        cleared_at: None,
        acknowledged: None,
    };
    let mut first = writes("01RUN-1", monday(), 0);
    first.alerts_put = vec![alert.clone()];
    let daily = |school, day, assigned| Daily { of: of(school), day, assigned };
    first.daily_put = vec![daily(None, days[0], 7), daily(Some("S1"), days[0], 3)];
    first.audit = vec![rosterd::alert::draft(&Move::Raised(alert.clone()), store.pseudonym_key())].into();
    store.write(first).await.unwrap();
    clean(&store).await;
    let base = store.baseline(&oak()).await.unwrap();
    assert_eq!(base.alerts, BTreeMap::from([(alert.id.clone(), alert.clone())]));
    assert_eq!(base.daily[&of(Some("S1"))], BTreeMap::from([(days[0], 3)]));

    let gone = Alert { cleared_at: Some(tuesday()), ..alert.clone() };
    let mut second = writes("01RUN-2", tuesday(), 1);
    second.alerts_put = vec![gone.clone()];
    second.daily_removed = vec![(of(None), days[0])];
    second.daily_put = vec![daily(None, days[1], 8)];
    store.write(second).await.unwrap();
    assert_eq!(store.alerts(&oak(), false).await.unwrap(), []);
    assert_eq!(store.alerts(&oak(), true).await.unwrap(), [gone]);
    assert_eq!(store.baseline(&oak()).await.unwrap().daily[&of(None)], BTreeMap::from([(days[1], 8)]));
    let faults = store.check(&oak(), None).await.unwrap().faults;
    let gone = format!("open alerts of `oak`: 1 only in the audit: `{}`", alert.id);
    assert_eq!(faults, [gone], "cleared behind its back");
}

/// S3.29, S3.31.
async fn the_audit_is_read_by_filter(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    store.write(first_run()).await.unwrap();
    let mut second = writes("01RUN-2", tuesday(), 1);
    second.audit = vec![draft("user.changed", "U1"), draft("user.changed", "XU1")].into();
    store.write(second).await.unwrap();
    let zone = "America/Denver".parse().unwrap();
    store.ensure_district(&"elm".into(), "Elm", zone, EndDates::Inclusive).await.unwrap();
    let mut of_elm = writes("01RUN-3", monday(), 0);
    of_elm.district = "elm".into();
    of_elm.run.district = "elm".into();
    of_elm.audit = vec![draft("subscription.changed", "B")].into();
    store.write(of_elm).await.unwrap();

    let found = async |filter: AuditFilter| -> Vec<String> {
        let mut stream = store.audit_stream(filter).await.unwrap();
        let mut found = Vec::new();
        while let Some(page) = stream.next_page().await.unwrap() {
            found.extend(page.into_iter().map(|it| format!("{} {}", it.district, it.seq)));
        }
        found
    };
    let all = AuditFilter::default();
    assert_eq!(found(all.clone()).await.len(), 11);
    assert_eq!(found(all.clone()).await[0], "elm 1");
    let run = AuditFilter { run: Some("01RUN-2".into()), ..all.clone() };
    assert_eq!(found(run).await, ["oak 9", "oak 10"]);
    let user = AuditFilter { user: Some("U1".into()), ..all.clone() };
    assert_eq!(found(user).await, ["oak 3", "oak 5", "oak 7", "oak 9"]);
    let action = AuditFilter { action: Some("seat.waiting".to_owned()), ..all.clone() };
    assert_eq!(found(action).await, ["oak 8"]);
    let category = AuditFilter { category: Some(rosterd::audit::Category::License), ..all.clone() };
    assert_eq!(found(category).await, ["oak 7", "oak 8"]);
    let since = AuditFilter { since: Some(tuesday()), ..all.clone() };
    assert_eq!(found(since).await, ["oak 9", "oak 10"]);
    let until = AuditFilter { until: Some(tuesday()), district: Some(oak()), ..all.clone() };
    assert_eq!(found(until).await.len(), 8);
    let after = AuditFilter { after_seq: Some(9), ..all };
    assert_eq!(found(after).await, ["oak 10"]);
}

async fn ten_thousand_records_go_in_and_come_out(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    let mut many = writes("01RUN-1", monday(), 0);
    many.records = (0..10_001).map(|n| added(&user(&format!("U{n:05}")))).collect();
    many.audit = many.records.made().unwrap().iter().map(told).collect();
    store.write(many).await.unwrap();
    assert_eq!(store.counts(&oak()).await.unwrap()[&Kind::Users], 10_001);
    assert_eq!(store.audit_head(&oak()).await.unwrap().size, 10_001);
    clean(&store).await;
}

async fn ids_sort_by_their_bytes(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    let ids = ["B", "a b", "a-b", "a\"'\\\n{}b", "ab", "é", "😀"];
    let mut first = writes("01RUN-1", monday(), 0);
    first.records = ids.iter().rev().map(|id| added(&user(id))).collect();
    first.seats_put = ids.iter().rev().map(|id| seat(id, Pool::District).into()).collect();
    first.audit = first.records.made().unwrap().iter().map(told).collect();
    first.audit.extend(first.seats_put.iter().map(|it| granted(it)));
    store.write(first).await.unwrap();
    let mut sorted = ids;
    sorted.sort_unstable();
    let users = store.roster(&oak(), Kind::Users).await.unwrap();
    assert_eq!(users.iter().map(Record::text_id).collect::<Vec<_>>(), sorted);
    let (seats, _) = store.seats(&oak(), &"reading".into()).await.unwrap();
    assert_eq!(seats.iter().map(|it| it.user.as_str()).collect::<Vec<_>>(), sorted);
    clean(&store).await;
    let mut second = writes("01RUN-2", tuesday(), 1);
    let enrolled = |id: &&str| draft("enrollment.added", &serde_json::to_string(&[*id, "c", "student"]).unwrap());
    let others = ["school.added", "class.added"].map(|action| draft(action, "x/ab"));
    second.audit = ids.iter().map(enrolled).chain(others).collect();
    store.write(second).await.unwrap();
    for id in ids {
        let mut stream =
            store.audit_stream(AuditFilter { user: Some(id.into()), ..AuditFilter::default() }).await.unwrap();
        let entries = stream.next_page().await.unwrap().unwrap_or_default();
        let actions: Vec<&str> = entries.iter().map(|it| it.action.as_str()).collect();
        assert_eq!(actions, ["user.added", "seat.granted", "enrollment.added"], "{id:?}");
        assert_eq!(stream.next_page().await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_same_history_gives_the_same_chain_on_both_databases() {
    let sqlite = Fresh::new(Backend::Sqlite).await.unwrap();
    let Some(postgres) = Fresh::new(Backend::Postgres).await else { return };
    let mut heads = Vec::new();
    for fresh in [&sqlite, &postgres] {
        let store = fresh.store().await;
        with_oak(&store).await;
        store.write(first_run()).await.unwrap();
        let mut second = writes("01RUN-2", at("2026-10-06T07:00:00.123Z"), 1);
        let mut odd = draft("run.approved", "é\"\\\u{1}\u{7f}😀");
        odd.after = Some(serde_json::json!({ "z": 1, "changed": ["email"], "é": [true, null] }));
        second.audit = vec![odd].into();
        store.write(second).await.unwrap();
        clean(&store).await;
        heads.push(store.audit_head(&oak()).await.unwrap());
    }
    assert_eq!(heads[0], heads[1]);
    assert_eq!(heads[0].size, 9);
    postgres.discard().await;
}
