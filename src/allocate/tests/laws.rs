//! What must always hold (licensing.md), over generated districts: few schools, few users, capacities near demand.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use sha2::{Digest, Sha256};

use super::flow::seatable;
use super::world::{World, allotment, class, day, enrollment, session, subscription, user};
use crate::allocate::{SeatAction, check};
use crate::model::{
    Allotment, Basis, Ended, HeldChange, Kind, OverrideKind, PendingReview, Pool, Record, ReleaseReason, RoleName,
    Seat, SeatState, Seats, SourceId, Timestamp, Waiting,
};

const SCHOOLS: [&str; 3] = ["s1", "s2", "s3"];

/// What one user brings along.
#[derive(Clone, Debug)]
struct Person {
    schools: Vec<&'static str>,
    role: RoleName,
    grade: &'static str,
    presence: Presence,
    class: Option<&'static str>,
    decision: Option<OverrideKind>,
    seat: Option<(&'static str, i64, bool)>,
    waits: Option<i64>,
    ended: Option<ReleaseReason>,
    bridged: bool,
    held: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Active,
    Disabled,
    Absent,
    Deleted,
}

fn schools() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(SCHOOLS.to_vec(), 0..=2)
}

fn person() -> impl Strategy<Value = Person> {
    use Presence::{Absent, Active, Deleted, Disabled};
    let who = (
        schools(),
        prop_oneof![9 => Just(RoleName::Student), 1 => Just(RoleName::Teacher)],
        select(&["01", "02"][..]),
        prop_oneof![8 => Just(Active), 1 => Just(Disabled), 1 => Just(Absent), 1 => Just(Deleted)],
        proptest::option::weighted(0.8, select(&["c-year", "c-fall", "c-later"][..])),
    );
    let pools = select(&["s1", "s2", "s3", "district"][..]);
    let has = (
        prop_oneof![8 => Just(None), 1 => Just(Some(OverrideKind::Pin)), 1 => Just(Some(OverrideKind::Exclude))],
        proptest::option::weighted(0.4, (pools, 1..20i64, proptest::bool::weighted(0.2))),
        proptest::option::weighted(0.3, 1..20i64),
        proptest::option::weighted(0.2, select(&[ReleaseReason::Ended, ReleaseReason::Excluded][..])),
        proptest::bool::weighted(0.15),
        proptest::bool::weighted(0.15),
    );
    (who, has).prop_map(|((schools, role, grade, presence, class), (decision, seat, waits, ended, bridged, held))| {
        Person { schools, role, grade, presence, class, decision, seat, waits, ended, bridged, held }
    })
}

/// Contract and rules.
#[derive(Clone, Debug)]
struct Terms {
    seats: u32,
    allotments: Vec<u32>,
    second: Option<u32>,
    site: Option<&'static str>,
    basis: Basis,
    order: bool,
    grades: bool,
    grace_days: u32,
    date: &'static str,
}

fn terms() -> impl Strategy<Value = Terms> {
    (
        0..9u32,
        proptest::collection::vec(0..4u32, 0..=3),
        proptest::option::weighted(0.2, 0..4u32),
        proptest::option::weighted(0.2, select(&SCHOOLS[..])),
        prop_oneof![2 => Just(Basis::Active), 1 => Just(Basis::Enrolled), 1 => Just(Basis::FirstUse)],
        (any::<bool>(), proptest::bool::weighted(0.2)),
        0..3u32,
        // In force, in the winter break, in summer, expired.
        prop_oneof![
            6 => Just("2026-10-05"), 1 => Just("2026-12-28"), 1 => Just("2027-06-20"), 1 => Just("2027-08-20")
        ],
    )
        .prop_map(|(seats, allotments, second, site, basis, (order, grades), grace_days, date)| Terms {
            seats,
            allotments,
            second,
            site,
            basis,
            order,
            grades,
            grace_days,
            date,
        })
}

fn days_before(at: Timestamp, days: i64) -> Timestamp {
    at.plus(chrono::TimeDelta::days(-days))
}

fn world(terms: &Terms, people: &[Person]) -> World {
    let mut it = World::new();
    it.night(terms.date);
    let shares = SCHOOLS.iter().zip(&terms.allotments).map(|(school, seats)| allotment(school, *seats));
    let mut sub = subscription("SUB", "reading", terms.seats);
    sub.allotments = shares
        .scan(terms.seats, |left, it| {
            let Seats::Count(seats) = it.seats else { return None };
            let seats = seats.min(*left);
            *left -= seats;
            Some(Allotment { seats: Seats::Count(seats), ..it })
        })
        .collect();
    if let Some(site) = terms.site {
        sub.allotments.retain(|it| it.school != site);
        sub.allotments.push(Allotment { seats: Seats::Unlimited, ..allotment(site, 0) });
    }
    it.subscription(sub);
    if let Some(seats) = terms.second {
        it.subscription(subscription("SECOND", "reading", seats));
    }
    let rules = it.reading();
    rules.basis = terms.basis;
    rules.leaving_grace_days = terms.grace_days;
    if terms.order {
        rules.order = vec!["02".to_owned(), "s3".to_owned()];
    }
    if terms.grades {
        rules.grades = vec!["01".to_owned()];
    }
    for record in [
        session("year", "schoolYear", "2026-08-17", "2027-06-05", None),
        session("fall", "semester", "2026-08-17", "2026-12-19", Some("year")),
        session("spring", "semester", "2027-01-05", "2027-06-05", Some("year")),
    ] {
        it.roster.put(Record::Session(record));
    }
    for (id, sessions) in [("c-year", &["fall", "spring"][..]), ("c-fall", &["fall"]), ("c-later", &["spring"])] {
        it.roster.put(Record::Class(class(id, sessions)));
    }
    for (index, person) in people.iter().enumerate() {
        place(&mut it, &format!("u{index}"), person);
    }
    it
}

fn place(it: &mut World, id: &str, person: &Person) {
    let mut record = user(id, person.role, &person.schools);
    if person.schools.is_empty() {
        record = user(id, person.role, &["elsewhere"]);
    }
    record.grades = vec![person.grade.to_owned()];
    record.active = person.presence != Presence::Disabled;
    let roster = match person.presence {
        Presence::Active | Presence::Disabled => Some(&mut it.roster),
        Presence::Absent => Some(&mut it.departed),
        Presence::Deleted => None,
    };
    if let Some(roster) = roster {
        roster.put(Record::User(record));
        if let Some(class) = person.class {
            roster.put(Record::Enrollment(enrollment(id, class, person.role)));
        }
    }
    let key = ("reading".into(), SourceId::from(id));
    if let Some((pool, days, leaving)) = person.seat {
        let leaving = leaving.then(|| crate::model::Leaving { since: day("2026-10-01"), upload: None });
        it.seats.insert(
            key.clone(),
            Seat {
                product: "reading".into(),
                user: id.into(),
                pool: Pool::parse(pool),
                since: days_before(it.as_of, days),
                claimed_at: None,
                last_used_at: None,
                leaving,
                bridged: false,
                state: SeatState::Active,
            },
        );
        if person.bridged {
            it.bridged.insert(key.clone());
        }
    } else if let Some(days) = person.waits {
        let since = days_before(it.as_of, days);
        let place =
            Waiting { product: "reading".into(), user: id.into(), since, position: 1, short_of: Pool::District };
        it.waiting.insert(key.clone(), place);
    }
    if person.held {
        it.held_users.insert(id.into());
    }
    if let Some(reason) = person.ended {
        it.ended.insert(key, Ended { at: days_before(it.as_of, 100), reason });
    }
    if let Some(kind) = person.decision {
        it.decide(id, kind, None);
    }
}

fn violations(it: &World) -> Vec<String> {
    let mut baseline = it.baseline();
    let held = it.held_users.iter().map(|user| HeldChange {
        groups: BTreeSet::new(),
        kind: Kind::Users,
        id: user.to_string(),
        before: None,
        after: None,
        tombstone: false,
    });
    baseline.review = Some(PendingReview { run: "run".into(), first_sync: false, changes: held.collect() });
    check(&baseline, it.as_of).iter().map(ToString::to_string).collect()
}

/// Places in the published order, written a second time: smallest first.
fn rank(it: &World, id: &SourceId) -> (bool, bool, Timestamp, usize, String) {
    let key = ("reading".into(), id.clone());
    let pinned = it.overrides.get(&key).is_some_and(|it| it.kind == OverrideKind::Pin);
    let returning = it.ended.get(&key).is_some_and(|it| it.reason == ReleaseReason::Ended);
    let since = it.waiting.get(&key).map_or(it.as_of, |it| it.since);
    let user = &it.roster.users[id];
    let listed = &it.catalog.products[&"reading".into()].order;
    let order = listed
        .iter()
        .position(|entry| user.grades.contains(entry) || user.roles.iter().any(|it| it.org.as_str() == entry));
    let hash = hex::encode(Sha256::digest(format!("d/reading/{id}")));
    (!pinned, !returning, since, order.unwrap_or(9), hash)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Laws 2, 3, 4, 8 and 11.
    #[test]
    fn every_state_it_leads_to_is_lawful(terms in terms(), people in proptest::collection::vec(person(), 0..10)) {
        let mut it = world(&terms, &people);
        it.settle();
        prop_assert_eq!(violations(&it), Vec::<String>::new());
    }

    /// Law 1: grants never pass the capacity, and nothing else raises what is used above it.
    #[test]
    fn grants_never_pass_the_capacity(terms in terms(), people in proptest::collection::vec(person(), 0..10)) {
        let mut it = world(&terms, &people);
        let site = terms.site.map(Pool::parse);
        let used = |it: &World| {
            let seats = it.seats.iter().filter(|(key, _)| !it.bridged.contains(*key));
            seats.filter(|(_, seat)| site.as_ref() != Some(&seat.pool)).count()
        };
        let capacity = usize::try_from(terms.seats + terms.second.unwrap_or(0)).unwrap();
        let before = used(&it);
        let outcome = it.run();
        it.keep(&outcome);
        let counted = outcome.changes.iter().any(|change| {
            matches!(&change.action, SeatAction::Granted { pool } if site.as_ref() != Some(pool))
        });
        prop_assert!(!counted || used(&it) <= capacity);
        prop_assert!(site.is_some() || used(&it) <= capacity.max(before));
    }

    /// Law 5: who is seated is what going through the order once gives, each seated for whom a maximum flow grows.
    #[test]
    fn who_is_seated_is_the_best_that_flow_allows(terms in terms(), people in proptest::collection::vec(person(), 0..10)) {
        prop_assume!(terms.date != "2027-08-20");
        let it = world(&terms, &people);
        let outcome = it.run();
        let pools = |id: &SourceId| -> Vec<String> {
            let Some(user) = it.roster.users.get(id).or_else(|| it.departed.users.get(id)) else {
                return vec!["district".to_owned()];
            };
            let own = user.roles.iter().map(|role| role.org.to_string());
            own.chain(["district".to_owned()]).collect()
        };
        let mut rooms: BTreeMap<String, u32> = BTreeMap::new();
        let mut rest = terms.seats + terms.second.unwrap_or(0);
        for share in &it.catalog.subscriptions[&"SUB".into()].allotments {
            if let Seats::Count(seats) = share.seats {
                rooms.insert(share.school.clone(), seats);
                rest -= seats;
            }
        }
        rooms.insert("district".to_owned(), rest);
        let total = terms.seats + terms.second.unwrap_or(0);

        let after = outcome.seats.applied_to(&it.seats);
        let line_after = outcome.waiting.applied_to(&it.waiting);
        let mut kept: Vec<&Seat> = after.values().filter(|seat| {
            it.seats.contains_key(&("reading".into(), seat.user.clone())) && !seat.bridged
        }).collect();
        kept.sort_by_key(|seat| (seat.since, seat.user.clone()));
        let site = terms.site.map(ToString::to_string);
        let counted_kept = kept.iter().filter(|seat| site != Some(seat.pool.to_string())).count();
        let over = counted_kept > usize::try_from(total).unwrap();
        prop_assume!(site.is_none() || !over);

        let mut seated: Vec<Vec<String>> = Vec::new();
        let mut stranded = 0;
        for seat in kept {
            let mut more = seated.clone();
            more.push(pools(&seat.user));
            if seatable(&more, &rooms, site.as_deref(), u32::MAX) { seated = more } else { stranded += 1 }
        }
        let limit = total.saturating_sub(stranded);
        let granted = |id: &SourceId| outcome.changes.iter().any(|change| {
            change.user == *id && matches!(change.action, SeatAction::Granted { .. })
        });
        let mut line: Vec<SourceId> = outcome.changes.iter()
            .filter(|change| granted(&change.user))
            .map(|change| change.user.clone())
            .chain(line_after.keys().map(|key| key.1.clone()))
            .collect();
        line.sort();
        line.dedup();
        line.sort_by_key(|id| rank(&it, id));
        for id in &line {
            let mut more = seated.clone();
            more.push(pools(id));
            let expected = !it.held_users.contains(id) && !over
                && seatable(&more, &rooms, site.as_deref(), limit);
            prop_assert_eq!(granted(id), expected, "{}", id);
            if expected { seated = more; }
        }
        let mut waiting: Vec<&Waiting> = line_after.values().collect();
        waiting.sort_by_key(|place| place.position);
        let waiting: Vec<&SourceId> = waiting.into_iter().map(|place| &place.user).collect();
        let expected: Vec<&SourceId> = line.iter().filter(|id| !granted(id)).collect();
        prop_assert_eq!(waiting, expected);
    }

    /// Law 6.
    #[test]
    fn running_again_on_its_own_result_changes_nothing(terms in terms(), people in proptest::collection::vec(person(), 0..10)) {
        let mut it = world(&terms, &people);
        it.settle();
        let again = it.run();
        prop_assert_eq!(super::world::words(&again), Vec::<String>::new());
        prop_assert!(again.changes_nothing());
        prop_assert_eq!(again.remembered, it.remembered);
    }

    /// Law 7.
    #[test]
    fn the_order_of_rows_does_not_matter(terms in terms(), people in proptest::collection::vec(person(), 0..10)) {
        let one = world(&terms, &people);
        let mut other = one.clone();
        other.roster = crate::model::Roster::default();
        for record in one.roster.records().collect::<Vec<_>>().into_iter().rev() {
            other.roster.put(record);
        }
        for user in other.roster.users.values_mut() {
            user.roles.reverse();
        }
        other.sub().allotments.reverse();
        prop_assert_eq!(one.run(), other.run());
    }

    /// Law 9: newcomers and cuts take nobody's seat.
    #[test]
    fn nobody_loses_a_seat_to_someone_else(terms in terms(), people in proptest::collection::vec(person(), 0..8), cut in 0..9u32, pinned in 0..4usize) {
        let mut it = world(&terms, &people);
        it.settle();
        it.sub().seats = Seats::Count(cut);
        it.sub().allotments.retain(|share| share.seats == Seats::Unlimited);
        for number in 0..pinned {
            let id = format!("new{number}");
            it.student(&id, &["s1", "s2"]);
            it.decide(&id, OverrideKind::Pin, None);
        }
        let released = it.settle().into_iter().filter(|text| text.contains("released")).count();
        prop_assert_eq!(released, 0);
        prop_assert_eq!(violations(&it), Vec::<String>::new());
    }
}
