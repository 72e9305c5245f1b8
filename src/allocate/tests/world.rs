//! A small district to tell stories about, and the nights it lives through.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::allocate::{Allocation, Input, Pull, SeatAction, SeatKey, allocate};
use crate::model::{
    Allotment, Assignment, Audience, Baseline, Basis, Catalog, Class, CountBy, Date, DistrictState, EducatorAccess,
    EndDates, Ended, Enrollment, LastDay, Org, Overage, Override, OverrideKind, Period, Product, ProductCode, Record,
    Remembered, Role, RoleName, Roster, RosterRecord, Seat, Seats, Session, Shrink, SourceId, Subscription,
    SubscriptionStatus, Target, Timestamp, User, Waiting,
};

/// No change.
pub(crate) const NOTHING: [&str; 0] = [];

pub(crate) fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// The district `d`, in Chicago, with the product `reading` and no subscription.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) state: DistrictState,
    pub(crate) as_of: Timestamp,
    pub(crate) roster: Roster,
    pub(crate) departed: Roster,
    pub(crate) catalog: Catalog,
    pub(crate) seats: BTreeMap<SeatKey, Seat>,
    pub(crate) waiting: BTreeMap<SeatKey, Waiting>,
    pub(crate) ended: BTreeMap<SeatKey, Ended>,
    pub(crate) overrides: BTreeMap<SeatKey, Override>,
    pub(crate) educator_access: BTreeMap<SeatKey, EducatorAccess>,
    pub(crate) assignments: BTreeMap<(ProductCode, Target), Assignment>,
    pub(crate) opened: BTreeMap<SeatKey, Timestamp>,
    pub(crate) persons: BTreeMap<SourceId, SourceId>,
    pub(crate) remembered: Remembered,
    pub(crate) bridged: BTreeSet<SeatKey>,
    pub(crate) held_users: BTreeSet<SourceId>,
    pub(crate) pull: Option<Pull>,
}

pub(crate) fn product(code: &str) -> Product {
    Product {
        code: code.into(),
        name: code.to_owned(),
        audience: Audience::Student,
        basis: Basis::Active,
        count_by: CountBy::Account,
        roles: Vec::new(),
        grades: Vec::new(),
        schools: Vec::new(),
        subjects: Vec::new(),
        courses: Vec::new(),
        educator_access: false,
        bundle: Vec::new(),
        leaving_grace_days: 1,
        after_last_day: LastDay::Keep,
        order: Vec::new(),
    }
}

pub(crate) fn subscription(id: &str, product: &str, seats: u32) -> Subscription {
    Subscription {
        id: id.into(),
        district: "d".into(),
        product: product.into(),
        seats: Seats::Count(seats),
        starts_on: day("2026-07-01"),
        expires_on: day("2027-06-30"),
        grace_days: 0,
        renews: None,
        status: SubscriptionStatus::Active,
        licensed_to: None,
        created_on: None,
        overage: Overage::Block,
        on_shrink: Shrink::Keep,
        remediate_days: 30,
        alert_remaining: None,
        allotments: Vec::new(),
    }
}

pub(crate) fn allotment(school: &str, seats: u32) -> Allotment {
    Allotment { school: school.to_owned(), seats: Seats::Count(seats), locked: false }
}

pub(crate) fn user(id: &str, role: RoleName, schools: &[&str]) -> User {
    let roles = schools.iter().enumerate().map(|(index, school)| Role {
        role,
        org: (*school).into(),
        primary: index == 0,
        word: None,
    });
    User {
        id: id.into(),
        roles: roles.collect(),
        active: true,
        given_name: None,
        family_name: None,
        email: None,
        username: None,
        grades: Vec::new(),
        student_number: None,
        state_id: None,
    }
}

pub(crate) fn enrollment(user: &str, class: &str, role: RoleName) -> Enrollment {
    Enrollment { user: user.into(), class: class.into(), school: None, role, primary: None, periods: Vec::new() }
}

pub(crate) fn session(id: &str, kind: &str, from: &str, to: &str, parent: Option<&str>) -> Session {
    Session {
        id: id.into(),
        session_type: kind.to_owned(),
        title: id.to_owned(),
        starts_on: Some(day(from)),
        ends_on: Some(day(to)),
        parent: parent.map(SourceId::from),
        school_year: None,
    }
}

pub(crate) fn class(id: &str, sessions: &[&str]) -> Class {
    Class {
        id: id.into(),
        title: id.to_owned(),
        code: None,
        class_type: None,
        school: None,
        course: None,
        sessions: sessions.iter().map(|it| (*it).into()).collect(),
        grades: Vec::new(),
        subjects: Vec::new(),
        instance: 0,
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let mut it = Self {
            state: DistrictState {
                id: "d".into(),
                time_zone: chrono_tz::America::Chicago,
                end_dates: EndDates::Exclusive,
                revision: 0,
                audit_seq: 0,
                audit_head: "0".repeat(64),
                source: None,
                allocated_at: None,
            },
            as_of: Timestamp::parse("2026-10-05T07:00:00Z").unwrap(),
            roster: Roster::default(),
            departed: Roster::default(),
            catalog: Catalog::default(),
            seats: BTreeMap::new(),
            waiting: BTreeMap::new(),
            ended: BTreeMap::new(),
            overrides: BTreeMap::new(),
            educator_access: BTreeMap::new(),
            assignments: BTreeMap::new(),
            opened: BTreeMap::new(),
            persons: BTreeMap::new(),
            remembered: Remembered::default(),
            bridged: BTreeSet::new(),
            held_users: BTreeSet::new(),
            pull: None,
        };
        for id in ["s1", "s2", "s3"] {
            it.roster.put(Record::School(Arc::new(Org {
                id: id.into(),
                org_type: "school".to_owned(),
                name: id.to_owned(),
                identifier: Some(format!("{id}-number")),
                parent: None,
                nces: None,
            })));
        }
        it.product(product("reading"));
        it.on("2026-10-05")
    }

    /// With a subscription `SUB` of `reading`.
    pub(crate) fn seats(seats: u32) -> Self {
        let mut it = Self::new();
        it.subscription(subscription("SUB", "reading", seats));
        it
    }

    /// The night of `date`, two in the morning, after a complete pull.
    pub(crate) fn on(mut self, date: &str) -> Self {
        self.night(date);
        self
    }

    pub(crate) fn night(&mut self, date: &str) {
        self.as_of = Timestamp::parse(&format!("{date}T08:00:00Z")).unwrap();
        self.pull = Some(Pull { date: day(date), upload: None });
    }

    pub(crate) fn product(&mut self, it: Product) {
        self.catalog.products.insert(it.code.clone(), it);
    }

    pub(crate) fn reading(&mut self) -> &mut Product {
        self.catalog.products.get_mut(&"reading".into()).unwrap()
    }

    pub(crate) fn subscription(&mut self, it: Subscription) {
        self.catalog.subscriptions.insert(it.id.clone(), it);
    }

    /// Sells so many seats of `all`, the bundle of reading, for students of the grades; without any, for everyone.
    pub(crate) fn sell_bundle(&mut self, seats: u32, grades: &[&str]) {
        let grades = grades.iter().map(|it| (*it).to_owned()).collect();
        self.product(Product { bundle: vec!["reading".into()], grades, ..product("all") });
        self.subscription(subscription("ALL", "all", seats));
    }

    pub(crate) fn sub(&mut self) -> &mut Subscription {
        self.catalog.subscriptions.get_mut(&"SUB".into()).unwrap()
    }

    pub(crate) fn student(&mut self, id: &str, schools: &[&str]) {
        self.roster.put(Record::User(user(id, RoleName::Student, schools).into()));
    }

    pub(crate) fn students(&mut self, ids: &[&str]) {
        for id in ids {
            self.student(id, &["s1"]);
        }
    }

    pub(crate) fn enroll(&mut self, user: &str, class: &str, role: RoleName) {
        self.roster.put(Record::Enrollment(enrollment(user, class, role).into()));
    }

    pub(crate) fn enroll_until(&mut self, user: &str, class: &str, from: &str, to: &str) {
        let mut it = enrollment(user, class, RoleName::Student);
        it.periods = vec![Period { begin: Some(day(from)), end: Some(day(to)) }];
        self.roster.put(Record::Enrollment(it.into()));
    }

    pub(crate) fn decide(&mut self, user: &str, kind: OverrideKind, until: Option<&str>) {
        self.overrides.insert(
            ("reading".into(), user.into()),
            Override {
                product: "reading".into(),
                user: user.into(),
                kind,
                actor: "office".to_owned(),
                reason: "by hand".to_owned(),
                until: until.map(day),
            },
        );
    }

    /// A decision on a user or a class and `reading`.
    pub(crate) fn assign(&mut self, target: Target, kind: OverrideKind, except: &[&str]) {
        self.assignments.insert(
            ("reading".into(), target.clone()),
            Assignment {
                instance: 0,
                product: "reading".into(),
                target,
                kind,
                except: except.iter().map(|it| (*it).into()).collect(),
                actor: "office".to_owned(),
                reason: "by hand".to_owned(),
                at: self.as_of,
                until: None,
            },
        );
    }

    /// Accounts of one person.
    pub(crate) fn link(&mut self, accounts: &[&str]) {
        for account in accounts {
            self.persons.insert((*account).into(), accounts[0].into());
        }
    }

    pub(crate) fn seat(&mut self, user: &str) -> &mut Seat {
        self.seats.get_mut(&("reading".into(), user.into())).unwrap()
    }

    pub(crate) fn user(&mut self, id: &str) -> &mut User {
        self.roster.users.get_mut(&id.into()).unwrap()
    }

    /// The checker finds nothing.
    pub(crate) fn lawful(&self) {
        assert_eq!(crate::allocate::check(&self.baseline(), self.as_of), []);
    }

    /// The user and their enrollments are not in the complete snapshot any more.
    pub(crate) fn vanish(&mut self, id: &str) {
        let user = self.roster.users.remove(&id.into()).unwrap();
        let own = self.roster.enrollments.of(&user.id).map(RosterRecord::key);
        for key in own.collect::<Vec<_>>() {
            let it = self.roster.enrollments.remove(&key).unwrap();
            self.departed.put(Record::Enrollment(it.into()));
        }
        self.departed.put(Record::User(user.into()));
    }

    pub(crate) fn run(&self) -> Allocation {
        allocate(self.input())
    }

    pub(crate) fn input(&self) -> Input<'_> {
        Input {
            state: &self.state,
            as_of: self.as_of,
            roster: (&self.roster).into(),
            departed: (&self.departed).into(),
            catalog: &self.catalog,
            seats: &self.seats,
            waiting: &self.waiting,
            ended: &self.ended,
            overrides: &self.overrides,
            educator_access: &self.educator_access,
            assignments: &self.assignments,
            opened: &self.opened,
            persons: &self.persons,
            remembered: &self.remembered,
            bridged: &self.bridged,
            held_users: &self.held_users,
            pull: self.pull.as_ref(),
        }
    }

    /// Runs and keeps what it leads to, which is lawful (of reviews a world knows less than the checker); the changes in words.
    pub(crate) fn settle(&mut self) -> Vec<String> {
        let outcome = self.run();
        self.keep(&outcome);
        if self.held_users.is_empty() && self.bridged.is_empty() {
            self.lawful();
        }
        words(&outcome)
    }

    pub(crate) fn keep(&mut self, outcome: &Allocation) {
        for change in &outcome.changes {
            let key = (change.product.clone(), change.user.clone());
            if let SeatAction::Released { reason, .. } = change.action {
                self.ended.insert(key, Ended { at: self.as_of, reason });
            }
        }
        self.seats = outcome.seats.applied_to(&self.seats);
        self.waiting = outcome.waiting.applied_to(&self.waiting);
        self.remembered = outcome.remembered.clone();
        self.state.allocated_at = Some(self.as_of);
    }

    /// Settles, and tells holders as `user@pool`.
    pub(crate) fn holders(&mut self) -> Vec<String> {
        self.settle();
        self.seats.values().map(|it| format!("{}@{}", it.user, it.pool)).collect()
    }

    /// The line, first first.
    pub(crate) fn line(&self) -> Vec<String> {
        let mut line: Vec<_> = self.waiting.values().collect();
        line.sort_by_key(|it| it.position);
        line.iter().map(|it| it.user.to_string()).collect()
    }

    pub(crate) fn baseline(&self) -> Baseline {
        Baseline {
            roster: self.roster.clone(),
            departed: self.departed.clone(),
            catalog: self.catalog.clone(),
            seats: self.seats.clone(),
            waiting: self.waiting.clone(),
            ended: self.ended.clone(),
            overrides: self.overrides.clone(),
            educator_access: self.educator_access.clone(),
            assignments: self.assignments.clone(),
            opened: self.opened.clone(),
            persons: self.persons.clone(),
            remembered: self.remembered.clone(),
            ..Baseline::new(self.state.clone())
        }
    }
}

/// Changes as short words, products other than `reading` named.
pub(crate) fn words(outcome: &Allocation) -> Vec<String> {
    let changes = outcome.changes.iter().map(|it| {
        let what = match &it.action {
            SeatAction::Released { reason, .. } => format!("released {reason:?}"),
            SeatAction::Moved { from, to } => format!("moved {from} to {to}"),
            SeatAction::Granted { pool } => format!("granted {pool}"),
            SeatAction::Passed { account, from, to } => format!("passed to {account}, {from} to {to}"),
            SeatAction::Carried { pool, renews } => format!("carried over from {renews} to {pool}"),
            SeatAction::Leaving { .. } => "leaving".to_owned(),
            SeatAction::Stayed => "stayed".to_owned(),
            SeatAction::Waiting { short_of } => format!("waiting {short_of}"),
            SeatAction::WaitingEnded => "waiting ended".to_owned(),
        };
        let product = if it.product.as_str() == "reading" { String::new() } else { format!("{}/", it.product) };
        format!("{product}{} {what}", it.user)
    });
    changes.collect()
}
