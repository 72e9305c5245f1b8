//! Seats of students who are not at school any more: the license count against the roster (S4.35), for `rosterd doctor`.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Audience, Baseline, ProductCode, RoleName, SourceId, Timestamp, User};

use super::candidates::{is_graduate, is_over, is_test};

/// A product with more seats in use than students in a class. Staff are in none of its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surplus {
    /// The product.
    pub product: ProductCode,
    /// Seats of students.
    pub in_use: u64,
    /// Active students in some class that is not over.
    pub enrolled: u64,
    /// Seats of students whose every grade lies after the twelfth.
    pub graduates: u64,
    /// Of the others, those whose every class is over.
    pub past_classes: u64,
    /// Of the others, test accounts.
    pub test_accounts: u64,
}

/// Every product with such seats, by code.
pub fn surplus(baseline: &Baseline, as_of: Timestamp) -> Vec<Surplus> {
    let today = as_of.date_in(baseline.state.time_zone);
    let users = &baseline.roster.users;
    let student = |user: &User| user.roles.iter().any(|it| it.role == RoleName::Student);
    let (mut current, mut past): (BTreeSet<&SourceId>, BTreeSet<&SourceId>) = (BTreeSet::new(), BTreeSet::new());
    for it in baseline.roster.enrollments.values().filter(|it| it.role == RoleName::Student) {
        match baseline.roster.classes.get(&it.class) {
            Some(class) if is_over(baseline, class, today) => past.insert(&it.user),
            Some(_) => current.insert(&it.user),
            None => false,
        };
    }
    let active = |id: &&SourceId| users.get(*id).is_some_and(|user| user.active && student(user));
    let enrolled = count(current.iter().copied().filter(active).count());
    let mut found: BTreeMap<&ProductCode, Surplus> = BTreeMap::new();
    for ((code, id), seat) in &baseline.seats {
        let of_students = baseline
            .catalog
            .products
            .get(code)
            .is_some_and(|it| matches!(it.audience, Audience::Student | Audience::Any) && !seat.bridged);
        let Some(user) = users.get(id).filter(|user| of_students && student(user)) else { continue };
        let it = found.entry(code).or_insert_with(|| Surplus {
            product: code.clone(),
            in_use: 0,
            enrolled,
            graduates: 0,
            past_classes: 0,
            test_accounts: 0,
        });
        it.in_use += 1;
        if is_graduate(user) {
            it.graduates += 1;
        } else if past.contains(id) && !current.contains(id) {
            it.past_classes += 1;
        } else if is_test(user) {
            it.test_accounts += 1;
        }
    }
    let surplus = |it: &Surplus| it.in_use > it.enrolled && it.graduates + it.past_classes + it.test_accounts > 0;
    found.into_values().filter(surplus).collect()
}

fn count(it: usize) -> u64 {
    u64::try_from(it).unwrap_or(u64::MAX)
}
