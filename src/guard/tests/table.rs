//! The guard's table (safety.md, Guard), row by row: just below, at and just above each limit, where the floor decides and where
//! the percentage does.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{blank, feed_of, night, source};
use crate::guard::{Circumstances, Cleared, Fleet, Keep, Limit, Settings, review};
use crate::model::{
    Baseline, Class, DistrictMode, Enrollment, HoldRecord, Kind, ModeEntry, Modes, Org, Personal, Pool, RecentLoss,
    Record, Role, RoleName, Roster, RosterRecord, Seat, SeatState, SourceId, User,
};
use crate::plan::{self, Cause};
use crate::snapshot::Builder;

/// Students of one school and its classes, in which they are enrolled by turns.
#[derive(Clone, Copy)]
pub(super) struct Size {
    students: usize,
    classes: usize,
}

fn user(school: usize, index: usize) -> User {
    let roles = vec![Role { role: RoleName::Student, org: format!("S{school}").into(), primary: true, word: None }];
    User {
        id: format!("U{school}-{index:04}").into(),
        roles,
        active: true,
        given_name: Some(Personal::new("Kim")),
        family_name: None,
        email: None,
        username: None,
        grades: Vec::new(),
        student_number: Some(Personal::new(format!("N{school}-{index}"))),
        state_id: None,
    }
}

fn class(school: usize, index: usize) -> Class {
    Class {
        id: format!("C{school}-{index:03}").into(),
        title: "Class".to_owned(),
        code: None,
        class_type: None,
        school: Some(format!("S{school}").into()),
        course: None,
        sessions: Vec::new(),
        grades: Vec::new(),
        subjects: Vec::new(),
        instance: 0,
    }
}

fn enrollment(user: &User, class: &Class) -> Enrollment {
    Enrollment {
        user: user.id.clone(),
        class: class.id.clone(),
        school: class.school.clone(),
        role: RoleName::Student,
        primary: None,
        periods: Vec::new(),
    }
}

/// A district of such schools.
pub(super) struct Town {
    pub(super) records: Vec<Record>,
    pub(super) baseline: Baseline,
}

impl Town {
    pub(super) fn of(schools: &[Size]) -> Self {
        let mut records = Vec::new();
        for (school, size) in schools.iter().enumerate() {
            let (id, name, org_type) = (format!("S{school}").into(), "School".to_owned(), "school".to_owned());
            records.push(Record::School(Org { id, org_type, name, identifier: None, parent: None, nces: None }.into()));
            let classes: Vec<Class> = (0..size.classes).map(|index| class(school, index)).collect();
            for index in 0..size.students {
                let user = user(school, index);
                if let Some(class) = classes.get(index % size.classes.max(1)) {
                    records.push(Record::Enrollment(enrollment(&user, class).into()));
                }
                records.push(Record::User(user.into()));
            }
            records.extend(classes.into_iter().map(RosterRecord::into_record));
        }
        let mut roster = Roster::default();
        records.iter().cloned().for_each(|record| roster.put(record));
        Self { records, baseline: blank(roster) }
    }

    /// Everyone has a seat of `math`.
    pub(super) fn with_seats(mut self) -> Self {
        let text = "[[product]]\ncode = \"math\"\nname = \"Math\"\naudience = \"student\"\nbasis = \"active\"\n\n\
                    [[subscription]]\nid = \"SUB\"\ndistrict = \"oak\"\nproduct = \"math\"\nseats = 5000\n\
                    starts_on = 2025-07-01\nexpires_on = 2026-06-30\nlicensed_to = \"Oak\"\n";
        self.baseline.catalog = crate::catalog::parse(text).unwrap();
        for user in self.baseline.roster.users.keys() {
            let seat = Seat {
                product: "math".into(),
                user: user.clone(),
                pool: Pool::District,
                since: night(0),
                claimed_at: None,
                last_used_at: None,
                leaving: None,
                bridged: false,
                state: SeatState::Active,
            };
            self.baseline.seats.insert(("math".into(), user.clone()), seat);
        }
        self
    }

    /// Another record, of the store and of the feed.
    pub(super) fn add(&mut self, record: Record) {
        self.baseline.roster.put(record.clone());
        self.records.push(record);
    }

    /// Every record otherwise, in the store and in the feed.
    pub(super) fn edit(&mut self, edit: impl FnMut(&mut Record)) {
        self.records.iter_mut().for_each(edit);
        self.records.iter().cloned().for_each(|record| self.baseline.roster.put(record));
    }

    /// Tonight's review if the feed has `records`.
    pub(super) fn cleared(&self, records: impl IntoIterator<Item = Record>, keep: Keep) -> Cleared {
        let snapshot = feed_of(records, night(1));
        let plan = plan::make(&self.baseline, Cause::Snapshot(&snapshot), night(1)).unwrap();
        let circumstances = Circumstances { snapshot: Some(&snapshot), keep, ..Circumstances::default() };
        review(plan, &self.baseline, &Settings::default(), circumstances).unwrap()
    }

    /// What tonight holds if the feed has `records`.
    fn holds(&self, records: impl IntoIterator<Item = Record>) -> Vec<HoldRecord> {
        self.holds_of(records, |_| {}, None)
    }

    fn holds_of(
        &self,
        records: impl IntoIterator<Item = Record>,
        more: impl FnOnce(&mut Builder),
        fleet: Option<Fleet>,
    ) -> Vec<HoldRecord> {
        let mut builder = Builder::new();
        records.into_iter().for_each(|record| builder.add(record, ""));
        more(&mut builder);
        let snapshot = builder.finish(source(night(1)));
        let plan = plan::make(&self.baseline, Cause::Snapshot(&snapshot), night(1)).unwrap();
        let circumstances = Circumstances { snapshot: Some(&snapshot), fleet, ..Circumstances::default() };
        review(plan, &self.baseline, &Settings::default(), circumstances).unwrap().holds().to_vec()
    }

    /// The records without the first `n` that `is` picks.
    pub(super) fn without(&self, n: usize, is: impl Fn(&Record) -> bool) -> Vec<Record> {
        let mut left = n;
        let mut keep = |record: &&Record| {
            let goes = left > 0 && is(record);
            left -= usize::from(goes);
            !goes
        };
        let kept = self.records.iter().filter(|record| keep(record)).cloned().collect();
        assert_eq!(left, 0, "there are not so many");
        kept
    }

    /// The records with the first `n` users of a school (or of all) changed by `edit`.
    pub(super) fn changed(&self, n: usize, school: Option<&str>, edit: impl Fn(&mut User)) -> Vec<Record> {
        let (mut left, mut records) = (n, self.records.clone());
        for record in &mut records {
            if let Record::User(user) = record
                && left > 0
                && school.is_none_or(|school| user.roles[0].org.as_str() == school)
            {
                edit(Arc::make_mut(user));
                left -= 1;
            }
        }
        assert_eq!(left, 0, "there are not so many");
        records
    }
}

fn found<'a>(holds: &'a [HoldRecord], group: &str) -> Option<&'a HoldRecord> {
    holds.iter().find(|hold| hold.group == group)
}

/// The most that a limit lets through.
fn most(limit: Limit, of: usize) -> usize {
    let (percent, floor) = (usize::try_from(limit.percent).unwrap(), usize::try_from(limit.floor).unwrap());
    floor.max(percent * of / 100)
}

/// Just below, at and above the limit: only above it the group is held, with the count and the rows it is weighed against.
#[track_caller]
fn row(group: &str, limit: Limit, of: usize, holds: impl Fn(usize) -> Vec<HoldRecord>) {
    let at = most(limit, of);
    for (n, wanted) in [(at - 1, false), (at, false), (at + 1, true)] {
        let holds = holds(n);
        let hold = found(&holds, group);
        assert_eq!(hold.is_some(), wanted, "{group}: {n} of {of}: {holds:?}");
        if let Some(hold) = hold {
            let counted = (usize::try_from(hold.count).unwrap(), usize::try_from(hold.of).unwrap());
            assert_eq!((counted, &hold.limit), ((n, of), &limit.words()), "{group}");
        }
    }
}

fn is_user_of(record: &Record, school: &str) -> bool {
    matches!(record, Record::User(user) if user.roles[0].org.as_str() == school)
}

pub(super) fn size(students: usize, classes: usize) -> Size {
    Size { students, classes }
}

/// Schools of which none loses enough for a limit of its own, taken from by turns.
fn spread(students: usize, classes: usize, schools: usize) -> Vec<Size> {
    vec![size(students, classes); schools]
}

/// Users removed, per school: over 10 % and over 10.
#[test]
fn users_removed_of_a_school() {
    for students in [60, 200] {
        let town = Town::of(&[size(students, 0), size(400, 0)]);
        let limit = Settings::default().school_users_removed;
        row("school:S0/users/removed", limit, students, |n| town.holds(town.without(n, |it| is_user_of(it, "S0"))));
    }
}

/// Users removed, per district: over 5 % and over 50.
#[test]
fn users_removed_of_the_district() {
    for students in [40, 120] {
        let town = Town::of(&spread(students, 0, 20));
        let limit = Settings::default().district_users_removed;
        row("district/users/removed", limit, students * 20, |n| {
            town.holds(town.without(n, |it| matches!(it, Record::User(_))))
        });
    }
}

/// Users who lose their last active enrollment, per school: over 10 % and over 10.
#[test]
fn users_unenrolled_of_a_school() {
    for students in [60, 200] {
        let town = Town::of(&[size(students, 10), size(400, 10)]);
        let limit = Settings::default().school_users_unenrolled;
        let of_school = |it: &Record| matches!(it, Record::Enrollment(it) if it.school == Some("S0".into()));
        row("school:S0/users/unenrolled", limit, students, |n| town.holds(town.without(n, of_school)));
    }
}

/// Users who lose their last active enrollment, per district: over 5 % and over 50.
#[test]
fn users_unenrolled_of_the_district() {
    for students in [40, 120] {
        let town = Town::of(&spread(students, 10, 20));
        let limit = Settings::default().district_users_unenrolled;
        row("district/users/unenrolled", limit, students * 20, |n| {
            town.holds(town.without(n, |it| matches!(it, Record::Enrollment(_))))
        });
    }
}

/// Enrollment rows removed, per district: over 25 % and over 200.
#[test]
fn enrollments_removed_of_the_district() {
    for students in [30, 60] {
        let town = Town::of(&spread(students, 10, 20));
        let limit = Settings::default().district_enrollments_removed;
        row("district/enrollments/removed", limit, students * 20, |n| {
            town.holds(town.without(n, |it| matches!(it, Record::Enrollment(_))))
        });
    }
}

/// Classes removed, per school: over 25 % and over 10.
#[test]
fn classes_removed_of_a_school() {
    for classes in [20, 80] {
        let town = Town::of(&[size(0, classes), size(100, 100)]);
        let limit = Settings::default().school_classes_removed;
        let of_school = |it: &Record| matches!(it, Record::Class(it) if it.school == Some("S0".into()));
        row("school:S0/classes/removed", limit, classes, |n| town.holds(town.without(n, of_school)));
    }
}

/// Classes removed, per district: over 15 % and over 30.
#[test]
fn classes_removed_of_the_district() {
    for classes in [9, 30] {
        let town = Town::of(&spread(0, classes, 20));
        let limit = Settings::default().district_classes_removed;
        row("district/classes/removed", limit, classes * 20, |n| {
            town.holds(town.without(n, |it| matches!(it, Record::Class(_))))
        });
    }
}

/// Seats of one product released, per school and per district: over 5 % and over 20. A disabled account is evidence.
#[test]
fn seats_of_one_product_released() {
    let settings = Settings::default();
    for students in [100, 600] {
        let town = Town::of(&[size(students, 0), size(1000, 0)]).with_seats();
        let disabled = |n| town.holds(town.changed(n, Some("S0"), |user| user.active = false));
        row("school:S0/product:math/released", settings.school_seats_released, students, disabled);
    }
    for students in [10, 60] {
        let town = Town::of(&spread(students, 0, 20)).with_seats();
        let disabled = |n| town.holds(town.changed(n, None, |user| user.active = false));
        row("district/product:math/released", settings.district_seats_released, students * 20, disabled);
    }
}

/// Records of one kind changed, per school: over 50 % and over 50; per district: over 50 % and over 200.
#[test]
fn records_of_one_kind_changed() {
    let settings = Settings::default();
    let rename = |user: &mut User| user.given_name = Some(Personal::new("Lee"));
    for students in [80, 200] {
        let town = Town::of(&[size(students, 0), size(600, 0)]);
        row("school:S0/users/changed", settings.school_changed, students, |n| {
            town.holds(town.changed(n, Some("S0"), rename))
        });
    }
    for students in [80, 200] {
        let town = Town::of(&[size(students, 10), size(600, 10)]);
        for (school, of) in [("S0", students), ("S1", 600)] {
            row(&format!("school:{school}/enrollments/changed"), settings.school_changed, of, |n| {
                let (mut left, mut records) = (n, town.records.clone());
                for record in &mut records {
                    if let Record::Enrollment(it) = record
                        && it.school == Some(school.into())
                        && left > 0
                    {
                        let it = Arc::make_mut(it);
                        (it.primary, it.school) = (Some(true), None);
                        left -= 1;
                    }
                }
                town.holds(records)
            });
        }
    }
    for students in [15, 30] {
        let town = Town::of(&spread(students, 0, 20));
        row("district/users/changed", settings.district_changed, students * 20, |n| {
            town.holds(town.changed(n, None, rename))
        });
    }
}

/// Users added, per district: over 25 % and over 200 (P2).
#[test]
fn users_added_of_the_district() {
    for students in [300, 1000] {
        let town = Town::of(&[size(students, 0)]);
        row("district/users/added", Settings::default().district_users_added, students, |n| {
            let new = (0..n).map(|index| Record::User(user(0, students + index).into()));
            town.holds(town.records.iter().cloned().chain(new))
        });
    }
}

/// Not on the first sync, and not in a declared rollover: `no_removals` for a range of days.
#[test]
fn users_added_on_the_first_sync_and_in_a_declared_rollover() {
    let mut town = Town::of(&[size(300, 0)]);
    let new = || (0..300).map(|index| Record::User(user(0, 300 + index).into()));
    let all = |town: &Town| town.holds(town.records.clone().into_iter().chain(new()));
    assert!(found(&all(&town), "district/users/added").is_some());
    let entry = |until: Option<&str>| ModeEntry {
        number: 1,
        mode: DistrictMode::NoRemovals,
        from: None,
        until: until.map(|day| day.parse().unwrap()),
        reason: None,
        by: "ann".to_owned(),
        at: night(0),
        ended_at: None,
    };
    town.baseline.modes = Modes(vec![entry(None)]);
    assert!(found(&all(&town), "district/users/added").is_some(), "a mode without an end declares nothing");
    town.baseline.modes = Modes(vec![entry(Some("2025-10-31"))]);
    assert_eq!(all(&town), []);
    town.baseline.modes = Modes::default();
    town.baseline.state.source = None;
    assert_eq!(all(&town), []);
}

/// A school, product or class with 5 or more that would go to zero; one of four may.
#[test]
fn what_would_go_to_zero() {
    for (students, held) in [(4, false), (5, true)] {
        let town = Town::of(&[size(students, 1), size(600, 300)]);
        let holds = town.holds(town.without(students, |it| is_user_of(it, "S0")));
        assert_eq!(found(&holds, "school:S0/users/removed").is_some(), held, "the school of {students}: {holds:?}");
        assert_eq!(found(&holds, "school:S0/unshared").is_some(), held, "{holds:?}");
        let of_class = |it: &Record| matches!(it, Record::Enrollment(it) if it.class.as_str() == "C0-000");
        let holds = town.holds(town.without(students, of_class));
        assert_eq!(found(&holds, "class:C0-000/unenrolled").is_some(), held, "the class of {students}: {holds:?}");
        let mut town = Town::of(&[size(600, 0)]).with_seats();
        let few: BTreeSet<SourceId> = (0..students).map(|index| user(0, index).id).collect();
        town.baseline.seats.retain(|(_, user), _| few.contains(user));
        let holds = town.holds(town.changed(students, None, |user| user.active = false));
        assert_eq!(found(&holds, "district/product:math/released").is_some(), held, "the product: {holds:?}");
    }
}

/// The sum of seven days: twice the limit, of each removal row; gross, with what tonight takes.
#[test]
fn the_sum_of_seven_days() {
    let settings = Settings::default();
    let lost = |what: &str, n: usize| -> Vec<RecentLoss> {
        let day = night(0).date_in(chrono_tz::America::Chicago);
        let one = |index: usize| RecentLoss {
            what: what.to_owned(),
            id: format!("gone-{index}"),
            on: day,
            schools: BTreeSet::from(["S0".into()]),
        };
        (0..n).map(one).collect()
    };
    let user_of = |it: &Record| is_user_of(it, "S0");
    let enrolled = |it: &Record| matches!(it, Record::Enrollment(it) if it.school == Some("S0".into()));
    let class_of = |it: &Record| matches!(it, Record::Class(it) if it.school == Some("S0".into()));
    type Pick<'a> = &'a dyn Fn(&Record) -> bool;
    let rows: [(&str, &str, Limit, usize, Pick<'_>); 7] = [
        ("school:S0", "users/removed", settings.school_users_removed, 100, &user_of),
        ("district", "users/removed", settings.district_users_removed, 500, &user_of),
        ("school:S0", "users/unenrolled", settings.school_users_unenrolled, 100, &enrolled),
        ("district", "users/unenrolled", settings.district_users_unenrolled, 500, &enrolled),
        ("district", "enrollments/removed", settings.district_enrollments_removed, 500, &enrolled),
        ("school:S0", "classes/removed", settings.school_classes_removed, 100, &class_of),
        ("district", "classes/removed", settings.district_classes_removed, 500, &class_of),
    ];
    for (scope, what, limit, of, pick) in rows {
        let mut town = Town::of(&[size(100, 100), size(400, 400)]);
        let twice = limit.of_seven_days();
        let at = most(twice, of);
        for (n, held) in [(at - 1, false), (at, false), (at + 1, true)] {
            town.baseline.recent = lost(what, n - 1);
            let holds = town.holds(town.without(1, pick));
            let hold = found(&holds, &format!("{scope}/{what}_7d"));
            assert_eq!(hold.map(|it| it.count), held.then(|| u64::try_from(n).unwrap()), "{scope}/{what}: {holds:?}");
        }
    }
}

/// The same of seats of one product, per school and per district.
#[test]
fn the_sum_of_seven_days_of_seats() {
    let mut town = Town::of(&[size(400, 0), size(400, 0)]).with_seats();
    let day = night(0).date_in(chrono_tz::America::Chicago);
    for (scope, of) in [("school:S0", 400), ("district", 800)] {
        let at = most(Settings::default().district_seats_released.of_seven_days(), of);
        for (n, held) in [(at - 1, false), (at, false), (at + 1, true)] {
            let one = |index: usize| RecentLoss {
                what: "product:math/released".to_owned(),
                id: format!("gone-{index}"),
                on: day,
                schools: BTreeSet::from(["S0".into()]),
            };
            town.baseline.recent = (0..n - 1).map(one).collect();
            let holds = town.holds(town.changed(1, Some("S0"), |user| user.active = false));
            let group = format!("{scope}/product:math/released_7d");
            assert_eq!(found(&holds, &group).is_some(), held, "{group} {n}: {holds:?}");
        }
    }
}

/// Invalid rows of one kind, per district: over 5 %: all removals are held; with none, nothing is (P11).
#[test]
fn rows_that_cannot_be_used() {
    let town = Town::of(&[size(200, 10)]);
    for (n, held) in [(9, false), (10, false), (11, true)] {
        let spoiled = |builder: &mut Builder| {
            for index in 0..n {
                builder.unusable(&Record::User(user(0, 100 + index).into()), "invalid_role", "no role");
            }
        };
        let readable =
            |it: &Record| !matches!(it, Record::User(it) if (100..100 + n).any(|index| it.id == user(0, index).id));
        let feed = || town.records.iter().filter(|it| readable(it)).cloned();
        let last = |it: &Record| matches!(it, Record::Enrollment(it) if it.user == user(0, 0).id);
        let holds = town.holds_of(feed().filter(|it| !last(it)), spoiled, None);
        let hold = found(&holds, "district/users/invalid");
        assert_eq!(
            hold.map(|it| (it.count, it.of, it.affected)),
            held.then(|| (n.try_into().unwrap(), 200, 1)),
            "{holds:?}"
        );
        assert_eq!(town.holds_of(feed(), spoiled, None), [], "nothing goes, so nothing is held");
    }
}

/// Rows without even an id: any record of their kind may be the one meant, so none of it is removed (P11).
#[test]
fn rows_that_do_not_say_whose_they_are() {
    let town = Town::of(&[size(200, 10)]);
    let one = |it: &Record| matches!(it, Record::User(user) if user.id == user_id(0));
    let enrolled = |it: &Record| matches!(it, Record::Enrollment(it) if it.user == user_id(1));
    let feed = town.records.iter().filter(|it| !one(it) && !enrolled(it)).cloned();
    let spoiled = |builder: &mut Builder| builder.unusable_without_id(Kind::Users, "missing_id", "no id");
    let holds = town.holds_of(feed.clone(), spoiled, None);
    let told: Vec<_> = holds.iter().map(|it| (it.group.as_str(), it.count, it.limit.as_str())).collect();
    assert_eq!(told, [("district/users/invalid", 1, "rows without a usable id")]);
    assert_eq!(holds[0].affected, 1, "the enrollment of another goes");
    let all_users = town.records.iter().filter(|it| !enrolled(it)).cloned();
    assert_eq!(town.holds_of(all_users, spoiled, None), [], "nobody goes");
}

fn user_id(index: usize) -> SourceId {
    user(0, index).id
}

/// Ids removed and added that match by strong keys, per district: over 5 % (P16).
#[test]
fn ids_that_were_renumbered() {
    let town = Town::of(&[size(400, 0)]);
    for (n, held) in [(19, false), (20, false), (21, true)] {
        let renumbered = town.changed(n, None, |user| user.id = format!("new-{}", user.id).into());
        let holds = town.holds(renumbered);
        let hold = found(&holds, "district/users/rekeyed");
        assert_eq!(hold.map(|it| (it.count, it.of)), held.then(|| (n.try_into().unwrap(), 400)), "{holds:?}");
    }
}

/// Ids in common with the store under 50 %, with 50 or more in the store: the whole snapshot is held (P2).
#[test]
fn a_snapshot_of_somebody_else() {
    for (students, common, held) in
        [(49, 10, false), (50, 25, false), (50, 24, true), (400, 200, false), (400, 199, true)]
    {
        let town = Town::of(&[size(students, 0)]);
        let new = Record::User(user(0, students).into());
        let left = town.without(students - common, |it| matches!(it, Record::User(_)));
        let holds = town.holds(left.into_iter().chain([new]));
        assert_eq!(found(&holds, "district/snapshot").is_some(), held, "{common} of {students}: {holds:?}");
        if held {
            assert_eq!(holds.len(), 1, "nothing else is weighed");
            let lost = u64::try_from(students - common).unwrap();
            assert_eq!((holds[0].count, holds[0].of), (lost, u64::try_from(students).unwrap()));
        }
    }
}

/// The fleet: releases of 24 hours in all districts over three times the usual and over 1,000, with tonight's.
#[test]
fn what_all_districts_release_together() {
    let town = Town::of(&[size(400, 0)]).with_seats();
    let disabled = |n| town.changed(n, None, |user| user.active = false);
    let cases =
        [(0, 999, false), (0, 1000, false), (0, 1001, true), (400, 1199, false), (400, 1200, false), (400, 1201, true)];
    for (usual, all, held) in cases {
        let fleet = Fleet { released: all - 2, usual, tripped: false };
        let holds = town.holds_of(disabled(2), |_| {}, Some(fleet));
        let hold = found(&holds, "fleet/released");
        assert_eq!(
            hold.map(|it| (it.count, it.of, it.affected)),
            held.then_some((all, usual, 2)),
            "{usual} {all}: {holds:?}"
        );
        let words = "in all districts over 3 times a usual day and over 1000; until it is acknowledged";
        assert_eq!(hold.map(|it| it.limit.as_str()), held.then_some(words));
    }
    let tripped = Some(Fleet { released: 0, usual: 0, tripped: true });
    assert!(found(&town.holds_of(disabled(1), |_| {}, tripped), "fleet/released").is_some(), "until acknowledged");
    assert_eq!(town.holds_of(town.records.clone(), |_| {}, tripped), [], "where nothing is released nothing is held");
}

/// One kind's changes wait for no other, and one school's for no other (U3, U4).
#[test]
fn what_trips_holds_nothing_else() {
    let town = Town::of(&[size(100, 0), size(400, 0)]);
    let mut records = town.without(11, |it| is_user_of(it, "S0"));
    records.retain(|it| !matches!(it, Record::User(it) if it.id == user(1, 0).id));
    records.push(Record::User(user(0, 500).into()));
    let cleared = town.cleared(records, Keep::Nothing);
    let applied: BTreeSet<String> = cleared.applied().map(|it| it.id().into_owned()).collect();
    assert_eq!(applied, BTreeSet::from([user(0, 500).id.to_string(), user(1, 0).id.to_string()]));
    assert_eq!(cleared.held().count(), 11);
    assert_eq!(cleared.counts()[&Kind::Users].held, 11);
}
