//! What must always hold (licensing.md), over generated districts: few schools, few users, capacities near demand.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::generate::{Person, Presence, Terms, person, terms, world};
use super::naive::{Expected, expected};
use super::world::World;
use crate::allocate::{SeatAction, check};
use crate::model::{HeldChange, Kind, OverrideKind, PendingReview, Pool, SeatState, Seats};

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
    baseline.review =
        Some(PendingReview { run: "run".into(), first_sync: false, proposal: None, changes: held.collect() });
    check(&baseline, it.as_of).iter().map(ToString::to_string).collect()
}

fn people() -> impl Strategy<Value = Vec<Person>> {
    proptest::collection::vec(person(), 0..10)
}

/// What an allocation came to, in the words of the naive model.
fn outcome(it: &mut World) -> Expected {
    let words = it.settle();
    let first = |suffix: &str| {
        let of = words.iter().filter(|text| text.contains(suffix));
        of.map(|text| text.split(' ').next().unwrap().to_owned()).collect()
    };
    let mut line: Vec<_> = it.waiting.values().collect();
    line.sort_by_key(|place| place.position);
    Expected {
        seated: it.seats.values().map(|seat| seat.user.to_string()).collect(),
        granted: first(" granted "),
        line: line.into_iter().map(|place| place.user.to_string()).collect(),
    }
}

proptest! {
    /// Laws 2, 3, 4, 8 and 11.
    #[test]
    fn every_state_it_leads_to_is_lawful(terms in terms(), people in people()) {
        let mut it = world(&terms, &people);
        it.settle();
        prop_assert_eq!(violations(&it), Vec::<String>::new());
    }

    /// Law 1, C1 and C2: grants never pass capacity and overage, and nothing else raises what is used above capacity.
    #[test]
    fn grants_never_pass_the_capacity(terms in terms(), people in people()) {
        let mut it = world(&terms, &people);
        let site = terms.site.map(Pool::parse);
        let used = |it: &World| {
            let seats = it.seats.iter().filter(|(key, _)| !it.bridged.contains(*key));
            seats.filter(|(_, seat)| site.as_ref() != Some(&seat.pool)).count()
        };
        let all = it.seats.values().filter(|seat| site.as_ref() != Some(&seat.pool)).count();
        let bought = usize::try_from(terms.seats + terms.second.unwrap_or(0)).unwrap();
        let in_grace = terms.date == "2027-07-05";
        let capacity = if in_grace { all.min(usize::try_from(terms.seats).unwrap()) } else { bought };
        let percent = terms.overage.filter(|_| !in_grace).unwrap_or(0);
        let overage = usize::try_from(terms.seats * percent / 100).unwrap();
        let before = used(&it);
        let outcome = it.run();
        it.keep(&outcome);
        let counted = outcome.changes.iter().any(|change| {
            matches!(&change.action, SeatAction::Granted { pool } if site.as_ref() != Some(pool))
        });
        prop_assert!(!counted || used(&it) <= capacity + overage);
        prop_assert!(site.is_some() || used(&it) <= (capacity + overage).max(before));
    }

    /// Law 5 and everything before it: who has a seat, who is granted one and who waits in which order is what the naive
    /// model says, which seats everyone for whom a maximum flow grows.
    #[test]
    fn it_comes_to_what_the_naive_model_and_a_maximum_flow_say(terms in terms(), people in people()) {
        let expected = expected(&terms, &people);
        let mut it = world(&terms, &people);
        let outcome = outcome(&mut it);
        if let Some(expected) = expected {
            prop_assert_eq!(outcome, expected);
        }
    }

    /// Law 6.
    #[test]
    fn running_again_on_its_own_result_changes_nothing(terms in terms(), people in people()) {
        let mut it = world(&terms, &people);
        it.settle();
        let again = it.run();
        prop_assert_eq!(super::world::words(&again), Vec::<String>::new());
        prop_assert!(again.changes_nothing());
        prop_assert_eq!(again.remembered, it.remembered);
    }

    /// Law 7.
    #[test]
    fn the_order_of_rows_does_not_matter(terms in terms(), people in people()) {
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
    /// O2, U16.
    #[test]
    fn nobody_loses_a_seat_to_someone_else(terms in terms(), people in proptest::collection::vec(person(), 0..8), cut in 0..9u32, pinned in 0..4usize) {
        let terms = Terms { reclaim: None, ..terms };
        let mut it = world(&terms, &people);
        it.settle();
        it.remembered.over.clear();
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

    /// O2: who has a seat and still wants it keeps it, whatever happens to others: names, ranks, newcomers, who leaves.
    #[test]
    fn who_has_a_seat_and_wants_it_keeps_it(terms in terms(), people in people(), gone in 0..10usize) {
        let terms = Terms { date: "2026-10-05", reclaim: None, ..terms };
        let mut it = world(&terms, &people);
        it.remembered.over.clear();
        it.settle();
        let holders: Vec<_> = it.seats.values().filter(|seat| seat.state == SeatState::Active).cloned().collect();
        it.night("2026-10-06");
        let leaver = it.roster.users.keys().nth(gone).cloned();
        if let Some(id) = &leaver {
            it.roster.users.remove(id);
        }
        it.student("zed", &["s1", "s2", "s3"]);
        it.decide("zed", OverrideKind::Pin, None);
        let linked = |id: &str| terms.linked && (id == "u0" || id == "u1");
        it.settle();
        for seat in holders.iter().filter(|seat| Some(&seat.user) != leaver.as_ref() && !linked(seat.user.as_str())) {
            let kept = it.seats.get(&("reading".into(), seat.user.clone()));
            prop_assert!(kept.is_some_and(|kept| kept.since == seat.since), "{}", seat.user);
        }
    }

    /// O1: a seat that is released is there for the next in the same run; O6: nothing in a run undoes another thing of it.
    #[test]
    fn releases_come_before_grants_and_nothing_is_done_twice(terms in terms(), people in people()) {
        let it = world(&terms, &people);
        let outcome = it.run();
        let step = |action: &SeatAction| match action {
            SeatAction::Released { .. } => 0,
            SeatAction::Moved { .. } | SeatAction::Passed { .. } => 1,
            SeatAction::Granted { .. } | SeatAction::Carried { .. } => 2,
            SeatAction::Leaving { .. } | SeatAction::Stayed => 3,
            SeatAction::Waiting { .. } => 4,
            SeatAction::WaitingEnded => 5,
        };
        let steps: Vec<_> = outcome.changes.iter().map(|change| (step(&change.action), &change.user)).collect();
        prop_assert!(steps.is_sorted(), "{:?}", steps);
        let distinct: BTreeSet<_> = steps.iter().collect();
        prop_assert_eq!(distinct.len(), steps.len());
        for (kind, user) in &steps {
            prop_assert!(!(*kind == 0 && steps.contains(&(2, user))), "{} is released and granted", user);
            prop_assert!(!(*kind == 4 && steps.contains(&(5, user))), "{} joins the line and leaves it", user);
        }
    }

    /// O4: nobody is overtaken by an equal: those who waited keep their order among themselves.
    #[test]
    fn who_waited_keeps_the_order_when_others_join(terms in terms(), people in people(), joiners in 1..4usize) {
        let mut it = world(&terms, &people);
        it.settle();
        let before = it.line();
        let later = it.as_of.plus(chrono::TimeDelta::minutes(1));
        it.as_of = later;
        for number in 0..joiners {
            it.student(&format!("z{number}"), &["s1", "s2"]);
        }
        it.settle();
        let after: Vec<_> = it.line().into_iter().filter(|id| before.contains(id)).collect();
        let before: Vec<_> = before.into_iter().filter(|id| after.contains(id)).collect();
        prop_assert_eq!(before, after);
    }

    /// C4: more seats cost nobody a seat, and the line is served in order.
    #[test]
    fn more_seats_cost_nobody_a_seat(terms in terms(), people in people(), more in 1..5u32) {
        let terms = Terms { reclaim: None, ..terms };
        let mut it = world(&terms, &people);
        it.remembered.over.clear();
        it.settle();
        let holders: BTreeSet<_> = it.seats.keys().cloned().collect();
        it.sub().seats = Seats::Count(terms.seats + more);
        it.settle();
        prop_assert!(holders.iter().all(|key| it.seats.contains_key(key)));
        prop_assert_eq!(violations(&it), Vec::<String>::new());
    }

    /// D8: one fewer who wants a seat never costs another a seat.
    #[test]
    fn who_does_not_come_costs_nobody_a_seat(terms in terms(), people in people(), absent in 0..6usize) {
        let date = if terms.date == "2027-07-05" { "2026-10-05" } else { terms.date };
        let terms = Terms { reclaim: None, overage: None, linked: false, date, ..terms };
        let seatless: Vec<usize> = (0..people.len()).filter(|index| people[*index].seat.is_none()).collect();
        let Some(absent) = seatless.get(absent % seatless.len().max(1)).copied() else { return Ok(()) };
        let mut all = world(&terms, &people);
        all.settle();
        let mut fewer = people.clone();
        fewer[absent].presence = Presence::Deleted;
        let mut other = world(&terms, &fewer);
        other.settle();
        let missing = format!("u{absent}");
        for key in all.seats.keys().filter(|key| key.1.as_str() != missing) {
            prop_assert!(other.seats.contains_key(key), "{}", key.1);
        }
    }

    /// D6: names, titles and words that are no key decide nothing.
    #[test]
    fn names_decide_nothing(terms in terms(), people in people(), word in "[A-Z][a-z]{0,6}") {
        let one = world(&terms, &people);
        let mut other = one.clone();
        for user in other.roster.users.values_mut() {
            user.family_name = Some(crate::model::Personal::new(word.clone()));
            user.email = Some(crate::model::Personal::new(format!("{word}@example.org")));
        }
        other.roster.schools.values_mut().for_each(|org| org.name = word.clone());
        other.roster.classes.values_mut().for_each(|class| class.title = word.clone());
        prop_assert_eq!(one.run(), other.run());
    }

    /// D7: another district's contract, and another product, change nothing here.
    #[test]
    fn what_is_unrelated_changes_nothing(terms in terms(), people in people()) {
        let one = world(&terms, &people);
        let mut other = one.clone();
        let mut foreign = super::world::subscription("FOREIGN", "reading", 100);
        foreign.district = "elsewhere".into();
        other.subscription(foreign);
        other.product(super::world::product("unsold"));
        prop_assert_eq!(one.run(), other.run());
    }

    /// D9: within a day without boundaries the hour does not matter to who is seated.
    #[test]
    fn the_hour_decides_nothing(terms in terms(), people in people(), hours in 1..12i64) {
        let one = world(&terms, &people);
        let mut other = one.clone();
        other.as_of = one.as_of.plus(chrono::TimeDelta::hours(hours));
        let (one, other) = (one.run(), other.run());
        prop_assert_eq!(super::world::words(&one), super::world::words(&other));
    }

    /// D4 and law 10: nights that keep their state come to the same as one that recomputes from that state; and no night
    /// leaves anything for the next at the same instant.
    #[test]
    fn every_night_of_a_week_is_lawful_and_complete(terms in terms(), people in people(), events in proptest::collection::vec((0..10usize, 0..5u8), 0..12)) {
        let mut it = world(&terms, &people);
        it.bridged.clear();
        it.held_users.clear();
        it.settle();
        for (night, (who, what)) in events.into_iter().enumerate() {
            let date = crate::model::Timestamp::parse(&format!("{}T08:00:00Z", terms.date)).unwrap();
            let date = date.plus(chrono::TimeDelta::days(1 + i64::try_from(night).unwrap()));
            it.night(&date.date_in(it.state.time_zone).to_string());
            let id = format!("u{who}");
            match what {
                0 => it.student(&id, &["s1"]),
                1 => it.student(&id, &["s2", "s3"]),
                2 if it.roster.users.contains_key(&id.as_str().into()) => it.vanish(&id),
                3 if it.roster.users.contains_key(&id.as_str().into()) => it.user(&id).active = false,
                4 => it.sub().seats = Seats::Count(u32::try_from(who).unwrap()),
                _ => {}
            }
            it.settle();
            prop_assert_eq!(violations(&it), Vec::<String>::new());
            prop_assert_eq!(it.settle(), Vec::<String>::new());
        }
    }
}
