//! Entries of what changes about seats and places that stay: a seat that a held change would end, a place in line that is not
//! the one its neighbors imply. With them the audit alone says who had what on any day.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::allocate::{Allocation, Difference, SeatAction, SeatChange, SeatKey};
use crate::audit::Draft;
use crate::model::{Baseline, ProductCode, Seat, SourceId, Timestamp, Waiting};

use super::entries::{Author, Shown, seat_draft};

/// The places of an allocation, for the entries that name them.
#[derive(Debug)]
pub(super) struct Places<'a> {
    put: &'a Difference<Waiting>,
    as_of: Timestamp,
}

impl<'a> Places<'a> {
    pub(super) fn new(after: &'a Allocation, as_of: Timestamp) -> Self {
        Self { put: &after.waiting, as_of }
    }

    /// What the entry of someone who joins the line tells: the pool they are short of, the position after this run, and since
    /// when they wait if that was before.
    pub(super) fn joined(&self, change: &SeatChange) -> Value {
        let SeatAction::Waiting { short_of } = &change.action else { return Value::Null };
        let mut fields = Map::from_iter([("short_of".to_owned(), json!(short_of))]);
        if let Some(place) = self.put.put_of(&change.product, &change.user) {
            fields.insert("position".to_owned(), json!(place.position));
            if place.since != self.as_of {
                fields.insert("since".to_owned(), json!(place.since));
            }
        }
        Value::Object(fields)
    }
}

/// The entries, by product and user: first seats, then places.
pub(super) fn entries(
    after: &Allocation,
    changes: &[SeatChange],
    baseline: &Baseline,
    author: &Author,
    shown: &Shown<'_>,
) -> Vec<Draft> {
    let passed: BTreeMap<(&ProductCode, &SourceId), &SourceId> = changes
        .iter()
        .filter_map(|change| match &change.action {
            SeatAction::Passed { account, .. } => Some(((&change.product, account), &change.user)),
            _ => None,
        })
        .collect();
    // On most nights none was, and nothing is to be looked up for each seat.
    let any_was = baseline.seats.values().any(|it| it.bridged);
    let was_bridged = |seat: &Seat| {
        let user = passed.get(&(&seat.product, &seat.user)).copied().unwrap_or(&seat.user);
        baseline.seats.get(&(seat.product.clone(), user.clone())).is_some_and(|it| it.bridged)
    };
    let seats = after.seats.put().filter_map(|seat| {
        let before = any_was && was_bridged(seat);
        let verb = if seat.bridged { "bridged" } else { "unbridged" };
        (before != seat.bridged).then(|| seat_draft(&seat.product, &seat.user, verb, author, shown))
    });
    let places = moved(after, baseline).into_iter().map(|(before, place)| {
        let (was, is) = differing(before, place.0, place.1);
        let draft = seat_draft(&before.product, &before.user, "waiting_moved", author, shown);
        Draft { before: Some(was), after: Some(is), ..draft }
    });
    seats.chain(places).collect()
}

/// The fields of a place that changed, the position only where it is told.
fn differing(before: &Waiting, after: &Waiting, told: bool) -> (Value, Value) {
    let (mut was, mut is) = (Map::new(), Map::new());
    let mut field = |name: &str, one: Value, other: Value| {
        if one != other {
            was.insert(name.to_owned(), one);
            is.insert(name.to_owned(), other);
        }
    };
    field("short_of", json!(before.short_of), json!(after.short_of));
    field("since", json!(before.since), json!(after.since));
    if told {
        field("position", json!(before.position), json!(after.position));
        // Who overtakes may end where they were: others left.
        is.insert("position".to_owned(), json!(after.position));
    }
    (Value::Object(was), Value::Object(is))
}

/// Places that stay but are not as they were: each with how it is now, and whether the position must be told because the
/// order of those who stay is another.
fn moved<'a>(after: &'a Allocation, baseline: &'a Baseline) -> Vec<(&'a Waiting, (&'a Waiting, bool))> {
    if baseline.waiting.is_empty() {
        return Vec::new();
    }
    let mut lines: BTreeMap<&ProductCode, Vec<(&Waiting, &Waiting)>> = BTreeMap::new();
    let touched: BTreeSet<&ProductCode> = after.waiting.put().map(|it| &it.product).collect();
    for (key, before) in baseline.waiting.iter().filter(|((product, _), _)| touched.contains(product)) {
        if let Some(now) = after.waiting.get(&baseline.waiting, key) {
            lines.entry(&before.product).or_default().push((before, now));
        }
    }
    let mut moved = Vec::new();
    for line in lines.values_mut() {
        line.sort_by_key(|(_, now)| now.position);
        let order: Vec<u32> = line.iter().map(|(before, _)| before.position).collect();
        let stable = rising(&order);
        for (index, (before, now)) in line.iter().enumerate() {
            let told = !stable.contains(&index);
            if told || (&before.short_of, before.since) != (&now.short_of, now.since) {
                moved.push((*before, (*now, told)));
            }
        }
    }
    let key = |it: &Waiting| -> SeatKey { (it.product.clone(), it.user.clone()) };
    moved.sort_by_cached_key(|(before, _)| key(before));
    moved
}

/// Indexes of a longest rising subsequence: those who keep their order, so that as few as can be are told to have moved.
fn rising(positions: &[u32]) -> BTreeSet<usize> {
    // Of the rising runs of each length the one that ends lowest, by its last index; and the index before each.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(positions.len());
    let position = |index: usize| positions.get(index).copied().unwrap_or_default();
    for (index, here) in positions.iter().enumerate() {
        let length = ends.partition_point(|end| position(*end) < *here);
        previous.push(length.checked_sub(1).and_then(|before| ends.get(before).copied()));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut next = ends.last().copied();
    let back = std::iter::from_fn(|| {
        let here = next?;
        next = previous.get(here).copied().flatten();
        Some(here)
    });
    back.collect()
}

#[cfg(test)]
mod tests {
    use super::rising;

    #[test]
    fn as_few_as_can_be_are_told_to_have_moved() {
        let kept = |line: &[u32]| rising(line).into_iter().collect::<Vec<_>>();
        assert_eq!(kept(&[]), Vec::<usize>::new());
        assert_eq!(kept(&[2, 5, 9]), [0, 1, 2], "others left: nobody moved");
        assert_eq!(kept(&[4, 1, 2, 3]), [1, 2, 3], "the last came to the front");
        assert_eq!(kept(&[2, 3, 1, 4]), [0, 1, 3], "the first was overtaken");
        assert_eq!(kept(&[3, 2, 1]).len(), 1);
    }
}
