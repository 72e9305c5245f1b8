//! One story per vendor page, S0 to S4, and the field's own troubles (P codes) that the engine decides.

use super::world::{NOTHING, World, allotment, class, day, product, session, subscription, user};
use crate::allocate::licenses;
use crate::model::{
    Audience, Basis, EducatorAccess, Level, OverrideKind, Pool, Record, RoleName, SeatState, Seats, Target,
};

fn a_term(it: &mut World, classes: &[&str]) {
    it.roster.put(Record::Session(session("year", "schoolYear", "2026-08-17", "2027-06-05", None).into()));
    for id in classes {
        it.roster.put(Record::Class(class(id, &["year"]).into()));
    }
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("u{number:04}")).collect()
}

/// S0, Learning Without Tears: a full pool refuses, frees and grants in one run.
#[test]
fn learning_without_tears_a_full_pool_refuses_then_frees_and_grants_in_one_run() {
    let mut it = World::seats(2);
    it.reading().basis = Basis::Assigned;
    it.students(&["ann", "ben", "cas"]);
    for id in ["ann", "ben"] {
        it.assign(Target::User(id.into()), OverrideKind::Pin, &[]);
    }
    it.settle();
    it.assign(Target::User("cas".into()), OverrideKind::Pin, &[]);
    assert_eq!(it.settle(), ["cas waiting district"], "S0.1, S3.28: no seat left, and who it is, is told");
    let row = licenses(&it.baseline(), it.as_of, false).remove(0);
    assert_eq!((row.available, row.waiting), (Some(0), 1), "S0.4");
    it.assignments.remove(&("reading".into(), Target::User("ann".into())));
    assert_eq!(
        it.settle(),
        ["ann released Unassigned", "cas granted district", "cas waiting ended"],
        "S0.2, S0.11: at once"
    );
    it.lawful();
}

/// S1, the same vendor's rostered districts: by the feed, but a student's product may be adjusted by hand.
#[test]
fn a_rostered_district_pins_a_student_and_excludes_a_class_and_the_nightly_sync_keeps_both() {
    let mut it = World::seats(5);
    it.reading().basis = Basis::Enrolled;
    it.reading().grades = vec!["01".to_owned()];
    a_term(&mut it, &["c1", "c2"]);
    it.students(&["ann", "ben", "pia"]);
    for (id, class) in [("ann", "c1"), ("ben", "c2"), ("pia", "c2")] {
        it.user(id).grades = vec![if id == "pia" { "05" } else { "01" }.to_owned()];
        it.enroll(id, class, RoleName::Student);
    }
    it.settle();
    it.decide("pia", OverrideKind::Pin, Some("2026-10-31"));
    it.assign(Target::Class("c1".into()), OverrideKind::Exclude, &[]);
    assert_eq!(it.settle(), ["ann released Excluded", "pia granted district"], "S1.8 to S1.10");
    for night in ["2026-10-06", "2026-10-31"] {
        it.night(night);
        assert_eq!(it.settle(), NOTHING, "U19, P40: {night}");
    }
    it.night("2026-11-01");
    assert_eq!(it.settle(), ["pia released Conditions"]);
    it.lawful();
}

/// S2, Scoot Pad: a teacher OFF frees exactly the students without another teacher who is ON.
#[test]
fn scootpad_a_teacher_off_frees_exactly_the_students_without_another_teacher_on() {
    let mut it = World::seats(10);
    it.reading().basis = Basis::Enrolled;
    it.reading().educator_access = true;
    a_term(&mut it, &["c-tom", "c-una", "c-both"]);
    for (teacher, class) in [("tom", "c-tom"), ("una", "c-una"), ("tom", "c-both"), ("una", "c-both")] {
        it.roster.put(Record::User(user(teacher, RoleName::Teacher, &["s1"]).into()));
        it.enroll(teacher, class, RoleName::Teacher);
    }
    let places = [
        ("only-tom", &["c-tom"][..]),
        ("only-una", &["c-una"]),
        ("co-taught", &["c-both"]),
        ("two", &["c-tom", "c-una"]),
    ];
    for (student, classes) in places {
        it.student(student, &["s1"]);
        for class in classes {
            it.enroll(student, class, RoleName::Student);
        }
    }
    it.student("nowhere", &["s1"]);
    assert_eq!(it.settle().len(), 4, "S2.13: who is in no class does not count; S2.17: two classes are one seat");
    let off = EducatorAccess { product: "reading".into(), educator: "tom".into(), on: false };
    it.educator_access.insert(("reading".into(), "tom".into()), off);
    assert_eq!(it.settle(), ["only-tom released AccessOff"], "S2.6");
    it.lawful();
}

/// S2.3: seats move between schools' allotments, and with them who can be served.
#[test]
fn scootpad_seats_moved_between_schools_serve_who_waited() {
    let mut it = World::seats(2);
    it.sub().allotments = vec![allotment("s1", 2)];
    it.student("ann", &["s2"]);
    assert_eq!(it.settle(), ["ann waiting district"]);
    it.sub().allotments = vec![allotment("s1", 1), allotment("s2", 1)];
    assert_eq!(it.settle(), ["ann granted s2", "ann waiting ended"]);
}

/// S3, Master Teacher: seats by role, combined licenses, role changes.
#[test]
fn master_teacher_a_role_change_changes_the_seat_and_the_combined_license_stands_for_its_parts() {
    let mut it = World::new();
    it.catalog.products.clear();
    for code in ["learn", "observe"] {
        let mut part = product(code);
        (part.audience, part.basis) = (Audience::Any, Basis::Role);
        part.roles = vec![if code == "learn" { "aide" } else { "administrator" }.to_owned()];
        it.product(part);
        it.subscription(subscription(code, code, 3));
    }
    let mut both = product("combined");
    (both.audience, both.basis) = (Audience::Any, Basis::Role);
    both.roles = vec!["coach".to_owned()];
    both.bundle = vec!["learn".into(), "observe".into()];
    it.product(both);
    it.subscription(subscription("combined", "combined", 1));
    it.roster.put(Record::User(user("aide", RoleName::Aide, &["s1"]).into()));
    it.roster.put(Record::User(user("head", RoleName::Administrator, &["s1"]).into()));
    assert_eq!(it.settle(), ["learn/aide granted district", "observe/head granted district"], "S3.11 to S3.13");
    it.roster.put(Record::User(user("aide", RoleName::Administrator, &["s1"]).into()));
    assert_eq!(it.settle(), ["learn/aide released Conditions", "observe/aide granted district"], "S3.25");
    it.user("head").roles[0].word = Some("Coach".to_owned());
    assert_eq!(it.settle(), ["combined/head granted district", "observe/head released Bundled"], "S3.6");
    it.user("aide").roles[0].word = Some("Coach".to_owned());
    assert_eq!(it.settle(), ["combined/aide waiting district"], "who waits for the bundle keeps the part");
    it.lawful();
}

/// S4, Manage1to1: 1,000 seats, threshold 50.
#[test]
fn manage1to1_a_thousand_seats_are_green_at_949_yellow_at_950_red_at_1000_and_block_there() {
    let mut it = World::seats(1000);
    it.sub().alert_remaining = Some(50);
    let all = ids(1001);
    for (students, level, waiting) in
        [(949, Level::Green, 0), (950, Level::Yellow, 0), (1000, Level::Red, 0), (1001, Level::Red, 1)]
    {
        for id in &all[..students] {
            it.student(id, &["s1"]);
        }
        it.settle();
        let row = licenses(&it.baseline(), it.as_of, false).remove(0);
        assert_eq!((row.level, row.waiting), (level, waiting), "S4.19, S4.17: {students} active students");
        assert_eq!(row.assigned + row.available.unwrap(), 1000);
    }
    it.user("u0000").active = false;
    assert_eq!(it.settle().len(), 3, "S4.17: one goes inactive, the one who waited is served");
    it.lawful();
}

/// P19, S4.5: staff do not take a student seat, whatever the id was before.
#[test]
fn manage1to1_staff_never_take_a_student_seat() {
    let mut it = World::seats(5);
    it.students(&["ann"]);
    it.settle();
    it.roster.put(Record::User(user("ann", RoleName::Staff, &["s1"]).into()));
    assert_eq!(it.settle(), ["ann released Conditions"]);
}

/// P21: at two schools at once, one seat, from the primary school's allotment, without flip-flop.
#[test]
fn a_child_of_two_schools_has_one_seat_of_the_primary_one_and_keeps_it_there() {
    let mut it = World::seats(2);
    it.sub().allotments = vec![allotment("s1", 1), allotment("s2", 1)];
    it.student("ann", &["s2", "s1"]);
    assert_eq!(it.settle(), ["ann granted s2"]);
    for role in &mut it.user("ann").roles {
        role.primary = role.org.as_str() == "s1";
    }
    assert_eq!(it.settle(), NOTHING, "s2 is still one of the two");
}

/// P22: out on Friday, in at another school on Tuesday: the same seat.
#[test]
fn a_transfer_with_a_gap_keeps_the_seat_within_the_leaving_grace() {
    let mut it = World::seats(2);
    it.reading().leaving_grace_days = 10;
    it.sub().allotments = vec![allotment("s1", 1), allotment("s2", 1)];
    it.student("ann", &["s1"]);
    it.settle();
    let since = it.seat("ann").since;
    it.night("2026-10-09");
    it.vanish("ann");
    assert_eq!(it.settle(), ["ann leaving"]);
    it.night("2026-10-13");
    it.departed = crate::model::Roster::default();
    it.student("ann", &["s2"]);
    assert_eq!(it.settle(), ["ann moved s1 to s2", "ann stayed"]);
    assert_eq!(it.seat("ann").since, since);
}

/// P25: another section, and the old one marked dropped in the same pull.
#[test]
fn who_changes_section_is_never_released_in_between() {
    let mut it = World::seats(1);
    it.reading().basis = Basis::Enrolled;
    a_term(&mut it, &["c1", "c2"]);
    it.students(&["ann"]);
    it.enroll("ann", "c1", RoleName::Student);
    it.settle();
    it.enroll_until("ann", "c1", "2026-08-17", "2026-10-05");
    it.enroll("ann", "c2", RoleName::Student);
    assert_eq!(it.settle(), NOTHING);
}

/// P27: a re-enrollment under a new source id is the same enrollment.
#[test]
fn an_enrollment_that_ended_and_began_again_counts_by_its_periods() {
    let mut it = World::seats(1);
    it.reading().basis = Basis::Enrolled;
    a_term(&mut it, &["c1"]);
    it.students(&["ann"]);
    it.enroll_until("ann", "c1", "2026-08-17", "2026-09-15");
    assert_eq!(it.settle(), NOTHING);
    let own = it.roster.enrollments.values_mut().next().unwrap();
    own.periods.push(crate::model::Period { begin: Some(day("2026-10-05")), end: None });
    assert_eq!(it.settle(), ["ann granted district"]);
}

/// P30: exclusive ends lose nobody their last day, and inclusive ends give none extra.
#[test]
fn the_last_day_counts_as_the_source_means_it() {
    let mut it = World::seats(1);
    it.reading().basis = Basis::Enrolled;
    a_term(&mut it, &["c1"]);
    it.students(&["ann"]);
    it.enroll_until("ann", "c1", "2026-08-17", "2026-10-06");
    assert_eq!(it.settle(), ["ann granted district"]);
    it.night("2026-10-06");
    assert_eq!(it.settle(), ["ann released Ended"], "exclusive: the end is the first day after");
    it.state.end_dates = crate::model::EndDates::Inclusive;
    assert_eq!(it.settle(), ["ann granted district"], "inclusive: it is the last day");
    it.night("2026-10-07");
    assert_eq!(it.settle(), ["ann released Ended"]);
}

/// P33: an enrollment in the future gives no seat before its day.
#[test]
fn a_pre_enrollment_counts_from_its_first_day() {
    let mut it = World::seats(1);
    it.reading().basis = Basis::Enrolled;
    a_term(&mut it, &["c1"]);
    it.students(&["ann"]);
    it.enroll_until("ann", "c1", "2026-10-07", "2027-06-05");
    assert_eq!(it.settle(), NOTHING);
    it.night("2026-10-07");
    assert_eq!(it.settle(), ["ann granted district"]);
}

/// P39: the contract's clock runs whatever the feed does.
#[test]
fn a_contract_expires_though_no_snapshot_came() {
    let mut it = World::seats(1);
    it.sub().grace_days = 5;
    it.students(&["ann"]);
    it.settle();
    for (night, state) in
        [("2027-06-30", SeatState::Active), ("2027-07-05", SeatState::Active), ("2027-07-06", SeatState::Suspended)]
    {
        it.night(night);
        it.pull = None;
        assert_eq!(it.settle(), NOTHING, "{night}");
        assert_eq!(it.seat("ann").state, state, "{night}");
    }
}

/// P42: on the first day far more children than seats; who waits is told from an order nobody can game.
#[test]
fn on_the_first_day_the_line_is_shuffled_the_same_for_every_order_of_the_file() {
    let mut it = World::seats(100);
    it.sub().allotments = vec![allotment("s1", 40), allotment("s2", 40)];
    for (number, id) in ids(400).iter().enumerate() {
        it.student(id, &[["s1", "s2", "s3"][number % 3]]);
    }
    it.settle();
    assert_eq!((it.seats.len(), it.waiting.len()), (100, 300));
    let of = |pool: &str| it.seats.values().filter(|seat| seat.pool == Pool::parse(pool)).count();
    assert_eq!((of("s1"), of("s2"), of("district")), (40, 40, 20));
    it.lawful();
}

/// S4.40 against S3.28: a vendor without a limit.
#[test]
fn an_unlimited_contract_seats_everyone() {
    let mut it = World::seats(0);
    it.sub().seats = Seats::Unlimited;
    let all = ids(50);
    it.students(&all.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(it.settle().len(), 50);
    it.lawful();
}
