//! Suggestions, story by story, and what must hold of all of them over generated districts.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Kind, Shortage, Suggestion, Surplus, Wanted, in_increments, suggest, surplus, word};
use crate::allocate::tests::generate::{person, terms, world};
use crate::allocate::tests::world::{World, allotment, class, enrollment, session, subscription, user};
use crate::allocate::{SeatKey, licenses};
use crate::identity::{self, Strength};
use crate::model::{
    Basis, CountBy, EducatorAccess, LinkKind, OverrideKind, Personal, Record, RoleName, Seats, SourceId, Timestamp,
};

/// S4.33.
#[test]
fn seats_are_bought_in_increments_that_cover_what_is_missing() {
    let bought = [1, 100, 101, 250, 251, 500, 501, 601, 760, 1000].map(in_increments);
    assert_eq!(bought, [100, 100, 250, 250, 500, 500, 600, 750, 1000, 1000]);
}

#[test]
fn a_command_can_be_pasted_whatever_an_id_holds() {
    assert_eq!(["PB-1", "a b|c", "o'x"].map(word), ["PB-1", "'a b|c'", "'o'\\''x'"]);
}

fn suggested(it: &World) -> Vec<Shortage> {
    suggest(&it.baseline(), it.as_of, &Wanted::default())
}

/// The suggestions of the only shortage.
fn only(it: &World) -> Vec<Suggestion> {
    let mut all = suggested(it);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0).suggestions
}

fn kinds(all: &[Suggestion]) -> Vec<Kind> {
    all.iter().map(|it| it.kind).collect()
}

fn one(all: &[Suggestion], kind: Kind) -> &Suggestion {
    all.iter().find(|it| it.kind == kind).unwrap_or_else(|| panic!("no {kind:?}: {all:#?}"))
}

/// A class of this year, one of last year that nobody archived, and its teacher.
fn with_classes(it: &mut World) {
    it.reading().basis = Basis::Enrolled;
    it.roster.put(Record::Session(session("year", "schoolYear", "2026-08-17", "2027-06-05", None).into()));
    it.roster.put(Record::Session(session("old", "schoolYear", "2025-08-17", "2026-06-05", None).into()));
    it.roster.put(Record::Class(class("now", &["year"]).into()));
    it.roster.put(Record::Class(class("then", &["old"]).into()));
}

/// S2.12: where nobody waits and nothing is over there is nothing to suggest.
#[test]
fn nothing_is_suggested_where_nothing_is_short() {
    let mut it = World::seats(2);
    it.students(&["ann", "ben"]);
    it.user("ann").grades = vec!["13".to_owned()];
    it.settle();
    assert_eq!(suggested(&it), [], "every seat is in use, and nobody is without");
    it.students(&["cas"]);
    it.settle();
    assert_eq!(suggested(&it).len(), 1);
}

/// S2.7, S2.8: a class of a past year whose students still count.
#[test]
fn a_class_that_is_over_and_still_counts_is_found_with_what_archiving_it_frees() {
    let mut it = World::seats(2);
    with_classes(&mut it);
    it.students(&["ann", "ben", "cas"]);
    it.enroll("ann", "then", RoleName::Student);
    it.enroll("ben", "then", RoleName::Student);
    it.enroll("ben", "now", RoleName::Student);
    it.settle();
    assert_eq!(it.seats.len(), 1, "last year's class gives nobody a seat: ben has this year's");
    // A seat of last year lasts while the subscription does.
    it.night("2026-06-01");
    it.sub().starts_on = "2025-07-01".parse().unwrap();
    it.settle();
    it.night("2026-10-05");
    it.enroll("cas", "now", RoleName::Student);
    it.settle();
    assert_eq!((it.holders().len(), it.line()), (2, vec!["cas".to_owned()]));
    let all = only(&it);
    let stale = one(&all, Kind::StaleClass);
    assert_eq!((stale.frees, stale.seats, stale.class.as_ref().map(SourceId::as_str)), (1, 1, Some("then")));
    assert_eq!(stale.command, "rosterd sync d");
    let by_hand = suggest(&it.baseline(), it.as_of, &Wanted { by_hand: true, ..Wanted::default() }).remove(0);
    let by_hand = one(&by_hand.suggestions, Kind::StaleClass);
    assert_eq!(by_hand.command, "rosterd unenroll --district d --class then --everyone --reason over");
}

/// S2.5, S2.6: whose students count only through them.
#[test]
fn an_educator_is_suggested_with_the_students_who_have_no_other_who_is_on() {
    let mut it = World::seats(3);
    with_classes(&mut it);
    it.reading().educator_access = true;
    it.roster.put(Record::Class(class("both", &["year"]).into()));
    for (teacher, class) in [("tom", "now"), ("tom", "both"), ("una", "both")] {
        it.roster.put(Record::User(user(teacher, RoleName::Teacher, &["s1"]).into()));
        it.enroll(teacher, class, RoleName::Teacher);
    }
    it.students(&["ann", "ben", "cas", "dan"]);
    for (student, class) in [("ann", "now"), ("ben", "both"), ("cas", "both")] {
        it.enroll(student, class, RoleName::Student);
    }
    it.settle();
    it.enroll("dan", "both", RoleName::Student);
    // A class that is over, with another teacher, changes nothing about ann.
    it.roster.put(Record::User(user("old", RoleName::Teacher, &["s1"]).into()));
    it.enroll("old", "then", RoleName::Teacher);
    it.enroll("ann", "then", RoleName::Student);
    it.settle();
    let all = only(&it);
    let educators: Vec<&Suggestion> = all.iter().filter(|it| it.kind == Kind::EducatorOff).collect();
    assert_eq!(educators.len(), 1, "una teaches nobody alone: {educators:?}");
    assert_eq!((educators[0].frees, educators[0].seats), (1, 1));
    assert_eq!(educators[0].command, "rosterd access set --district d --educator tom --product reading --off");
}

/// S2.9 to S2.11, P45: strong keys before weak ones; twins and those marked as two are not proposed.
#[test]
fn duplicates_are_ranked_strong_before_weak_and_twins_are_left_alone() {
    let mut it = World::seats(6);
    it.students(&["a1", "a2", "b1", "b2", "t1", "t2", "zed"]);
    let number = |text: &str| Some(Personal::new(text));
    for (id, given, family, own) in [
        ("a1", "Ann", "Oak", Some("77")),
        ("a2", "Anne", "Oak", Some("77")),
        ("b1", "Ben", "Elm", None),
        ("b2", "Ben", "Elm", Some("12")),
        ("t1", "Tess", "Ash", Some("31")),
        ("t2", "Tess", "Ash", Some("32")),
    ] {
        let user = it.user(id);
        (user.given_name, user.family_name) = (number(given), number(family));
        user.student_number = own.and_then(number);
        user.grades = vec!["03".to_owned()];
    }
    it.decide("zed", OverrideKind::Pin, None);
    for id in ["a1", "a2", "b1", "b2", "t1", "t2"] {
        it.decide(id, OverrideKind::Pin, None);
    }
    it.settle();
    it.overrides.clear();
    it.students(&["new"]);
    it.settle();
    let all = only(&it);
    let pairs: Vec<_> = all.iter().filter(|it| it.kind == Kind::Duplicate).map(|it| it.strength.unwrap()).collect();
    let seated = |id: &str| it.seats.contains_key(&("reading".into(), id.into()));
    let expected: Vec<Strength> = [("a1", "a2", Strength::Strong), ("b1", "b2", Strength::Weak)]
        .into_iter()
        .filter(|(one, other, _)| seated(one) && seated(other))
        .map(|(.., strength)| strength)
        .collect();
    assert_eq!(pairs, expected);
    assert!(pairs.contains(&Strength::Strong) || pairs.contains(&Strength::Weak), "{all:#?}");
    assert!(all.iter().all(|it| !it.command.contains("t1") && !it.command.contains("t2")), "{all:#?}");
}

/// S3.18, S3.27, S4.35: seats of nobody who is at school; a pin and a member of staff are left alone.
#[test]
fn unused_seats_test_accounts_and_graduates_are_suggested_and_never_staff_or_a_pin() {
    let mut it = World::seats(5);
    it.reading().audience = crate::model::Audience::Any;
    it.students(&["busy", "idle", "trial", "grad"]);
    it.roster.put(Record::User(user("head", RoleName::Administrator, &["s1"]).into()));
    it.settle();
    let used = |days: i64| Some(it.as_of.plus(chrono::TimeDelta::days(-days)));
    let (lately, long_ago) = (used(2), used(45));
    for (id, last) in [("busy", lately), ("idle", long_ago), ("trial", lately), ("grad", lately), ("head", long_ago)] {
        it.seat(id).last_used_at = last;
    }
    it.user("trial").given_name = Some(Personal::new("Test"));
    it.user("head").given_name = Some(Personal::new("Test"));
    it.user("grad").grades = vec!["13".to_owned()];
    it.students(&["new"]);
    it.settle();
    let all = only(&it);
    assert_eq!(kinds(&all), [Kind::Unused, Kind::TestAccounts, Kind::Graduates, Kind::Buy]);
    let named: Vec<&str> = all.iter().flat_map(|it| &it.users).map(SourceId::as_str).collect();
    assert_eq!(named, ["idle", "trial", "grad"]);
    assert!(all[..3].iter().all(|it| (it.frees, it.seats) == (1, 1)), "{all:#?}");
    it.decide("idle", OverrideKind::Pin, None);
    it.decide("trial", OverrideKind::Pin, None);
    assert_eq!(kinds(&only(&it)), [Kind::Graduates, Kind::Buy], "what a person decided is not undone");
    it.seat("busy").last_used_at = None;
    for id in ["idle", "trial", "grad", "head"] {
        it.seat(id).last_used_at = None;
    }
    it.overrides.clear();
    assert!(!kinds(&only(&it)).contains(&Kind::Unused), "no use is reported at all");
}

/// S3.26, S2.4: a school that is over while the product is not gets spare seats of another, and never more than there are.
#[test]
fn a_school_that_is_over_has_seats_moved_to_it_though_the_product_has_some_left() {
    let mut it = World::seats(5);
    it.sub().allotments = vec![allotment("s1", 2), allotment("s2", 1), allotment("s3", 2)];
    it.student("ann", &["s1"]);
    it.student("ben", &["s2"]);
    it.settle();
    it.student("ann", &["s2"]);
    it.settle();
    let [shortage] = &suggested(&it)[..] else { panic!("one pool is over") };
    assert_eq!((shortage.over, shortage.waiting, shortage.short_by), (1, 0, 1));
    let moves: Vec<&Suggestion> = shortage.suggestions.iter().filter(|it| it.kind == Kind::MoveSeats).collect();
    assert_eq!(moves.iter().map(|it| it.frees).collect::<Vec<_>>(), [1, 1]);
    let last = shortage.suggestions.last().unwrap();
    assert_eq!(last.text, "buy 100 more: short by 1 seats in reading");
    it.sub().allotments[0].locked = true;
    it.sub().allotments[2].locked = true;
    assert!(!kinds(&only(&it)).contains(&Kind::MoveSeats), "locked allotments keep theirs (S2.3)");
}

/// S4.33: 1000 seats and 1101 students are 101 short, and 250 are sold at once.
#[test]
fn what_is_missing_is_bought_in_an_increment_and_seats_everyone() {
    let mut it = World::seats(1000);
    for n in 0..1101 {
        it.student(&format!("u{n:04}"), &["s1"]);
    }
    it.settle();
    let all = only(&it);
    assert_eq!(kinds(&all), [Kind::Buy]);
    assert_eq!((all[0].rank, all[0].frees, all[0].seats), (1, 250, 101));
    assert_eq!(all[0].text, "buy 250 more: short by 101 seats in reading");
    it.night("2027-08-01");
    it.settle();
    assert_eq!(suggested(&it), [], "after the end there is nothing to free: the alert says to renew");
}

/// S4.35: 1,000 of 1,000 in use and 800 enrolled: graduates still active, past years not archived, test accounts.
#[test]
fn the_license_count_is_compared_with_the_roster_and_the_three_causes_are_told_apart() {
    let mut it = World::seats(1000);
    with_classes(&mut it);
    it.reading().basis = Basis::Active;
    for n in 0..1000 {
        let id = format!("u{n:04}");
        it.student(&id, &["s1"]);
        match n {
            0..800 => it.enroll(&id, "now", RoleName::Student),
            800..900 => it.user(&id).grades = vec!["13".to_owned()],
            900..980 => it.enroll(&id, "then", RoleName::Student),
            _ => it.user(&id).username = Some(Personal::new(format!("demo.{n}"))),
        }
    }
    it.roster.put(Record::User(user("test.head", RoleName::Administrator, &["s1"]).into()));
    it.settle();
    let expected = Surplus {
        product: "reading".into(),
        in_use: 1000,
        enrolled: 800,
        graduates: 100,
        past_classes: 80,
        test_accounts: 20,
    };
    assert_eq!(surplus(&it.baseline(), it.as_of), [expected]);
    for n in 0..250 {
        it.student(&format!("v{n:04}"), &["s1"]);
        it.enroll(&format!("v{n:04}"), "now", RoleName::Student);
    }
    assert_eq!(surplus(&it.baseline(), it.as_of), [], "more are enrolled than have a seat");
}

/// A command as a shell reads it: what stands behind each flag.
fn flag<'a>(words: &'a [String], name: &str) -> Vec<&'a str> {
    let after = words.iter().skip_while(|it| *it != name).skip(1);
    after.take_while(|it| !it.starts_with("--")).map(String::as_str).collect()
}

/// Does what a suggestion says, as its command would: its own words, not the change it was tried with.
fn carried_out(it: &mut World, suggestion: &Suggestion) {
    let words: Vec<String> = suggestion.command.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect();
    let only = |name: &str| flag(&words, name)[0].to_owned();
    let exclude = |it: &mut World, users: &[SourceId]| {
        for user in users {
            it.decide(user.as_str(), OverrideKind::Exclude, None);
        }
    };
    match suggestion.kind {
        Kind::MoveSeats => {
            let (from, to) = (only("--from"), only("--to"));
            let moved: u32 = only("--seats").parse().unwrap();
            for share in &mut it.sub().allotments {
                if let Seats::Count(seats) = &mut share.seats {
                    if share.school == from {
                        *seats = seats.checked_sub(moved).expect("no more than there are");
                    } else if share.school == to {
                        *seats += moved;
                    }
                }
            }
        }
        Kind::EducatorOff => {
            let educator = SourceId::new(only("--educator"));
            let off = EducatorAccess { product: "reading".into(), educator: educator.clone(), on: false };
            it.educator_access.insert(("reading".into(), educator), off);
        }
        Kind::StaleClass => {
            it.roster.classes.remove(suggestion.class.as_ref().unwrap());
        }
        Kind::Duplicate if words.contains(&"identity".to_owned()) => {
            let baseline = it.baseline();
            let pair = identity::duplicates(&baseline).into_iter().find(|pair| words.contains(&pair.id)).unwrap();
            assert_eq!(pair.kind, LinkKind::Duplicate);
            it.link(&[pair.survivor.as_str(), pair.first.as_str(), pair.second.as_str()]);
        }
        Kind::Duplicate => exclude(it, &[SourceId::new(only("--user"))]),
        Kind::Unused | Kind::TestAccounts | Kind::Graduates => {
            assert_eq!(flag(&words, "--user"), suggestion.users.iter().map(SourceId::as_str).collect::<Vec<_>>());
            exclude(it, &suggestion.users);
        }
        Kind::Buy => {
            let seats = u32::try_from(suggestion.frees).unwrap();
            it.subscription(subscription("MORE", "reading", seats));
        }
    }
}

fn decorated() -> impl Strategy<Value = Vec<(u8, u8)>> {
    proptest::collection::vec((0..6_u8, 0..5_u8), 10)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// S2.1 to S2.12, S4.35: what is suggested is ranked, is for a pool that is short, names no member of staff, and frees and
    /// seats exactly what it says when the engine runs on the district as it is then.
    #[test]
    fn a_suggestion_frees_and_seats_exactly_what_it_says(
        terms in terms(),
        people in proptest::collection::vec(person(), 0..10),
        decorated in decorated(),
        by_person in any::<bool>(),
        educators in any::<bool>(),
    ) {
        let mut it = world(&terms, &people);
        it.bridged.clear();
        it.held_users.clear();
        it.reading().educator_access = educators;
        it.reading().count_by = if by_person { CountBy::Person } else { CountBy::Account };
        it.roster.put(Record::Session(session("old", "schoolYear", "2025-08-17", "2026-06-05", None).into()));
        it.roster.put(Record::Class(class("c-old", &["old"]).into()));
        for (index, (what, days)) in decorated.iter().enumerate() {
            let id = format!("u{index}");
            let Some(user) = it.roster.users.get_mut(&SourceId::from(id.as_str())) else { continue };
            match what {
                0 => user.given_name = Some(Personal::new("Test")),
                1 => user.grades = vec!["13".to_owned()],
                2 => user.student_number = Some(Personal::new("4711")),
                3 => it.roster.put(Record::Enrollment(enrollment(&id, "c-old", RoleName::Student).into())),
                _ => {}
            }
            let long_ago: Timestamp = it.as_of.plus(chrono::TimeDelta::days(-20 * i64::from(*days)));
            if let Some(seat) = it.seats.get_mut(&("reading".into(), SourceId::from(id.as_str()))) {
                (seat.claimed_at, seat.last_used_at) = (Some(long_ago), Some(long_ago));
            }
        }
        it.settle();
        it.pull = None;
        let baseline = it.baseline();
        let rows = licenses(&baseline, it.as_of, true);
        let short = rows.iter().any(|row| row.over + row.waiting > 0);
        let found = suggest(&baseline, it.as_of, &Wanted::default());
        prop_assert!(short || found.is_empty());
        for shortage in &found {
            let all = &shortage.suggestions;
            prop_assert!(shortage.short_by > 0 && all.len() <= 50);
            prop_assert_eq!(all.iter().map(|it| it.rank).collect::<Vec<_>>(), (1..=all.len()).collect::<Vec<_>>());
            prop_assert!(kinds(all).is_sorted() && all.last().unwrap().kind == Kind::Buy);
            prop_assert!(all.last().unwrap().frees >= shortage.short_by);
            for suggestion in all {
                let student = |id: &SourceId| baseline.roster.users[id].roles.iter().any(|it| it.role == RoleName::Student);
                prop_assert!(suggestion.users.iter().all(student), "{:?}", suggestion);
                let mut then = it.clone();
                carried_out(&mut then, suggestion);
                then.settle();
                let lost: BTreeSet<&SeatKey> = baseline.seats.keys().filter(|key| !then.seats.contains_key(*key)).collect();
                let gained = baseline.waiting.keys().filter(|key| then.seats.contains_key(*key)).count();
                // A seat that passes to the other account of the person ends with neither.
                let ends = match suggestion.kind {
                    Kind::MoveSeats | Kind::Buy => 0,
                    _ => suggestion.frees,
                };
                prop_assert_eq!(u64::try_from(lost.len()).unwrap(), ends, "{:?}", suggestion);
                prop_assert_eq!(u64::try_from(gained).unwrap(), suggestion.seats, "{:?}", suggestion);
                prop_assert!(suggestion.kind == Kind::Buy || suggestion.frees + suggestion.seats > 0, "{:?}", suggestion);
            }
        }
    }
}
