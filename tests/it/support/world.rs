//! A small district, and the writes of its first runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use rosterd::audit::{Category, Draft};
use rosterd::model::Verb;
use rosterd::model::{
    Changed, Class, ContractChange, DistrictId, EndDates, Enrollment, Kind, Org, Personal, Pool, Record, Role,
    RoleName, RosterRecord, RunId, RunRecord, RunStatus, Seat, SeatState, SourceId, Timestamp, Trigger, User, Waiting,
};
use rosterd::store::{ByHand, RecordWrite, Rows, Store, Writes};
use serde_json::json;

pub(crate) fn oak() -> DistrictId {
    "oak".into()
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub(crate) fn monday() -> Timestamp {
    at("2026-10-05T07:00:00Z")
}

pub(crate) fn tuesday() -> Timestamp {
    at("2026-10-06T07:00:00Z")
}

/// A store with the district `oak`.
pub(crate) async fn with_oak(store: &Store) {
    let zone = "America/Chicago".parse().unwrap();
    store.ensure_district(&oak(), "Oak Unified", zone, EndDates::Exclusive).await.unwrap();
}

pub(crate) fn school() -> Record {
    let name = "Oak Elementary".to_owned();
    let org_type = "school".to_owned();
    Record::School(Org { id: "S1".into(), org_type, name, identifier: None, parent: None, nces: None }.into())
}

pub(crate) fn user(id: &str) -> Record {
    Record::User(Arc::new(User {
        id: id.into(),
        roles: vec![Role { role: RoleName::Student, org: "S1".into(), primary: true, word: None }],
        active: true,
        given_name: Some(Personal::new("Ann")),
        family_name: None,
        email: None,
        username: None,
        grades: vec!["01".to_owned()],
        student_number: None,
        state_id: None,
    }))
}

pub(crate) fn class(id: &str) -> Record {
    Record::Class(Arc::new(Class {
        id: id.into(),
        title: "Reading".to_owned(),
        code: None,
        class_type: None,
        school: Some("S1".into()),
        course: None,
        sessions: Vec::new(),
        grades: Vec::new(),
        subjects: Vec::new(),
        instance: 0,
    }))
}

pub(crate) fn enrollment(user: &str, class: &str) -> Record {
    Enrollment {
        user: user.into(),
        class: class.into(),
        school: None,
        role: RoleName::Student,
        primary: None,
        periods: Vec::new(),
    }
    .into_record()
}

pub(crate) fn added(record: &Record) -> RecordWrite {
    RecordWrite {
        kind: record.kind(),
        id: record.text_id(),
        verb: Verb::Added,
        before: None,
        after: Some(record.body().unwrap()),
        departed: false,
    }
}

pub(crate) fn removed(record: &Record, departed: bool) -> RecordWrite {
    RecordWrite {
        kind: record.kind(),
        id: record.text_id(),
        verb: Verb::Removed,
        before: Some(record.body().unwrap()),
        after: None,
        departed,
    }
}

pub(crate) fn draft(action: &str, id: &str) -> Draft {
    Draft {
        actor: "schedule".to_owned(),
        category: if action.starts_with("seat") { Category::License } else { Category::System },
        action: action.to_owned(),
        entity: action.split('.').next().unwrap().to_owned(),
        id: id.to_owned(),
        before: None,
        after: None,
        reason: None,
    }
}

pub(crate) fn told(write: &RecordWrite) -> Draft {
    let mut told = draft(&format!("{}.{}", write.kind.singular(), write.verb.as_str()), &write.id);
    told.reason = (write.verb == Verb::Removed && !write.departed).then(|| "tombstone".to_owned());
    told
}

pub(crate) fn seat(user: &str, pool: Pool) -> Seat {
    Seat {
        product: "reading".into(),
        user: user.into(),
        pool,
        since: monday(),
        claimed_at: None,
        last_used_at: None,
        leaving: None,
        bridged: false,
        state: SeatState::Active,
    }
}

pub(crate) fn granted(seat: &Seat) -> Draft {
    let mut draft = draft("seat.granted", &format!("{}/{}", seat.product, seat.user));
    draft.after = Some(json!({ "pool": seat.pool, "since": seat.since, "claimed_at": seat.claimed_at }));
    draft
}

pub(crate) fn run(id: &str, as_of: Timestamp) -> RunRecord {
    let mut run = RunRecord::queued(RunId::from(id), oak(), Trigger::Schedule, "apply", as_of);
    run.status = RunStatus::Applied;
    run.changes.insert(Kind::Users, Changed { added: 2, ..Changed::default() });
    run
}

/// Writes of a run that changes nothing yet.
pub(crate) fn writes(id: &str, as_of: Timestamp, base_revision: i64) -> Writes<'static> {
    Writes {
        district: oak(),
        base_revision,
        fence: None,
        run: run(id, as_of),
        records: Rows::default(),
        seats_put: Vec::new(),
        seats_removed: Vec::new(),
        waiting_put: Vec::new(),
        waiting_removed: Vec::new(),
        ended_put: Vec::new(),
        seats_ended: Vec::new(),
        held: Vec::new(),
        kept_put: Vec::new(),
        kept_removed: Vec::new(),
        decisions: Vec::new(),
        decisions_cleared: Vec::new(),
        hold_decisions: Vec::new(),
        runs_updated: Vec::new(),
        source: None,
        by_hand: ByHand::default(),
        contract: ContractChange::default(),
        remembered: None,
        erase: None,
        anew: BTreeSet::new(),
        losses: Vec::new(),
        alerts_put: Vec::new(),
        notices: Vec::new(),
        daily_put: Vec::new(),
        daily_removed: Vec::new(),
        settled: None,
        allocated_at: as_of,
        audit: Rows::default(),
    }
}

/// The first run: a school, a class, two users enrolled in it; the first has a seat, the second waits.
pub(crate) fn first_run() -> Writes<'static> {
    let mut it = writes("01RUN-1", monday(), 0);
    let records = [school(), class("C1"), user("U1"), user("U2"), enrollment("U1", "C1"), enrollment("U2", "C1")];
    it.records = records.iter().map(added).collect();
    it.audit = it.records.made().unwrap().iter().map(told).collect();
    it.seats_put = vec![seat("U1", Pool::School("S1".into())).into()];
    it.audit.push(granted(&it.seats_put[0]));
    let place = Waiting {
        product: "reading".into(),
        user: SourceId::from("U2"),
        since: monday(),
        position: 1,
        short_of: Pool::School("S1".into()),
    };
    it.waiting_put = vec![place.into()];
    let mut joined = draft("seat.waiting", "reading/U2");
    joined.after = Some(json!({ "short_of": "S1", "position": 1 }));
    it.audit.push(joined);
    it
}
