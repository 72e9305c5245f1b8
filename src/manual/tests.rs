//! Rules of the verbs over districts made here.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Asked, Case, ImportedSeat, Verb, Worked, work_out};
use crate::apply::Shown;
use crate::guard;
use crate::model::{
    Audience, Baseline, Catalog, Class, DistrictState, EndDates, Enrollment, HeldChange, Org, PendingReview, Personal,
    Product, Record, Remembered, Role, RoleName, Roster, RosterRecord, SeatState, Subscription, Timestamp, User,
};
use crate::plan::{self, Cause};

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn user(id: &str, role: RoleName, school: &str) -> User {
    User {
        id: id.into(),
        roles: vec![Role { role, org: school.into(), primary: true, word: None }],
        active: true,
        given_name: None,
        family_name: None,
        email: Some(Personal::new(format!("{id}@oak.example"))),
        username: None,
        grades: Vec::new(),
        student_number: None,
        state_id: None,
    }
}

fn enrollment(user: &str, class: &str, role: RoleName) -> Enrollment {
    Enrollment { user: user.into(), class: class.into(), school: None, role, primary: None, periods: Vec::new() }
}

/// Two schools, a class in the first with teacher `T1`, and `students` as school and whether they are in the class.
pub(super) fn roster(students: &[(bool, bool)]) -> Roster {
    let mut roster = Roster::default();
    for id in ["S1", "S2"] {
        let (name, org_type) = (id.to_owned(), "school".to_owned());
        roster.put(Record::School(Org { id: id.into(), org_type, name, identifier: None, parent: None, nces: None }));
    }
    roster.put(Record::Class(Class {
        id: "C1".into(),
        title: "Class".to_owned(),
        code: None,
        class_type: None,
        school: Some("S1".into()),
        course: None,
        sessions: Vec::new(),
        grades: Vec::new(),
        subjects: Vec::new(),
    }));
    roster.put(Record::User(user("T1", RoleName::Teacher, "S1")));
    roster.put(enrollment("T1", "C1", RoleName::Teacher).into_record());
    roster.put(Record::User(user("A1", RoleName::Administrator, "S1")));
    for (index, (first, enrolled)) in students.iter().enumerate() {
        let id = format!("U{index}");
        roster.put(Record::User(user(&id, RoleName::Student, if *first { "S1" } else { "S2" })));
        if *enrolled {
            roster.put(enrollment(&id, "C1", RoleName::Student).into_record());
        }
    }
    roster
}

/// A product and its subscription, in the words of the catalog.
pub(super) fn bought(product: &str, seats: u32, rest: &str) -> (Product, Subscription) {
    let text = format!(
        "[[product]]\ncode = \"{product}\"\nname = \"P\"\n{rest}\n\n[[subscription]]\nid = \"SUB-{product}\"\n\
         district = \"oak\"\nproduct = \"{product}\"\nseats = {seats}\nstarts_on = 2025-07-01\nexpires_on = 2026-06-30\n\
         licensed_to = \"Oak\"\nallotments = [ {{ school = \"S1\", seats = 1 }} ]\n"
    );
    let catalog = crate::catalog::parse(&text).unwrap();
    (catalog.products.into_values().next().unwrap(), catalog.subscriptions.into_values().next().unwrap())
}

pub(super) fn baseline(roster: Roster, bought: Vec<(Product, Subscription)>) -> Baseline {
    let mut catalog = Catalog::default();
    for (product, subscription) in bought {
        catalog.products.insert(product.code.clone(), product);
        catalog.subscriptions.insert(subscription.id.clone(), subscription);
    }
    Baseline {
        state: DistrictState {
            id: "oak".into(),
            time_zone: chrono_tz::America::Chicago,
            end_dates: EndDates::Exclusive,
            revision: 1,
            audit_seq: 0,
            audit_head: String::new(),
            source: None,
            allocated_at: None,
        },
        roster,
        archived: BTreeSet::new(),
        departed: Roster::default(),
        catalog,
        seats: BTreeMap::new(),
        waiting: BTreeMap::new(),
        ended: BTreeMap::new(),
        overrides: BTreeMap::new(),
        educator_access: BTreeMap::new(),
        assignments: BTreeMap::new(),
        opened: BTreeMap::new(),
        persons: BTreeMap::new(),
        identity: BTreeMap::new(),
        remembered: Remembered::default(),
        decisions: BTreeMap::new(),
        review: None,
        recent: Vec::new(),
        alerts: BTreeMap::new(),
        daily: BTreeMap::new(),
        vanished: BTreeMap::new(),
    }
}

/// The roster as a first sync that is in review.
fn in_review(roster: &Roster) -> PendingReview {
    let held = |record: Record| HeldChange {
        groups: BTreeSet::from([guard::FIRST_SYNC.to_owned()]),
        kind: record.kind(),
        id: record.text_id(),
        before: None,
        after: Some(record.body().unwrap()),
        tombstone: false,
    };
    PendingReview { run: "01RUN".into(), first_sync: true, changes: roster.records().map(held).collect() }
}

pub(super) fn worked(baseline: &Baseline, verb: &Verb, fed: bool, as_of: Timestamp) -> Result<Worked, super::Refused> {
    let shown = Shown::new(b"key", baseline, &[]);
    let asked = Asked { verb, fed, actor: "cli:ann", reason: Some("because"), as_of };
    let case = Case { asked, baseline, contract: &baseline.catalog, former: &[], shown: &shown };
    work_out(case, &guard::Settings::default())
}

/// The district as it is once the verb has been carried out.
pub(super) fn after(worked: Worked) -> Baseline {
    let Worked { baseline, cleared, .. } = worked;
    let allocation = cleared.seats();
    let mut roster = baseline.roster.clone();
    for change in cleared.applied() {
        match (&change.before, &change.after) {
            (_, Some(after)) => roster.put(after.clone()),
            (Some(before), None) => roster.take(before),
            (None, None) => {}
        }
    }
    Baseline {
        roster,
        seats: allocation.seats.applied_to(&baseline.seats),
        waiting: allocation.waiting.applied_to(&baseline.waiting),
        remembered: allocation.remembered.clone(),
        ..baseline
    }
}

fn holders(of: &Baseline) -> BTreeSet<String> {
    of.seats.values().map(|seat| format!("{}/{}", seat.product, seat.user)).collect()
}

const MONDAY: &str = "2025-10-06T07:00:00Z";
const TUESDAY: &str = "2025-10-07T07:00:00Z";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is imported and wanted is kept by the syncs that follow, before and after the first one is approved, whatever
    /// was bought; and a second import of the same changes nothing.
    #[test]
    fn every_imported_seat_in_demand_survives_a_sync_of_unchanged_data(
        students in proptest::collection::vec((any::<bool>(), any::<bool>()), 1..9),
        imported in proptest::collection::vec((0..10_usize, any::<bool>(), 0..3_u8), 0..9),
        bought_seats in 1..6_u32,
        review in any::<bool>(),
    ) {
        let products = || vec![
            bought("enrolled", bought_seats, "audience = \"student\"\nbasis = \"enrolled\""),
            bought("assigned", bought_seats, "audience = \"student\"\nbasis = \"assigned\""),
        ];
        let all = roster(&students);
        let mut before = baseline(all.clone(), products());
        if review {
            before = baseline(Roster::default(), products());
            before.review = Some(in_review(&all));
        }
        let seat = |(who, enrolled, school): &(usize, bool, u8)| ImportedSeat {
            product: if *enrolled { "enrolled" } else { "assigned" }.into(),
            user: format!("U{who}").into(),
            school: match school { 0 => None, 1 => Some("S1".into()), _ => Some("S2".into()) },
            since: Some(at("2024-09-01T05:00:00Z")),
            claimed_at: None,
            last_used_at: None,
        };
        let seats: Vec<ImportedSeat> = imported.iter().map(seat).collect();
        let wanted: BTreeSet<String> = imported
            .iter()
            .filter(|(who, enrolled, _)| students.get(*who).is_some_and(|(_, in_class)| *in_class || !*enrolled))
            .map(|(who, enrolled, _)| format!("{}/U{who}", if *enrolled { "enrolled" } else { "assigned" }))
            .collect();
        let verb = Verb::SeatsImport { seats };
        let worked = worked(&before, &verb, true, at(MONDAY)).unwrap();
        let taken: BTreeSet<String> =
            worked.effect.imported.iter().map(|seat| format!("{}/{}", seat.product, seat.user)).collect();
        prop_assert_eq!(&taken, &wanted);
        let told = worked.effect.entries.iter().filter(|it| it.action == "seat.granted").count();
        prop_assert_eq!(told, wanted.len());
        let now = after(worked);
        prop_assert!(holders(&now).is_superset(&wanted));
        let dated = now.seats.values().filter(|seat| seat.since == at("2024-09-01T05:00:00Z")).count();
        prop_assert_eq!(dated, wanted.len());
        if review {
            prop_assert!(now.seats.values().all(|seat| seat.state == SeatState::Bridged));
        }
        let again = self::worked(&now, &verb, true, at(MONDAY)).unwrap();
        prop_assert!(again.effect.entries.is_empty() && again.cleared.changes_nothing());

        // The night after: what was in review is approved, or nothing is new.
        let held = now.review.clone().map(|review| review.changes).unwrap_or_default();
        let cause = if review { Cause::Approved(&held) } else { Cause::Standing };
        let mut later = now.clone();
        later.review = None;
        let plan = plan::make(&later, cause, at(TUESDAY)).unwrap();
        let kept = plan.seats.seats.applied_to(&later.seats);
        for key in &wanted {
            let (product, user) = key.split_once('/').unwrap();
            let seat = kept.get(&(product.into(), user.into()));
            prop_assert!(seat.is_some_and(|seat| seat.state == SeatState::Active), "{} {:?}", key, seat);
        }
    }
}

#[test]
fn nobody_is_given_a_product_that_is_for_another_audience() {
    let district =
        baseline(roster(&[(true, true)]), vec![bought("reading", 3, "audience = \"student\"\nbasis = \"active\"")]);
    let product = &district.catalog.products[&"reading".into()];
    assert_eq!(product.audience, Audience::Student);
    let seat = |user: &str| ImportedSeat {
        product: "reading".into(),
        user: user.into(),
        school: None,
        since: None,
        claimed_at: None,
        last_used_at: None,
    };
    let verb = Verb::SeatsImport { seats: vec![seat("T1"), seat("U0")] };
    let worked = worked(&district, &verb, true, at(MONDAY)).unwrap();
    assert_eq!(holders(&after(worked)), BTreeSet::from(["reading/U0".to_owned()]));
}
