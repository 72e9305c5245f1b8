//! How the records of one kind lie in memory: in the order of their keys.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::iter::FusedIterator;
use std::ops::Bound;

use crate::model::{Enrollment, EnrollmentKey, RoleName, RosterRecord, SourceId};

/// A span of keys.
type Span<'k, K> = (Bound<&'k K>, Bound<&'k K>);

/// Records of one kind by key.
pub trait ByKey<T: RosterRecord> {
    /// How many there are.
    fn count(&self) -> usize;

    /// The one with this key.
    fn find(&self, key: &T::Key) -> Option<&T>;

    /// All.
    fn all(&self) -> impl Iterator<Item = &T>;

    /// Those of a span, whose start does not come after its end.
    fn span<'a>(&'a self, span: Span<'_, T::Key>) -> impl Iterator<Item = &'a T> + use<'a, T, Self>;
}

impl<T: RosterRecord> ByKey<T> for BTreeMap<T::Key, T> {
    fn count(&self) -> usize {
        self.len()
    }

    fn find(&self, key: &T::Key) -> Option<&T> {
        self.get(key)
    }

    // A walk over a whole map costs a third of one over a part of it.
    fn all(&self) -> impl Iterator<Item = &T> {
        self.values()
    }

    fn span<'a>(&'a self, span: Span<'_, T::Key>) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let range: btree_map::Range<'a, T::Key, T> = self.range::<T::Key, _>(span);
        range.map(|(_, record)| record)
    }
}

/// Enrollments, by user, class and role. A district has six of each student, so there is nothing beside them: their keys are
/// part of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Enrollments(Vec<Enrollment>);

impl Enrollments {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, key: &EnrollmentKey) -> Result<usize, usize> {
        self.0.binary_search_by(|it| it.order(key))
    }

    /// The one with this key.
    pub fn get(&self, key: &EnrollmentKey) -> Option<&Enrollment> {
        self.place(key).ok().and_then(|at| self.0.get(at))
    }

    /// Whether there is one with this key.
    pub fn contains_key(&self, key: &EnrollmentKey) -> bool {
        self.place(key).is_ok()
    }

    /// All.
    pub fn values(&self) -> std::slice::Iter<'_, Enrollment> {
        self.0.iter()
    }

    /// Those of a user, by class.
    pub fn of<'a>(&'a self, user: &SourceId) -> impl FusedIterator<Item = &'a Enrollment> + use<'a> {
        let begin = self.0.partition_point(|it| it.user < *user);
        let rest = self.0.get(begin..).unwrap_or_default();
        let user = user.clone();
        rest.iter().take_while(move |it| it.user == user)
    }

    /// Puts one in, replacing the one with its key.
    pub fn insert(&mut self, it: Enrollment) {
        // Mostly they come in order.
        if self.0.last().is_none_or(|last| last.order_of(&it).is_lt()) {
            self.0.push(it);
            return;
        }
        let begin = self.0.partition_point(|other| other.order_of(&it).is_lt());
        let end = self.0.partition_point(|other| other.order_of(&it).is_le());
        self.0.splice(begin..end, [it]);
    }

    /// Takes out the one with this key.
    pub fn remove(&mut self, key: &EnrollmentKey) -> Option<Enrollment> {
        self.place(key).ok().map(|at| self.0.remove(at))
    }

    /// With others in the place of those of their keys, or with none there; nothing is copied.
    #[must_use]
    pub fn with(mut self, over: BTreeMap<EnrollmentKey, Option<Enrollment>>) -> Self {
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for (key, instead) in over {
            match (self.place(&key), instead) {
                (Ok(at), None) => gone.push(at),
                (Ok(at), Some(instead)) => {
                    if let Some(it) = self.0.get_mut(at) {
                        *it = instead;
                    }
                }
                (Err(_), Some(instead)) => new.push(instead),
                (Err(_), None) => {}
            }
        }
        let (mut places, mut gone) = (0.., gone.into_iter().peekable());
        if gone.peek().is_some() {
            self.0.retain(|_| places.next().is_none_or(|at: usize| gone.next_if_eq(&at).is_none()));
        }
        self.merge(new);
        self
    }

    /// Puts in those of keys that are not there, in order, from behind: each is moved once at most.
    fn merge(&mut self, mut new: Vec<Enrollment>) {
        let mut old = self.0.len();
        let nothing = SourceId::new("");
        let nobody = || Enrollment {
            user: nothing.clone(),
            class: nothing.clone(),
            school: None,
            role: RoleName::Student,
            primary: None,
            periods: Vec::new(),
        };
        self.0.resize_with(old + new.len(), nobody);
        while let Some(last) = new.pop() {
            while let Some(before) = old.checked_sub(1)
                && self.0.get(before).is_some_and(|it| it.order_of(&last).is_gt())
            {
                self.0.swap(before, before + new.len() + 1);
                old = before;
            }
            if let Some(place) = self.0.get_mut(old + new.len()) {
                *place = last;
            }
        }
    }

    /// Keeps those for which `stays`.
    pub fn retain(&mut self, stays: impl FnMut(&Enrollment) -> bool) {
        self.0.retain(stays);
    }

    /// All, to be changed in what is no part of their keys.
    #[cfg(test)]
    pub fn values_mut(&mut self) -> std::slice::IterMut<'_, Enrollment> {
        self.0.iter_mut()
    }
}

/// Puts what mostly comes in order in order; of several that are alike the last one counts.
pub(crate) fn sort_to_last<T>(all: &mut Vec<T>, order: impl Fn(&T, &T) -> Ordering) {
    if all.is_sorted_by(|one, other| order(one, other).is_lt()) {
        return;
    }
    all.sort_by(&order);
    all.dedup_by(|later, earlier| {
        let again = order(later, earlier).is_eq();
        if again {
            std::mem::swap(later, earlier);
        }
        again
    });
}

impl FromIterator<Enrollment> for Enrollments {
    /// Of several with one key the last counts.
    fn from_iter<I: IntoIterator<Item = Enrollment>>(all: I) -> Self {
        let mut all: Vec<Enrollment> = all.into_iter().collect();
        sort_to_last(&mut all, Enrollment::order_of);
        Self(all)
    }
}

impl IntoIterator for Enrollments {
    type Item = Enrollment;
    type IntoIter = std::vec::IntoIter<Enrollment>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Extend<Enrollment> for Enrollments {
    fn extend<I: IntoIterator<Item = Enrollment>>(&mut self, more: I) {
        more.into_iter().for_each(|it| self.insert(it));
    }
}

impl ByKey<Enrollment> for Enrollments {
    fn count(&self) -> usize {
        self.len()
    }

    fn find(&self, key: &EnrollmentKey) -> Option<&Enrollment> {
        self.get(key)
    }

    fn all(&self) -> impl Iterator<Item = &Enrollment> {
        self.values()
    }

    fn span<'a>(&'a self, (start, end): Span<'_, EnrollmentKey>) -> impl Iterator<Item = &'a Enrollment> + use<'a> {
        let begin = match start {
            Bound::Unbounded => 0,
            Bound::Included(key) => self.0.partition_point(|it| it.order(key).is_lt()),
            Bound::Excluded(key) => self.0.partition_point(|it| it.order(key).is_le()),
        };
        let end = match end {
            Bound::Unbounded => self.0.len(),
            Bound::Included(key) => self.0.partition_point(|it| it.order(key).is_le()),
            Bound::Excluded(key) => self.0.partition_point(|it| it.order(key).is_lt()),
        };
        self.0.get(begin..end).unwrap_or_default().iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enrollment(user: &str, class: &str, primary: bool) -> Enrollment {
        Enrollment {
            user: user.into(),
            class: class.into(),
            school: None,
            role: RoleName::Student,
            primary: Some(primary),
            periods: Vec::new(),
        }
    }

    #[test]
    fn they_lie_in_order_however_they_came_and_the_last_of_one_key_counts() {
        let all = [("b", "2"), ("a", "1"), ("b", "1"), ("a", "2"), ("b", "2")];
        let given = || all.iter().enumerate().map(|(at, (user, class))| enrollment(user, class, at > 2));
        let (collected, mut one_by_one) = (given().collect::<Enrollments>(), Enrollments::default());
        given().for_each(|it| one_by_one.insert(it));
        assert_eq!(collected, one_by_one);
        let shown: Vec<_> = collected.values().map(|it| (it.user.as_str(), it.class.as_str(), it.primary)).collect();
        let expected = [("a", "1", false), ("a", "2", true), ("b", "1", false), ("b", "2", true)];
        assert_eq!(shown, expected.map(|(user, class, primary)| (user, class, Some(primary))));
        assert_eq!(collected.of(&"a".into()).count(), 2);
        let over = [
            ("a", "1", None),
            ("a", "3", Some(true)),
            ("b", "1", Some(true)),
            ("c", "1", None),
            ("c", "2", Some(true)),
        ];
        let mut rest = one_by_one.clone();
        rest.retain(|it| it.class.as_str() != "1");
        for (user, class, there) in &over {
            rest.extend(there.map(|_| enrollment(user, class, true)));
        }
        let over = over.map(|(user, class, there)| (enrollment(user, class, true), there));
        let over = over.into_iter().map(|(it, there)| (it.key(), there.map(|_| it))).collect();
        assert_eq!(one_by_one.clone().with(over), rest);
        assert_eq!(one_by_one.clone().with(BTreeMap::new()), one_by_one);
        assert_eq!(one_by_one.remove(&collected.values().next().unwrap().key()).unwrap().class.as_str(), "1");
        assert_eq!(one_by_one.len(), 3);
    }
}
