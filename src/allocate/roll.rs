//! The users of a district in the order of their ids, and where an id stands among them.
//!
//! All that is told of users, their enrollments, seats and places in line, stands in the same order and is joined by walking
//! along side by side. The store keeps the text of each id once, so where it is kept tells one from the other; only what is
//! kept elsewhere is compared letter by letter.

use crate::model::{RoleName, SourceId, User};

use super::index::Index;

/// How far ahead an id is looked for by where its text is kept.
const NEAR: usize = 64;

/// The roles a user has, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Roles(u8);

impl Roles {
    /// Those of `user`.
    pub(super) fn of(user: &User) -> Self {
        user.roles.iter().fold(Self::default(), |roles, it| roles.with(it.role))
    }

    /// Those of `wanted`, whoever has them.
    pub(super) fn that(wanted: impl Fn(RoleName) -> bool) -> Self {
        RoleName::ALL.into_iter().filter(|role| wanted(*role)).fold(Self::default(), Self::with)
    }

    /// And `role`.
    pub(super) fn with(self, role: RoleName) -> Self {
        let bit = match role {
            RoleName::Administrator => 1,
            RoleName::Aide => 1 << 1,
            RoleName::Proctor => 1 << 2,
            RoleName::Staff => 1 << 3,
            RoleName::Student => 1 << 4,
            RoleName::Teacher => 1 << 5,
        };
        Self(self.0 | bit)
    }

    /// Whether every role of `other` is here too.
    pub(super) fn cover(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether some role is in both.
    pub(super) fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What every product asks of a user, side by side with the next user's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact<'a> {
    /// The user.
    pub(super) user: &'a User,
    /// Their circle (`District::circles`).
    pub(super) circle: Index,
    /// Whether the account is active.
    pub(super) active: bool,
    /// Their roles.
    pub(super) roles: Roles,
    /// The roles of those of their enrollments that run today, in classes that the roster has.
    pub(super) running: Roles,
}

/// The users of the roster, by id.
#[derive(Debug, Default)]
pub(super) struct Roll<'a> {
    facts: Vec<Fact<'a>>,
    /// The id of each one; where its text is kept tells it from any other.
    ids: Vec<&'a str>,
}

impl<'a> Roll<'a> {
    /// An empty one with room for so many.
    pub(super) fn with_capacity(users: usize) -> Self {
        Self { facts: Vec::with_capacity(users), ids: Vec::with_capacity(users) }
    }

    /// Adds the next one by id.
    pub(super) fn push(&mut self, fact: Fact<'a>) {
        self.ids.push(fact.user.id.as_str());
        self.facts.push(fact);
    }

    /// All, by id.
    pub(super) fn facts(&self) -> &[Fact<'a>] {
        &self.facts
    }

    /// The id of the one at `index`, without going to the user for it.
    pub(super) fn id(&self, index: usize) -> &'a str {
        self.ids.get(index).copied().unwrap_or_default()
    }

    /// Notes an enrollment that runs.
    pub(super) fn runs(&mut self, index: usize, role: RoleName) {
        if let Some(fact) = self.facts.get_mut(index) {
            fact.running = fact.running.with(role);
        }
    }

    /// The place of an id among those from `from` on; else the place before which it would stand.
    pub(super) fn find(&self, id: &SourceId, from: usize) -> Result<usize, usize> {
        let address = id.address();
        let later = self.ids.get(from..).unwrap_or_default();
        let mut near = later.iter().take(NEAR);
        if let Some(steps) = near.position(|it| it.as_ptr().addr() == address) {
            return Ok(from + steps);
        }
        // Most are not far ahead.
        let (mut span, id) = (1, id.as_str());
        while later.get(span).is_some_and(|it| *it < id) {
            span *= 2;
        }
        let within = later.get(..=span).unwrap_or(later);
        match within.binary_search(&id) {
            Ok(steps) => Ok(from + steps),
            Err(steps) => Err(from + steps),
        }
    }

    /// Entries by id, each with the place of its user, or the place before which the user would stand.
    pub(super) fn placed<'b, T>(
        &'b self,
        entries: impl Iterator<Item = (&'a SourceId, T)> + 'b,
    ) -> impl Iterator<Item = Placed<'a, T>> + 'b
    where
        T: 'b,
    {
        let mut next = 0;
        entries.map(move |(id, entry)| {
            let place = self.find(id, next);
            next = place.map_or_else(|gap| gap, |index| index + 1);
            Placed { place, id, entry }
        })
    }
}

/// What is told of a user, and where the user stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a, T> {
    /// On the roll, or before which place.
    pub(super) place: Result<usize, usize>,
    /// The user.
    pub(super) id: &'a SourceId,
    /// What is told.
    pub(super) entry: T,
}
