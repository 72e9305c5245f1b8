//! Who wants a seat, derived a second time and plainly.

use std::collections::BTreeMap;

use chrono::{Datelike, TimeDelta};

use crate::model::{
    Audience, Baseline, Basis, Class, CountBy, Date, EndDates, Enrollment, LastDay, OverrideKind, Product, RoleName,
    Roster, Session, SourceId, SubscriptionStatus, Target, User, canonical_grade,
};

/// Whether a user wants a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    No,
    /// The school year is over: only a seat that is there is wanted.
    IfSeated,
    /// Has a seat or a place: they opened the product once.
    IfOpened,
    Yes,
}

/// A district's enrollments and sessions, looked up often.
pub(super) struct Wishes<'a> {
    baseline: &'a Baseline,
    today: Date,
    enrollments: BTreeMap<&'a SourceId, Vec<&'a Enrollment>>,
    teachers: BTreeMap<&'a SourceId, Vec<&'a SourceId>>,
}

/// How an enrollment stands today.
enum Run {
    Now,
    Over { since: Date, year_over: bool },
    Not,
}

impl<'a> Wishes<'a> {
    pub(super) fn new(baseline: &'a Baseline, today: Date) -> Self {
        let mut it = Self { baseline, today, enrollments: BTreeMap::new(), teachers: BTreeMap::new() };
        for enrollment in baseline.roster.enrollments.values() {
            it.enrollments.entry(&enrollment.user).or_default().push(enrollment);
            let user = baseline.roster.users.get(&enrollment.user);
            let class = baseline.roster.classes.get(&enrollment.class);
            if let (Some(user), Some(class)) = (user, class)
                && enrollment.role == RoleName::Teacher
                && user.active
                && matches!(it.run(enrollment, class), Run::Now)
            {
                it.teachers.entry(&enrollment.class).or_default().push(&enrollment.user);
            }
        }
        it
    }

    pub(super) fn of(&self, product: &'a Product, user: &'a User) -> Wish {
        let person =
            product.audience == Audience::Any || user.roles.iter().any(|it| audience_has(product.audience, it.role));
        if !user.active || !person || self.has_bundle(product, &user.id) {
            return Wish::No;
        }
        match self.decided(product, &user.id) {
            Some(OverrideKind::Exclude) => return Wish::No,
            Some(OverrideKind::Pin) => return Wish::Yes,
            None => {}
        }
        let by_class: Vec<(OverrideKind, Wish)> = self.decided_by_class(product, user);
        if by_class.contains(&(OverrideKind::Exclude, Wish::Yes)) {
            return Wish::No;
        }
        let pins = by_class.iter().filter(|(kind, _)| *kind == OverrideKind::Pin).map(|(_, wish)| *wish);
        let pinned = pins.max().unwrap_or(Wish::No);
        if pinned == Wish::Yes && product.basis != Basis::Assigned {
            return Wish::Yes;
        }
        let by_rule = if self.conditions(product, user) { self.by_basis(product, user, pinned) } else { Wish::No };
        if by_rule == Wish::No && product.basis != Basis::Assigned { pinned } else { by_rule }
    }

    fn by_basis(&self, product: &Product, user: &User, pinned: Wish) -> Wish {
        match product.basis {
            Basis::Active | Basis::Role => Wish::Yes,
            Basis::Assigned if self.assigned(product, &user.id) == Some(OverrideKind::Pin) => Wish::Yes,
            Basis::Assigned => pinned,
            Basis::FirstUse if self.baseline.opened.contains_key(&(product.code.clone(), user.id.clone())) => Wish::Yes,
            Basis::FirstUse => Wish::IfOpened,
            Basis::Enrolled => {
                let own = self.enrollments.get(&user.id).into_iter().flatten();
                own.map(|it| self.by_enrollment(product, it)).max().unwrap_or(Wish::No)
            }
        }
    }

    fn has_bundle(&self, product: &Product, user: &SourceId) -> bool {
        let mut accounts = vec![user];
        if let Some(person) = self.baseline.persons.get(user).filter(|_| product.count_by == CountBy::Person) {
            accounts.extend(self.baseline.persons.iter().filter(|(_, it)| *it == person).map(|(id, _)| id));
        }
        self.baseline.catalog.products.values().any(|bundle| {
            let has = |id: &&SourceId| self.baseline.seats.contains_key(&(bundle.code.clone(), (*id).clone()));
            bundle.bundle.contains(&product.code) && bundle.code != product.code && accounts.iter().any(has)
        })
    }

    /// What was decided of the user alone.
    fn decided(&self, product: &Product, user: &SourceId) -> Option<OverrideKind> {
        let holds = |until: Option<Date>| until.is_none_or(|last| last >= self.today);
        let one = self.baseline.overrides.get(&(product.code.clone(), user.clone())).filter(|it| holds(it.until));
        let other = self.assigned(product, user);
        let basis = product.basis == Basis::Assigned;
        one.map(|it| it.kind).or(other.filter(|kind| !(basis && *kind == OverrideKind::Pin)))
    }

    fn assigned(&self, product: &Product, user: &SourceId) -> Option<OverrideKind> {
        let key = (product.code.clone(), Target::User(user.clone()));
        let it = self.baseline.assignments.get(&key)?;
        it.until.is_none_or(|last| last >= self.today).then_some(it.kind)
    }

    /// What was decided of each class the user is in, and how that enrollment stands.
    fn decided_by_class(&self, product: &Product, user: &User) -> Vec<(OverrideKind, Wish)> {
        let mut found = Vec::new();
        for enrollment in self.enrollments.get(&user.id).into_iter().flatten() {
            let key = (product.code.clone(), Target::Class(enrollment.class.clone()));
            let decision = self.baseline.assignments.get(&key);
            let decision = decision.filter(|it| it.until.is_none_or(|last| last >= self.today));
            let decision = decision.filter(|it| !it.except.contains(&user.id));
            let class = self.baseline.roster.classes.get(&enrollment.class);
            let decision = decision.filter(|it| it.is_about(class));
            let (Some(decision), Some(class)) = (decision, class) else { continue };
            if audience_has(product.audience, enrollment.role) {
                found.push((decision.kind, self.standing(product, enrollment, class)));
            }
        }
        found
    }

    fn standing(&self, product: &Product, enrollment: &Enrollment, class: &Class) -> Wish {
        match self.run(enrollment, class) {
            Run::Now => Wish::Yes,
            Run::Over { since, year_over: true } if self.lasts(product, since) => Wish::IfSeated,
            Run::Over { .. } | Run::Not => Wish::No,
        }
    }

    fn conditions(&self, product: &Product, user: &User) -> bool {
        let role_named = |wanted: &String| {
            let wanted = wanted.to_lowercase();
            user.roles.iter().any(|it| {
                let ours = format!("{:?}", it.role).to_lowercase();
                let theirs = it.word.as_deref().unwrap_or_default().to_lowercase();
                wanted == ours || wanted == theirs
            })
        };
        let grade = |wanted: &String| user.grades.iter().any(|it| canonical_grade(it) == canonical_grade(wanted));
        let school = |wanted: &String| {
            user.roles.iter().any(|it| {
                let org = self.baseline.roster.schools.get(&it.org);
                let known =
                    org.is_some_and(|org| org.identifier.as_ref() == Some(wanted) || org.nces.as_ref() == Some(wanted));
                it.org.as_str() == wanted || known
            })
        };
        (product.roles.is_empty() || product.roles.iter().any(role_named))
            && (product.grades.is_empty() || product.grades.iter().any(grade))
            && (product.schools.is_empty() || product.schools.iter().any(school))
    }

    fn by_enrollment(&self, product: &Product, enrollment: &Enrollment) -> Wish {
        let Some(class) = self.baseline.roster.classes.get(&enrollment.class) else {
            return Wish::No;
        };
        let on = |educator: &SourceId| {
            let key = (product.code.clone(), educator.clone());
            self.baseline.educator_access.get(&key).is_none_or(|it| it.on)
        };
        if !audience_has(product.audience, enrollment.role) || !self.class_fits(product, class) {
            return Wish::No;
        }
        if product.educator_access && product.basis == Basis::Enrolled {
            let teachers = self.teachers.get(&enrollment.class);
            let all_off = teachers.is_some_and(|all| !all.iter().any(|it| on(it)));
            let educator = matches!(enrollment.role, RoleName::Teacher | RoleName::Aide);
            if all_off || (educator && !on(&enrollment.user)) {
                return Wish::No;
            }
        }
        self.standing(product, enrollment, class)
    }

    fn class_fits(&self, product: &Product, class: &Class) -> bool {
        let course = class.course.as_ref().and_then(|id| self.baseline.roster.courses.get(id));
        let mut subjects = class.subjects.clone();
        subjects.extend(course.map(|it| it.subjects.clone()).unwrap_or_default());
        let mut names: Vec<String> = class.course.iter().map(ToString::to_string).collect();
        names.extend(course.and_then(|it| it.code.clone()));
        let same = |one: &String, other: &String| one.to_lowercase() == other.to_lowercase();
        let subject = product.subjects.iter().any(|it| subjects.iter().any(|own| same(it, own)));
        let course = product.courses.iter().any(|it| names.contains(it));
        (product.subjects.is_empty() || subject) && (product.courses.is_empty() || course)
    }

    fn lasts(&self, product: &Product, over: Date) -> bool {
        product.after_last_day == LastDay::Keep
            && self.baseline.catalog.subscriptions.values().any(|it| {
                it.product == product.code
                    && it.district == self.baseline.state.id
                    && it.status == SubscriptionStatus::Active
                    && it.starts_on < over
                    && it.starts_on <= self.today
                    && self.today <= it.expires_on
            })
    }

    fn run(&self, enrollment: &Enrollment, class: &Class) -> Run {
        let roster = &self.baseline.roster;
        let sessions: Vec<&Session> = class.sessions.iter().filter_map(|id| roster.sessions.get(id)).collect();
        let years: Vec<Date> =
            sessions.iter().filter_map(|it| school_year(roster, it)).filter_map(|year| year.starts_on).collect();
        let year_ends: Vec<Date> = sessions
            .iter()
            .filter_map(|it| school_year(roster, it))
            .filter_map(|year| self.off(year.ends_on))
            .collect();
        let begins: Vec<Date> = sessions.iter().filter_map(|it| it.starts_on).collect();
        let ends: Vec<Date> = sessions.iter().filter_map(|it| self.off(it.ends_on)).collect();
        let class_begin = begins.iter().min().or(years.first()).copied();
        let class_end = ends.iter().max().or(year_ends.first()).copied();
        let spans: Vec<(Option<Date>, Option<Date>)> = if enrollment.periods.is_empty() {
            vec![(class_begin, class_end)]
        } else {
            let inherit = |it: &crate::model::Period| (it.begin.or(class_begin), self.off(it.end).or(class_end));
            enrollment.periods.iter().map(inherit).collect()
        };
        let now = |(begin, end): &(Option<Date>, Option<Date>)| {
            begin.is_none_or(|day| day <= self.today) && end.is_none_or(|day| self.today < day)
        };
        if spans.iter().any(now) {
            return Run::Now;
        }
        let Some(since) = spans.iter().filter_map(|it| it.1).filter(|day| *day <= self.today).max() else {
            return Run::Not;
        };
        let to_the_end = ends.contains(&since) || class_end.is_some_and(|day| day <= since);
        let siblings: Vec<&Session> = roster
            .sessions
            .values()
            .filter(|it| !it.session_type.eq_ignore_ascii_case("schoolYear"))
            .filter(|it| sessions.iter().any(|own| same_year(roster, own, it)))
            .collect();
        let next = siblings.iter().filter_map(|it| it.starts_on).filter(|day| *day >= since).min();
        let soon = next.is_some_and(|day| self.today < day && day - since <= TimeDelta::days(30));
        if to_the_end && soon {
            return Run::Now;
        }
        let last = siblings.iter().filter_map(|it| self.off(it.ends_on)).max();
        let last = last.or(year_ends.iter().max().copied());
        Run::Over { since, year_over: to_the_end && last.is_some_and(|day| day <= since) }
    }

    /// The first day after an end as the source means it.
    fn off(&self, end: Option<Date>) -> Option<Date> {
        end.and_then(|day| match self.baseline.state.end_dates {
            EndDates::Exclusive => Some(day),
            EndDates::Inclusive => day.succ_opt(),
        })
    }
}

fn audience_has(audience: Audience, role: RoleName) -> bool {
    let of_role = match role {
        RoleName::Student => Audience::Student,
        RoleName::Teacher | RoleName::Aide => Audience::Educator,
        RoleName::Administrator | RoleName::Proctor | RoleName::Staff => Audience::Staff,
    };
    audience == Audience::Any || audience == of_role
}

fn chain<'a>(roster: &'a Roster, session: &'a Session) -> Vec<&'a Session> {
    let mut chain = vec![session];
    for _ in 0..roster.sessions.len() {
        let parent = chain.last().and_then(|it| it.parent.as_ref());
        match parent.and_then(|id| roster.sessions.get(id)) {
            Some(parent) if !chain.iter().any(|it| it.id == parent.id) => chain.push(parent),
            _ => break,
        }
    }
    chain
}

fn school_year<'a>(roster: &'a Roster, session: &'a Session) -> Option<&'a Session> {
    let chain = chain(roster, session);
    chain.into_iter().find(|it| it.session_type.eq_ignore_ascii_case("schoolYear"))
}

fn same_year(roster: &Roster, one: &Session, other: &Session) -> bool {
    let name = |it| {
        if let Some(year) = school_year(roster, it) {
            return Some((0, year.id.to_string()));
        }
        let chain = chain(roster, it);
        if let Some(word) = chain.iter().find_map(|link| link.school_year.clone()) {
            return Some((1, word));
        }
        let day = chain.iter().find_map(|link| link.starts_on.or(link.ends_on))?;
        let year = if day.month() >= 7 { day.year() + 1 } else { day.year() };
        Some((2, year.to_string()))
    };
    name(one).is_some() && name(one) == name(other)
}
