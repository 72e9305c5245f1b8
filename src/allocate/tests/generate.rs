//! Districts from chance: few schools, few users, capacities near demand, every rule now and then.

use proptest::prelude::*;
use proptest::sample::select;

use super::world::{World, allotment, class, day, enrollment, session, subscription, user};
use crate::model::{
    Allotment, Basis, CountBy, Ended, Overage, OverrideKind, Pool, Record, ReleaseReason, RoleName, Seat, SeatState,
    Seats, Shrink, SourceId, Spell, Subscription, Target, Timestamp, Waiting,
};

pub(crate) const SCHOOLS: [&str; 3] = ["s1", "s2", "s3"];

/// What one user brings along.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that may be so of a person")]
pub(crate) struct Person {
    pub(crate) schools: Vec<&'static str>,
    pub(crate) role: RoleName,
    pub(crate) grade: &'static str,
    pub(crate) presence: Presence,
    pub(crate) class: Option<&'static str>,
    pub(crate) decision: Option<OverrideKind>,
    pub(crate) seat: Option<(&'static str, i64, bool)>,
    pub(crate) waits: Option<i64>,
    pub(crate) ended: Option<ReleaseReason>,
    pub(crate) bridged: bool,
    pub(crate) held: bool,
    pub(crate) opened: bool,
    pub(crate) assigned: bool,
    pub(crate) claimed: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Active,
    Disabled,
    Absent,
    Deleted,
}

pub(crate) fn schools() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(SCHOOLS.to_vec(), 0..=2)
}

pub(crate) fn person() -> impl Strategy<Value = Person> {
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
        (proptest::bool::weighted(0.15), proptest::bool::weighted(0.15)),
        (any::<bool>(), any::<bool>(), proptest::option::of(0..20i64)),
    );
    (who, has).prop_map(|((schools, role, grade, presence, class), (decision, seat, waits, ended, review, use_))| {
        let ((bridged, held), (opened, assigned, claimed)) = (review, use_);
        Person {
            schools,
            role,
            grade,
            presence,
            class,
            decision,
            seat,
            waits,
            ended,
            bridged,
            held,
            opened,
            assigned,
            claimed,
        }
    })
}

/// Contract and rules.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) seats: u32,
    pub(crate) allotments: Vec<u32>,
    pub(crate) second: Option<u32>,
    pub(crate) site: Option<&'static str>,
    pub(crate) basis: Basis,
    pub(crate) order: bool,
    pub(crate) grades: bool,
    pub(crate) grace_days: u32,
    pub(crate) date: &'static str,
    /// What was decided of the class `c-year`, the user `u0` excepted.
    pub(crate) of_class: Option<OverrideKind>,
    /// Whether `u0` and `u1` are one person, and the product counts persons.
    pub(crate) linked: bool,
    /// Percent of overage for 14 days.
    pub(crate) overage: Option<u32>,
    /// Days over after which seats are taken back.
    pub(crate) reclaim: Option<u32>,
    /// Days since when seats exceed what was bought, and what overage adds.
    pub(crate) over: Option<i64>,
}

pub(crate) fn terms() -> impl Strategy<Value = Terms> {
    (
        0..9u32,
        proptest::collection::vec(0..4u32, 0..=3),
        proptest::option::weighted(0.2, 0..4u32),
        proptest::option::weighted(0.2, select(&SCHOOLS[..])),
        prop_oneof![
            2 => Just(Basis::Active), 2 => Just(Basis::Enrolled), 1 => Just(Basis::FirstUse), 1 => Just(Basis::Assigned)
        ],
        (any::<bool>(), proptest::bool::weighted(0.2)),
        0..3u32,
        // In force, in the winter break, in summer, in grace, expired.
        prop_oneof![
            6 => Just("2026-10-05"),
            1 => Just("2026-12-28"),
            1 => Just("2027-06-20"),
            1 => Just("2027-07-05"),
            1 => Just("2027-08-20")
        ],
        (
            proptest::option::weighted(
                0.3,
                prop_oneof![2 => Just(OverrideKind::Pin), 1 => Just(OverrideKind::Exclude)],
            ),
            proptest::bool::weighted(0.3),
            proptest::option::weighted(0.2, select(&[10, 50][..])),
            proptest::option::weighted(0.2, 0..10u32),
            proptest::option::weighted(0.5, 0..20i64),
        ),
    )
        .prop_map(|(seats, allotments, second, site, basis, (order, grades), grace_days, date, more)| Terms {
            seats,
            allotments,
            second,
            site,
            basis,
            order,
            grades,
            grace_days,
            date,
            of_class: more.0,
            linked: more.1,
            overage: more.2,
            reclaim: more.3,
            over: more.4,
        })
}

pub(crate) fn days_before(at: Timestamp, days: i64) -> Timestamp {
    at.plus(chrono::TimeDelta::days(-days))
}

pub(crate) fn world(terms: &Terms, people: &[Person]) -> World {
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
    sub.grace_days = 10;
    if let Some(percent) = terms.overage {
        sub.overage = Overage::Allow { percent, days: 14 };
    }
    if let Some(days) = terms.reclaim {
        (sub.on_shrink, sub.remediate_days) = (Shrink::Reclaim, days);
    }
    if let Some(days) = terms.over {
        let over = day(terms.date) - chrono::TimeDelta::days(days);
        it.remembered.over.insert("reading".into(), Spell { over, beyond: Some(over) });
    }
    let second = Subscription { id: "SECOND".into(), grace_days: 0, allotments: Vec::new(), ..sub.clone() };
    it.subscription(sub);
    if let Some(seats) = terms.second {
        it.subscription(Subscription { seats: Seats::Count(seats), overage: Overage::Block, ..second });
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
        it.roster.put(Record::Session(record.into()));
    }
    for (id, sessions) in [("c-year", &["fall", "spring"][..]), ("c-fall", &["fall"]), ("c-later", &["spring"])] {
        it.roster.put(Record::Class(class(id, sessions).into()));
    }
    for (index, person) in people.iter().enumerate() {
        let id = format!("u{index}");
        place(&mut it, &id, person);
        if person.assigned && terms.basis == Basis::Assigned {
            it.assign(Target::User(id.as_str().into()), OverrideKind::Pin, &[]);
        }
        // How a person with several accounts is held is told in stories.
        if terms.linked && index < 2 {
            it.bridged.retain(|(_, user)| user.as_str() != id);
            it.held_users.remove(&id.as_str().into());
        }
    }
    if let Some(kind) = terms.of_class {
        it.assign(Target::Class("c-year".into()), kind, &["u0"]);
    }
    if terms.linked {
        it.reading().count_by = CountBy::Person;
        it.link(&["u0", "u1"]);
    }
    it
}

pub(crate) fn place(it: &mut World, id: &str, person: &Person) {
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
        roster.put(Record::User(record.into()));
        if let Some(class) = person.class {
            roster.put(Record::Enrollment(enrollment(id, class, person.role).into()));
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
                claimed_at: person.claimed.map(|_| days_before(it.as_of, days)),
                last_used_at: person.claimed.map(|days| days_before(it.as_of, days)),
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
    if person.opened {
        it.opened.insert(key.clone(), days_before(it.as_of, 1));
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
