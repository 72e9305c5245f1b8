//! The rows of the guard's table (safety.md, Guard): what each counts, of how many, and what its limit holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::guard::groups::{Group, Tally, UNSHARED, Watch, encoded, number, school_scope};
use crate::guard::losses::{Loss, emptied};
use crate::guard::window;
use crate::guard::{FLEET, Fleet, Limit, season};
use crate::model::{Class, Kind, ProductCode, Record, SourceId, User, Verb};
use crate::plan::Change;
use crate::snapshot::Snapshot;

impl Watch<'_> {
    pub(super) fn users_removed(&mut self) {
        let (district, school) = (self.settings.district_users_removed, self.settings.school_users_removed);
        let tally = Self::all(self.removals(Kind::Users));
        if tally.count == 0 {
            return;
        }
        self.weigh("district", window::USERS_REMOVED, tally, number(self.baseline.count(Kind::Users)), district, true);
        let (tallies, of) = (self.by_school(self.removals(Kind::Users)), self.rows_of_schools(Kind::Users));
        self.weigh_schools(window::USERS_REMOVED, tallies, &of, school, true);
    }

    pub(super) fn unenrolled(&mut self) {
        let roster = &self.baseline.roster;
        let mut district = Tally::default();
        let mut schools: BTreeMap<SourceId, Tally> = BTreeMap::new();
        for Loss { user, causes } in std::mem::take(&mut self.losses.unenrolled) {
            let causes: BTreeSet<usize> = causes.difference(&self.aside).copied().collect();
            if causes.is_empty() || !roster.users.contains_key(&user) {
                continue;
            }
            district.add(&causes);
            for school in self.schools.of_user_id(&user) {
                schools.entry(school).or_default().add(&causes);
            }
        }
        if district.count == 0 {
            return;
        }
        let mut district_of = 0;
        // Both are in the order of users.
        let mut enrolled = roster.enrollments.values().map(|it| &it.user).peekable();
        let users = roster.users.iter().filter(|(id, _)| {
            while enrolled.next_if(|it| it < id).is_some() {}
            enrolled.peek() == Some(id)
        });
        let of = self.schools.counted(users.map(|(_, user)| user).inspect(|_| district_of += 1));
        let (per_district, per_school) =
            (self.settings.district_users_unenrolled, self.settings.school_users_unenrolled);
        self.weigh("district", window::UNENROLLED, district, district_of, per_district, true);
        self.weigh_schools(window::UNENROLLED, schools, &of, per_school, true);
    }

    pub(super) fn enrollments_removed(&mut self) {
        let limit = self.settings.district_enrollments_removed;
        let tally = Self::all(self.losses_of(Kind::Enrollments));
        let of = number(self.baseline.count(Kind::Enrollments));
        self.weigh("district", window::ENROLLMENTS_REMOVED, tally, of, limit, false);
    }

    pub(super) fn classes_removed(&mut self) {
        let (district, school) = (self.settings.district_classes_removed, self.settings.school_classes_removed);
        let tally = Self::all(self.losses_of(Kind::Classes));
        self.weigh(
            "district",
            window::CLASSES_REMOVED,
            tally,
            number(self.baseline.count(Kind::Classes)),
            district,
            false,
        );
        let (tallies, of) = (self.by_school(self.losses_of(Kind::Classes)), self.rows_of_schools(Kind::Classes));
        self.weigh_schools(window::CLASSES_REMOVED, tallies, &of, school, false);
    }

    pub(super) fn released(&mut self) {
        let mut products: BTreeMap<ProductCode, (Tally, BTreeMap<SourceId, Tally>)> = BTreeMap::new();
        for ((product, user), loss) in &self.losses.released {
            let causes: BTreeSet<usize> = loss.causes.difference(&self.aside).copied().collect();
            if causes.is_empty() {
                continue;
            }
            let (district, schools) = products.entry(product.clone()).or_default();
            let mine = self.schools.of_user_id(user);
            district.add(&causes);
            for school in mine {
                schools.entry(school).or_default().add(&causes);
            }
        }
        if products.is_empty() {
            return;
        }
        let mut of_district: BTreeMap<&ProductCode, u64> = BTreeMap::new();
        let mut of_school: BTreeMap<(&ProductCode, SourceId), u64> = BTreeMap::new();
        for (product, user) in self.baseline.seats.keys() {
            *of_district.entry(product).or_default() += 1;
            for school in self.schools.of_user_id(user) {
                *of_school.entry((product, school)).or_default() += 1;
            }
        }
        let (per_district, per_school) = (self.settings.district_seats_released, self.settings.school_seats_released);
        for (product, (district, schools)) in products {
            let what = window::released(&product);
            let of = of_district.get(&product).copied().unwrap_or_default();
            self.weigh("district", &what, district, of, per_district, true);
            let mine = of_school.iter().filter(|((code, _), _)| **code == product);
            let of = mine.map(|((_, school), n)| (school.clone(), *n)).collect();
            self.weigh_schools(&what, schools, &of, per_school, false);
        }
    }

    /// Releases in all districts together: held here as everywhere, until somebody acknowledges it.
    pub(super) fn fleet(&mut self, fleet: Option<Fleet>) {
        let causes = self.losses.released.values().map(|loss| loss.causes.difference(&self.aside).copied());
        let mut tally = Tally::default();
        for causes in causes.map(BTreeSet::from_iter).filter(|it: &BTreeSet<usize>| !it.is_empty()) {
            tally.add(&causes);
        }
        let Some(fleet) = fleet.filter(|it| it.trips(tally.count, self.settings)) else { return };
        let (count, of) = (fleet.released + tally.count, fleet.usual);
        self.groups.push(Group {
            name: FLEET.to_owned(),
            count,
            of,
            limit: Fleet::words(self.settings),
            members: tally.members,
        });
    }

    /// A school all of whose users are gone while others stay: the source shares less than before (P14, P15).
    pub(super) fn unshared(&mut self) {
        for (school, mut members) in season::unshared(self.plan, self.baseline, self.settings.zero_from) {
            members.retain(|index| !self.aside.contains(index));
            if members.is_empty() {
                continue;
            }
            let count = number(members.len());
            let name = format!("{}{UNSHARED}", school_scope(&school));
            let limit = "the source no longer shares this school".to_owned();
            self.groups.push(Group { name, count, of: count, limit, members });
        }
    }

    /// Changes of records that stay what they are.
    fn changes_of(&self, kind: Kind) -> impl Iterator<Item = (usize, &Change)> {
        let changes = self.of(kind, |verb| verb == Verb::Changed);
        changes.filter(|(_, it)| !it.replaces() && !self.renames_terms(it))
    }

    /// Whether all that changes of a class are the ids of its terms, which some sources give anew every night (P32).
    fn renames_terms(&self, change: &Change) -> bool {
        let (Some(Record::Class(old)), Some(Record::Class(new))) = (&change.before, &change.after) else {
            return false;
        };
        let rest = Class { sessions: old.sessions.clone(), ..Class::clone(new) } == **old;
        let known = |id: &SourceId| self.baseline.roster.sessions.get(id);
        let coming = |id: &SourceId| self.coming.get(id).copied().or_else(|| known(id));
        let is =
            |was: &SourceId, is: &SourceId| known(was).zip(coming(is)).is_some_and(|(was, is)| was.is_same_term(is));
        rest && old.sessions.len() == new.sessions.len()
            && new.sessions.iter().all(|new| old.sessions.iter().any(|old| is(old, new)))
    }

    pub(super) fn changed(&mut self) {
        let (district, school) = (self.settings.district_changed, self.settings.school_changed);
        for kind in Kind::ALL {
            let what = format!("{kind}/changed");
            let tally = Self::all(self.changes_of(kind));
            if tally.count == 0 {
                continue;
            }
            self.weigh("district", &what, tally, number(self.baseline.count(kind)), district, false);
            let tallies = self.by_school(self.changes_of(kind));
            let of = self.rows_of_schools(kind);
            self.weigh_schools(&what, tallies, &of, school, false);
        }
    }

    pub(super) fn users_added(&mut self) {
        let tally = Self::all(self.of(Kind::Users, |verb| matches!(verb, Verb::Added | Verb::Restored)));
        let (of, limit) = (number(self.baseline.count(Kind::Users)), self.settings.district_users_added);
        self.weigh("district", "users/added", tally, of, limit, false);
    }

    /// A class that would lose everyone while the class itself stays.
    pub(super) fn classes_to_zero(&mut self) {
        let emptied = emptied(self.plan, self.baseline, &self.lasting);
        if emptied.is_empty() {
            return;
        }
        let removed: BTreeSet<SourceId> =
            self.removals(Kind::Classes).map(|(_, change)| SourceId::new(change.id())).collect();
        let mut filled = BTreeSet::new();
        for (_, change) in self.of(Kind::Enrollments, |verb| verb != Verb::Removed) {
            if let Some(Record::Enrollment(it)) = &change.after {
                filled.insert(it.class.clone());
            }
        }
        for (class, members) in emptied {
            if members.is_disjoint(&self.aside) && !removed.contains(&class) && !filled.contains(&class) {
                let (scope, count) = (format!("class:{}", encoded(class.as_str())), number(members.len()));
                let never = Limit { percent: 100, floor: u32::MAX };
                self.weigh(&scope, "unenrolled", Tally { count, members }, count, never, true);
            }
        }
    }

    /// Users removed and added under the same strong keys: the source renumbered them (P16).
    pub(super) fn rekeyed(&mut self) {
        let mut gone: BTreeMap<(bool, &str), usize> = BTreeMap::new();
        // Also one that a mode keeps back: else everybody would be there twice.
        let indexed = self.plan.changes.iter().enumerate().filter(|(index, _)| !self.plan.approved.contains(index));
        for (index, change) in indexed.filter(|(_, it)| (it.kind, it.verb) == (Kind::Users, Verb::Removed)) {
            if let Some(Record::User(user)) = &change.before {
                gone.extend(strong_keys(user).map(|key| (key, index)));
            }
        }
        let mut members = BTreeSet::new();
        let mut count = 0;
        for (index, change) in self.of(Kind::Users, |verb| matches!(verb, Verb::Added | Verb::Restored)) {
            let Some(Record::User(user)) = &change.after else { continue };
            if let Some(old) = strong_keys(user).find_map(|key| gone.get(&key)) {
                members.extend([index, *old]);
                count += 1;
            }
        }
        let limit = Limit { percent: self.settings.rekeyed_percent, floor: 0 };
        let of = number(self.baseline.count(Kind::Users));
        self.weigh("district", "users/rekeyed", Tally { count, members }, of, limit, false);
    }

    /// An id that seems to be someone else's now, of a user who is here or of one who was: held, with everything about it, so
    /// that nobody inherits a seat (P19, T16).
    pub(super) fn reused(&mut self) {
        let mut reused: BTreeSet<&SourceId> = BTreeSet::new();
        for (_, change) in self.of(Kind::Users, |verb| verb != Verb::Removed) {
            reused.extend(change.user().filter(|user| self.plan.strangers.contains(*user)));
        }
        let about = |change: &Change| change.user().is_some_and(|user| reused.contains(user));
        let indexed = self.plan.changes.iter().enumerate();
        let members: BTreeSet<usize> = indexed.filter(|(_, it)| about(it)).map(|(index, _)| index).collect();
        if !members.is_empty() {
            self.groups.push(Group {
                name: "district/users/reused".to_owned(),
                count: number(reused.len()),
                of: number(self.baseline.count(Kind::Users)),
                limit: "the id has another name, other numbers, and another grade or school".to_owned(),
                members,
            });
        }
    }

    /// Too many rows that cannot be used, or rows that do not even say whose they are: no removal is to be trusted (P11).
    pub(super) fn invalid(&mut self, snapshot: &Snapshot) {
        let removals: BTreeSet<usize> =
            Kind::ALL.into_iter().flat_map(|kind| self.removals(kind)).map(|(i, _)| i).collect();
        for kind in Kind::ALL {
            let count = snapshot.invalid.get(&kind).copied().unwrap_or_default();
            let of = number(self.baseline.count(kind));
            let limit = Limit { percent: self.settings.invalid_percent, floor: 0 };
            let nameless = snapshot.nameless.get(&kind).copied().unwrap_or_default();
            let (members, words) = if limit.trips(count, of) {
                (removals.clone(), format!("over {} % of rows cannot be used", limit.percent))
            } else if nameless > 0 {
                (self.removals(kind).map(|(index, _)| index).collect(), "rows without a usable id".to_owned())
            } else {
                continue;
            };
            self.groups.push(Group { name: format!("district/{kind}/invalid"), count, of, limit: words, members });
        }
    }
}

/// A student number and a state id, told apart.
fn strong_keys(user: &User) -> impl Iterator<Item = (bool, &str)> {
    let number = user.student_number.as_ref().map(|it| (false, it.reveal()));
    number.into_iter().chain(user.state_id.as_ref().map(|it| (true, it.reveal())))
}
