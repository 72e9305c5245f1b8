use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{Enrollment, Kind, Overlay, Period, Record, RoleName};

fn record(roster: &mut Roster, kind: Kind, body: &Value) {
    roster.put(Record::from_body(kind, &body.to_string()).unwrap());
}

fn image(roster: &Roster) -> Vec<u8> {
    let mut image = Vec::new();
    write(&mut image, roster.into()).unwrap();
    image
}

/// One that some records have and others do not.
fn id(kind: char, number: u8) -> SourceId {
    SourceId::from(format!("{kind}-\"{number}é"))
}

fn text() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["", "Ann", "O'Neil \"é\"\n", "x", "\u{1f600}", "a\\b\0c"]).prop_map(str::to_owned)
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..3)
}

fn some_text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(text())
}

fn users() -> impl Strategy<Value = Vec<Value>> {
    let role = (0..RoleName::ALL.len(), 0..5_u8, any::<bool>(), some_text())
        .prop_map(|(role, org, primary, word)| json!({ "role": RoleName::ALL[role], "org": id('s', org), "primary": primary, "word": word }));
    let user = (
        any::<bool>(),
        vec(role, 0..3),
        [some_text(), some_text(), some_text()],
        texts(),
        [some_text(), some_text(), some_text()],
    );
    vec(user, 0..5).prop_map(|all| {
        let mut bodies = Vec::new();
        for (number, (active, roles, [given, family, email], grades, [name, student, state])) in (0..).zip(all) {
            bodies.push(json!({
                "id": id('u', number), "active": active, "roles": roles, "grades": grades, "given_name": given,
                "family_name": family, "email": email, "username": name, "student_number": student, "state_id": state,
            }));
        }
        bodies
    })
}

fn classes() -> impl Strategy<Value = Vec<Value>> {
    let ids = |kind| move |all: Vec<u8>| all.into_iter().map(|number| id(kind, number)).collect::<Vec<_>>();
    let one = |kind| move |number: Option<u8>| number.map(|number| id(kind, number));
    let of = proptest::option::of(0..4_u8);
    let class = (
        [text(), text()],
        some_text(),
        of.clone().prop_map(one('s')),
        of.prop_map(one('k')),
        vec(0..4_u8, 0..3).prop_map(ids('t')),
        [texts(), texts()],
        0..3_u32,
    );
    vec(class, 0..5).prop_map(|all| {
        let mut bodies = Vec::new();
        for (number, ([title, code], word, school, course, sessions, [grades, subjects], instance)) in (0..).zip(all) {
            let code = (!code.is_empty()).then_some(code);
            bodies.push(json!({
                "id": id('c', number), "title": title, "code": code, "type": word, "school": school, "course": course,
                "sessions": sessions, "grades": grades, "subjects": subjects, "instance": instance,
            }));
        }
        bodies
    })
}

fn enrollments() -> impl Strategy<Value = Vec<Enrollment>> {
    let day =
        |offset: u64| "2026-08-15".parse::<crate::model::Date>().ok()?.checked_add_days(chrono::Days::new(offset));
    let span = (0..3_u64, 0..3_u64).prop_map(move |(begin, end)| Period {
        begin: (begin > 0).then(|| day(begin)).flatten(),
        end: (end > 0).then(|| day(end * 100)).flatten(),
    });
    let row = (0..6_u8, 0..6_u8, proptest::option::of(0..4_u8), 0..RoleName::ALL.len(), any::<Option<bool>>());
    let enrollment = (row, vec(span, 0..3)).prop_map(|((user, class, school, role, primary), periods)| Enrollment {
        user: id('u', user),
        class: id('c', class),
        school: school.map(|school| id('s', school)),
        role: RoleName::ALL[role],
        primary,
        periods,
    });
    vec(enrollment, 0..40)
}

/// A few records of each kind, that name one another or nothing there is.
fn roster() -> impl Strategy<Value = Roster> {
    (users(), classes(), enrollments()).prop_map(|(users, classes, enrollments)| {
        let mut it = Roster::default();
        for number in 0..3 {
            record(&mut it, Kind::Schools, &json!({ "id": id('s', number), "type": "school", "name": "North" }));
            record(&mut it, Kind::Courses, &json!({ "id": id('k', number), "title": "Algebra" }));
        }
        for (kind, bodies) in [(Kind::Users, users), (Kind::Classes, classes)] {
            for body in bodies {
                record(&mut it, kind, &body);
            }
        }
        it.enrollments = enrollments.into_iter().collect();
        it
    })
}

/// A roster as it is after each of some nights: of each kind some records go and others come or change.
fn nights() -> impl Strategy<Value = Vec<Roster>> {
    vec(roster(), 1..5)
}

/// What makes one roster into another.
fn changes(before: &Roster, after: &Roster) -> Vec<(Record, bool)> {
    let gone = before.records().filter(|it| !after.has(it)).map(|it| (it, false));
    let old: Vec<Record> = before.records().collect();
    let put = after.records().filter(|it| !old.contains(it)).map(|it| (it, true));
    gone.chain(put).collect()
}

proptest! {
    /// However many nights there were, all over the first image come to what the last one left.
    #[test]
    fn nights_over_an_image_are_read_as_what_they_left(rosters in nights()) {
        let frame = Roster { users: BTreeMap::new(), classes: BTreeMap::new(), enrollments: Enrollments::default(), ..rosters[0].clone() };
        let pictured = read(&image(&rosters[0]), &frame).unwrap();
        let mut nights = Vec::new();
        for both in rosters.windows(2) {
            let changes = changes(&both[0], &both[1]);
            let over = Overlay::of(changes.iter().map(|(it, there)| (it, *there)));
            let mut night = Vec::new();
            write_night(&mut night, View::new(&both[0], &over), &frame).unwrap();
            nights.push(read_night(&night, &frame).unwrap());
        }
        let Roster { users, classes, enrollments, .. } = rosters.last().unwrap().clone();
        prop_assert_eq!(pictured.after(nights), Pictured { users, classes, enrollments });
    }

    #[test]
    fn an_image_is_read_as_what_was_written(roster in roster()) {
        let image = image(&roster);
        let Roster { users, classes, enrollments, schools, courses, sessions } = roster;
        let beside = Roster { schools, sessions, courses, ..Roster::default() };
        prop_assert_eq!(read(&image, &beside), Some(Pictured { users, classes, enrollments }));
    }

    /// A damaged one is none, or another: it never breaks the program.
    #[test]
    fn a_damaged_image_is_read_without_harm(roster in roster(), at in any::<prop::sample::Index>(), cut in any::<bool>(), change in 1..=255_u8) {
        let mut image = image(&roster);
        let at = at.index(image.len());
        if cut {
            image.truncate(at);
        } else {
            image[at] ^= change;
        }
        let _ = read(&image, &roster);
    }
}

#[test]
fn an_enrollment_takes_a_few_bytes() {
    let mut roster = Roster::default();
    for user in 0..1000 {
        for class in 0..6 {
            roster.enrollments.insert(Enrollment {
                user: format!("student-{user:06}").into(),
                class: format!("class-{:06}", (user / 25) * 6 + class).into(),
                school: None,
                role: RoleName::Student,
                primary: None,
                periods: Vec::new(),
            });
        }
    }
    let known: usize = 1000 * 18 + 240 * 16 + 200;
    assert!(image(&roster).len() < known + 6000 * 5);
}
