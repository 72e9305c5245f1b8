//! Rules of the verbs over districts made here.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Asked, Case, ImportedSeat, LinkWord, MATRIX, Refused, Verb, Who, Whom, Worked, work_out};
use crate::apply::Shown;
use crate::guard;
use crate::model::{
    Audience, Baseline, Catalog, Class, DistrictState, EndDates, Enrollment, HeldChange, Org, OverrideKind,
    PendingReview, Personal, Product, Record, Role, RoleName, Roster, RosterRecord, SeatState, Subscription, Timestamp,
    User,
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
        roster.put(Record::School(
            Org { id: id.into(), org_type, name, identifier: None, parent: None, nces: None }.into(),
        ));
    }
    roster.put(Record::Class(Arc::new(Class {
        id: "C1".into(),
        title: "Class".to_owned(),
        code: None,
        class_type: None,
        school: Some("S1".into()),
        course: None,
        sessions: Vec::new(),
        grades: Vec::new(),
        subjects: Vec::new(),
        instance: 0,
    })));
    roster.put(Record::User(user("T1", RoleName::Teacher, "S1").into()));
    roster.put(enrollment("T1", "C1", RoleName::Teacher).into_record());
    roster.put(Record::User(user("A1", RoleName::Administrator, "S1").into()));
    for (index, (first, enrolled)) in students.iter().enumerate() {
        let id = format!("U{index}");
        roster.put(Record::User(user(&id, RoleName::Student, if *first { "S1" } else { "S2" }).into()));
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
    let state = DistrictState {
        id: "oak".into(),
        time_zone: chrono_tz::America::Chicago,
        end_dates: EndDates::Exclusive,
        revision: 1,
        audit_seq: 0,
        audit_head: String::new(),
        source: None,
        allocated_at: None,
    };
    Baseline { roster, catalog, ..Baseline::new(state) }
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
    PendingReview {
        run: "01RUN".into(),
        first_sync: true,
        proposal: None,
        changes: roster.records().map(held).collect(),
    }
}

pub(super) fn worked(baseline: &Baseline, verb: &Verb, fed: bool, as_of: Timestamp) -> Result<Worked, Refused> {
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

/// The verb `name` about a student, an educator or someone of the staff, in a district where nothing else is in its way.
fn verb_about(name: &str, who: Who) -> Verb {
    let (product, other, user, role) = match who {
        Who::Student => ("pupils", "pupils-more", "U0", RoleName::Student),
        Who::Educator => ("teachers", "teachers-more", "T1", RoleName::Teacher),
        Who::Staff => ("staff", "staff-more", "A1", RoleName::Administrator),
    };
    let users = BTreeSet::from([user.into()]);
    let whom = Whom::Users(users.clone());
    match name {
        "override_set" => {
            Verb::OverrideSet { product: product.into(), user: user.into(), kind: OverrideKind::Pin, until: None }
        }
        "override_clear" => Verb::OverrideClear { product: product.into(), user: user.into() },
        "access_set" => Verb::AccessSet { product: product.into(), educator: "T1".into(), on: false },
        "assign" => Verb::Assign { product: product.into(), whom },
        "unassign" => Verb::Unassign { product: product.into(), whom },
        "reassign" => Verb::Reassign { product: product.into(), from: user.into(), to: format!("{user}-two").into() },
        "swap" => Verb::Swap { user: user.into(), from: product.into(), to: other.into() },
        "move_seats" => {
            Verb::MoveSeats { subscription: "SUB-pupils".into(), from: "S1".into(), to: "S2".into(), seats: 1 }
        }
        "seats_import" => Verb::SeatsImport { seats: Vec::new() },
        "identity" => Verb::Identity { decision: LinkWord::Refuse, ids: BTreeSet::from(["of no pair".to_owned()]) },
        "threshold" => Verb::Threshold { subscription: "SUB-pupils".into(), remaining: 2 },
        "enroll" => Verb::Enroll { class: "C1".into(), users, role },
        "unenroll" => Verb::Unenroll { class: "C1".into(), users: None },
        "role_assign" => Verb::RoleAssign { users, role: RoleName::Staff, school: "S2".into() },
        "role_remove" => Verb::RoleRemove { users, role, school: "S2".into() },
        "transfer" => Verb::Transfer { users, from: "S1".into(), to: "S2".into() },
        "set_active" => Verb::SetActive { users, active: false },
        other => panic!("the table has a verb `{other}` that this test does not know: add it"),
    }
}

/// S0.3, S1.2, S1.3, S1.12, S1.13: audience by kind of account by verb, each tried.
#[test]
fn each_verb_is_refused_to_a_rostered_district_exactly_where_the_table_says_so() {
    let products = || {
        let rule = "educator_access = true\nbasis = \"assigned\"\naudience";
        let of = |code: &str, audience: &str| bought(code, 9, &format!("{rule} = \"{audience}\""));
        let codes = [("pupils", "student"), ("teachers", "educator"), ("staff", "staff")];
        let more = codes.map(|(code, audience)| of(&format!("{code}-more"), audience));
        codes.map(|(code, audience)| of(code, audience)).into_iter().chain(more).collect()
    };
    let mut all = roster(&[(true, true)]);
    for (id, role) in
        [("U0-two", RoleName::Student), ("T1-two", RoleName::Teacher), ("A1-two", RoleName::Administrator)]
    {
        all.put(Record::User(user(id, role, "S1").into()));
    }
    let mut district = baseline(all, products());
    for who in [Who::Student, Who::Educator, Who::Staff] {
        let given = worked(&district, &verb_about("assign", who), false, at(MONDAY)).unwrap();
        district = after(given);
    }
    let verbs: BTreeSet<&str> = MATRIX.iter().map(|(name, ..)| *name).collect();
    assert_eq!(verbs.len(), MATRIX.len(), "each verb has one row");
    // What the pages say, told once more.
    let everyone = ["override_clear", "move_seats", "seats_import", "identity", "threshold"];
    let of_students = ["override_set", "access_set", "assign", "unassign", "reassign", "swap"];
    for name in verbs {
        for who in [Who::Student, Who::Educator, Who::Staff] {
            let verb = verb_about(name, who);
            assert_eq!(verb.name(), name);
            let refused = |fed: bool| matches!(worked(&district, &verb, fed, at(MONDAY)), Err(Refused::Fed(_)));
            let may = everyone.contains(&name) || (of_students.contains(&name) && who == Who::Student);
            assert_eq!(refused(true), !may, "{name} about {who:?} in a rostered district");
            assert!(!refused(false), "{name} about {who:?} where the account is kept by hand");
        }
    }
}

/// S2.14, S3.26: nothing is deleted, who comes back is restored, and a seat goes along with its user.
#[test]
fn who_is_unenrolled_and_enrolled_again_has_the_seat_again_and_a_transfer_only_moves_it() {
    let rule = "audience = \"student\"\nbasis = \"enrolled\"";
    let district = baseline(roster(&[(true, true), (true, true)]), vec![bought("reading", 2, rule)]);
    let first = after(worked(&district, &Verb::SeatsImport { seats: Vec::new() }, false, at(MONDAY)).unwrap());
    assert_eq!(holders(&first), BTreeSet::from(["reading/U0".to_owned(), "reading/U1".to_owned()]));
    let out = Verb::Unenroll { class: "C1".into(), users: None };
    let mut empty = after(worked(&first, &out, false, at(MONDAY)).unwrap());
    assert_eq!((holders(&empty), empty.roster.users.len(), empty.roster.classes.len()), (BTreeSet::new(), 4, 1));
    empty.archived = first
        .roster
        .enrollments
        .values()
        .map(|it| (it.clone().into_record().kind(), it.clone().into_record().text_id()))
        .collect();
    let back = Verb::Enroll { class: "C1".into(), users: BTreeSet::from(["U0".into()]), role: RoleName::Student };
    let enrolled = worked(&empty, &back, false, at(TUESDAY)).unwrap();
    let told: Vec<_> = enrolled.cleared.applied().map(|change| change.verb).collect();
    assert_eq!(told, [crate::model::Verb::Restored]);
    let again = after(enrolled);
    assert_eq!(holders(&again), BTreeSet::from(["reading/U0".to_owned()]));
    let once_more = worked(&again, &back, false, at(TUESDAY)).unwrap();
    assert!(once_more.cleared.changes_nothing(), "who is enrolled stays so");
    let since = again.seats.values().next().unwrap().since;
    let move_on = Verb::Transfer { users: BTreeSet::from(["U0".into()]), from: "S1".into(), to: "S2".into() };
    let moved = after(worked(&again, &move_on, false, at(TUESDAY)).unwrap());
    let seat = moved.seats.values().next().unwrap();
    assert_eq!(
        (seat.since, &seat.pool),
        (since, &crate::model::Pool::District),
        "from the allotment of S1, without a gap"
    );
    let last = Verb::RoleRemove { users: BTreeSet::from(["U0".into()]), role: RoleName::Student, school: "S2".into() };
    assert!(matches!(worked(&moved, &last, false, at(TUESDAY)), Err(Refused::LastRole(_))));
}
