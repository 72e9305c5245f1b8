//! How long one allocation takes: `cargo bench --bench allocate` (`-- 1000000` for a million students too).
//!
//! Three products, seats by school and a rest, one student in ten at two schools, three enrollments each. CPU time of the one
//! thread that works, the median of five. Beside it the plainest method there is, which knows no rule but pools: per product,
//! sort everybody by a hash and fill school by school.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement fails by panicking and prints its table")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rosterd::allocate::{Allocation, Input, Pull, allocate};
use rosterd::model::{
    Catalog, Class, DistrictState, EndDates, Enrollment, Product, Record, Remembered, Role, RoleName, Roster, Seat,
    Seats, Session, Subscription, Timestamp, User, Waiting,
};
use sha2::{Digest, Sha256};

/// As in rosterd itself, for both sides.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Time this thread has spent on a processor, which a busy machine does not stretch.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed<T>(work: impl Fn() -> T) -> (Duration, T) {
    let mut times = Vec::new();
    loop {
        let begun = cpu();
        let result = work();
        times.push(cpu().saturating_sub(begun));
        if times.len() == 5 {
            return (median(times), result);
        }
    }
}

const PRODUCTS: [&str; 3] = ["math", "reading", "science"];

struct District {
    state: DistrictState,
    roster: Roster,
    departed: Roster,
    catalog: Catalog,
    seats: BTreeMap<(rosterd::model::ProductCode, rosterd::model::SourceId), Seat>,
    waiting: BTreeMap<(rosterd::model::ProductCode, rosterd::model::SourceId), Waiting>,
    remembered: Remembered,
}

/// Half of the seats are allotted evenly to the schools.
fn bought(code: &str, seats: u32, schools: &[String]) -> (Product, Subscription) {
    let share = seats / 2 / u32::try_from(schools.len()).unwrap();
    let allotments: Vec<String> =
        schools.iter().map(|school| format!("{{ school = \"{school}\", seats = {share} }}")).collect();
    let text = format!(
        "[[product]]\ncode = \"{code}\"\nname = \"{code}\"\naudience = \"student\"\nbasis = \"enrolled\"\n\n\
         [[subscription]]\nid = \"{code}\"\ndistrict = \"bench\"\nproduct = \"{code}\"\nseats = {seats}\n\
         starts_on = 2026-07-01\nexpires_on = 2027-06-30\ngrace_days = 0\nallotments = [{}]\n",
        allotments.join(", ")
    );
    let Catalog { products, subscriptions, .. } = rosterd::catalog::parse(&text).unwrap();
    (products.into_values().next().unwrap(), subscriptions.into_values().next().unwrap())
}

impl District {
    fn new(students: usize) -> Self {
        let schools: Vec<String> = (0..(students / 2000).max(2)).map(|number| format!("school-{number:04}")).collect();
        let count = |share: usize| u32::try_from(students * share / 100).unwrap();
        let mut catalog = Catalog::default();
        for (code, share) in PRODUCTS.into_iter().zip([90, 100, 10]) {
            let (product, subscription) = bought(code, count(share), &schools);
            catalog.products.insert(code.into(), product);
            catalog.subscriptions.insert(code.into(), subscription);
        }
        let mut roster = Roster::default();
        roster.put(Record::Session(Arc::new(Session {
            id: "year".into(),
            session_type: "schoolYear".to_owned(),
            title: "Year".to_owned(),
            starts_on: Some("2026-08-17".parse().unwrap()),
            ends_on: Some("2027-06-05".parse().unwrap()),
            parent: None,
            school_year: None,
        })));
        let classes = (students / 25).max(4);
        for number in 0..classes {
            roster.put(Record::Class(Arc::new(Class {
                id: format!("class-{number:06}").as_str().into(),
                title: "Class".to_owned(),
                code: None,
                class_type: None,
                school: None,
                course: None,
                sessions: vec!["year".into()],
                grades: Vec::new(),
                subjects: Vec::new(),
                instance: 0,
            })));
        }
        let mut it = Self {
            state: DistrictState {
                id: "bench".into(),
                time_zone: "America/Chicago".parse().unwrap(),
                end_dates: EndDates::Exclusive,
                revision: 0,
                audit_seq: 0,
                audit_head: String::new(),
                source: None,
                allocated_at: None,
            },
            roster,
            departed: Roster::default(),
            catalog,
            seats: BTreeMap::new(),
            waiting: BTreeMap::new(),
            remembered: Remembered::default(),
        };
        for number in 0..students {
            it.join(number, &schools, classes);
        }
        // As the store does when it reads a district: in the order of keys, each text once.
        it.roster.users = std::mem::take(&mut it.roster.users).into_iter().collect();
        it.roster.share_ids();
        it
    }

    fn join(&mut self, number: usize, schools: &[String], classes: usize) {
        let id = format!("student-{number:07}");
        let own = schools[number % schools.len()].as_str();
        let other = schools[(number * 7) % schools.len()].as_str();
        let orgs = if number.is_multiple_of(10) { vec![own, other] } else { vec![own] };
        let role =
            |(at, org): (usize, &str)| Role { role: RoleName::Student, org: org.into(), primary: at == 0, word: None };
        self.roster.put(Record::User(Arc::new(User {
            id: id.as_str().into(),
            roles: orgs.into_iter().enumerate().map(role).collect(),
            active: true,
            given_name: None,
            family_name: None,
            email: None,
            username: None,
            grades: Vec::new(),
            student_number: None,
            state_id: None,
        })));
        for place in 0..3 {
            self.roster.put(Record::Enrollment(Arc::new(Enrollment {
                user: id.as_str().into(),
                class: format!("class-{:06}", (number + place * 1000) % classes).as_str().into(),
                school: None,
                role: RoleName::Student,
                primary: None,
                periods: Vec::new(),
            })));
        }
    }

    /// Every two hundredth student is gone.
    fn leave(&mut self) {
        let gone: BTreeSet<_> = self.roster.users.keys().step_by(200).cloned().collect();
        let (gone_users, users) =
            std::mem::take(&mut self.roster.users).into_iter().partition(|(id, _)| gone.contains(id));
        (self.departed.users, self.roster.users) = (gone_users, users);
        let enrollments = std::mem::take(&mut self.roster.enrollments);
        (self.departed.enrollments, self.roster.enrollments) =
            enrollments.into_iter().partition(|it| gone.contains(&it.user));
    }

    fn night(&self, date: &str) -> Allocation {
        let pull = Pull { date: date.parse().unwrap(), upload: None };
        let (nothing, nobody) = (BTreeSet::new(), BTreeSet::new());
        allocate(Input {
            state: &self.state,
            as_of: Timestamp::parse(&format!("{date}T08:00:00Z")).unwrap(),
            roster: (&self.roster).into(),
            departed: (&self.departed).into(),
            catalog: &self.catalog,
            seats: &self.seats,
            waiting: &self.waiting,
            ended: &BTreeMap::new(),
            overrides: &BTreeMap::new(),
            educator_access: &BTreeMap::new(),
            assignments: &BTreeMap::new(),
            opened: &BTreeMap::new(),
            persons: &BTreeMap::new(),
            remembered: &self.remembered,
            bridged: &nothing,
            held_users: &nobody,
            pull: Some(&pull),
        })
    }

    fn keep(&mut self, outcome: &Allocation) {
        self.seats = outcome.seats.applied_to(&self.seats);
        self.waiting = outcome.waiting.applied_to(&self.waiting);
        self.remembered = outcome.remembered.clone();
    }

    /// The plainest method: everybody sorted by hash, school by school, then the rest. Knows no holders, dates or moves.
    fn sorted_by_hash(&self) -> usize {
        let mut seated = 0;
        for (code, subscription) in &self.catalog.subscriptions {
            let hash = |user: &User| -> [u8; 32] { Sha256::digest(format!("bench/{code}/{}", user.id)).into() };
            let mut line: Vec<([u8; 32], &User)> = self.roster.users.values().map(|user| (hash(user), user)).collect();
            line.sort_unstable_by_key(|it| it.0);
            let number = |seats: Seats| match seats {
                Seats::Count(seats) => seats,
                Seats::Unlimited => u32::MAX,
            };
            let mut pools: BTreeMap<&str, u32> =
                subscription.allotments.iter().map(|it| (it.school.as_str(), number(it.seats))).collect();
            let mut rest = number(subscription.seats) - pools.values().sum::<u32>();
            for (_, user) in line {
                let free = user.roles.iter().find(|it| pools.get(it.org.as_str()).is_some_and(|seats| *seats > 0));
                if let Some(role) = free {
                    *pools.get_mut(role.org.as_str()).unwrap() -= 1;
                    seated += 1;
                } else if rest > 0 {
                    rest -= 1;
                    seated += 1;
                }
            }
        }
        seated
    }
}

fn main() {
    let asked: Vec<usize> = std::env::args().filter_map(|it| it.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![10_000, 100_000] } else { asked };
    println!("CPU seconds, median of 5\n");
    println!("| students | quiet night | 0.5 % left | second night | first load | sort by hash |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for students in sizes {
        let mut it = District::new(students);
        let (first, outcome) = timed(|| it.night("2026-10-05"));
        let (plain, seated) = timed(|| it.sorted_by_hash());
        it.keep(&outcome);
        assert_eq!(it.seats.len(), seated, "both seat as many as there are seats");
        let (quiet, outcome) = timed(|| it.night("2026-10-06"));
        assert!(outcome.changes.is_empty());
        it.leave();
        let (leaving, outcome) = timed(|| it.night("2026-10-07"));
        it.keep(&outcome);
        let (released, outcome) = timed(|| it.night("2026-10-08"));
        assert!(!outcome.changes.is_empty());
        println!(
            "| {students} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} |",
            quiet.as_secs_f64(),
            leaving.as_secs_f64(),
            released.as_secs_f64(),
            first.as_secs_f64(),
            plain.as_secs_f64()
        );
    }
}
