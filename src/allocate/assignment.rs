//! What people decided of one product by hand: for a user, or for a whole class as it changes (S1.8 to S1.10).

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Assignment, Basis, Class, Date, OverrideKind, Product, SourceId, Target};

use super::Input;
use super::capacity::range;

/// The decisions in force on one product. What is said of a user goes before what is said of their classes.
#[derive(Debug)]
pub(super) struct Decisions<'a> {
    users: BTreeMap<&'a SourceId, OverrideKind>,
    /// Who is assigned to a product of basis `assigned`, which is what that basis asks and overrides nothing.
    assigned: BTreeSet<&'a SourceId>,
    classes: BTreeMap<&'a SourceId, &'a Assignment>,
}

impl<'a> Decisions<'a> {
    /// Those on `product` that hold on `today`.
    pub(super) fn new(input: Input<'a>, product: &'a Product, today: Date) -> Self {
        let (mut users, mut classes, mut assigned) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let first = (product.code.clone(), Target::User(SourceId::new("")));
        let assignments = input.assignments.range(first..).take_while(|((code, _), _)| *code == product.code);
        for (_, it) in assignments.filter(|(_, it)| holds(it.until, today)) {
            match &it.target {
                Target::User(user) if product.basis == Basis::Assigned && it.kind == OverrideKind::Pin => {
                    assigned.insert(user);
                }
                Target::User(user) => {
                    users.insert(user, it.kind);
                }
                // One on a section that had the id before rests with it (P19).
                Target::Class(class) if !it.is_about(class_of(input, class)) => {}
                Target::Class(class) => {
                    classes.insert(class, it);
                }
            }
        }
        let overrides = range(input.overrides, &product.code).filter(|(_, it)| holds(it.until, today));
        users.extend(overrides.map(|(user, it)| (user, it.kind)));
        Self { users, assigned, classes }
    }

    /// What is said of a user.
    pub(super) fn of_user(&self, user: &SourceId) -> Option<OverrideKind> {
        self.users.get(user).copied()
    }

    /// Whether a user is assigned.
    pub(super) fn assigns(&self, user: &SourceId) -> bool {
        self.assigned.contains(user)
    }

    /// Whether anything is said of any class.
    pub(super) fn of_classes(&self) -> bool {
        !self.classes.is_empty()
    }

    /// What is said of a user as one of a class.
    pub(super) fn of_class(&self, class: &SourceId, user: &SourceId) -> Option<OverrideKind> {
        self.classes.get(class).filter(|it| !it.except.contains(user)).map(|it| it.kind)
    }

    /// Whether a user is left out of what is said of a class.
    pub(super) fn excepts(&self, class: &SourceId, user: &SourceId) -> bool {
        self.classes.get(class).is_some_and(|it| it.except.contains(user))
    }

    /// Whether any class is assigned.
    pub(super) fn assigns_classes(&self) -> bool {
        self.classes.values().any(|it| it.kind == OverrideKind::Pin)
    }
}

/// The class, present or merely absent.
fn class_of<'a>(input: Input<'a>, id: &SourceId) -> Option<&'a Class> {
    input.roster.classes().get(id).or_else(|| input.departed.classes().get(id))
}

/// Whether a decision holds on `today`; its last day is inclusive.
fn holds(until: Option<Date>, today: Date) -> bool {
    until.is_none_or(|last| today <= last)
}
