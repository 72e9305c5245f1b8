//! Whoever ought to have kept a seat has kept it (reliability.md E1, licensing.md 9).

use std::collections::BTreeSet;

use chrono::NaiveDate;
use rosterd::allocate::SeatKey;
use rosterd::model::{Baseline, OverrideKind};

use crate::support::truth::Truth;

/// Seats that ended between two states although, in the true school, nothing ended them.
pub(crate) fn falsely_ended(truth: &Truth, before: &Baseline, after: &Baseline, day: NaiveDate) -> Vec<SeatKey> {
    let lost = before.seats.keys().filter(|key| !after.seats.contains_key(*key));
    lost.filter(|key| ought_to_stay(truth, after, key, day)).cloned().collect()
}

fn ought_to_stay(truth: &Truth, after: &Baseline, key: &SeatKey, day: NaiveDate) -> bool {
    let (product, user) = (key.0.as_str(), key.1.as_str());
    let excluded = after
        .overrides
        .get(key)
        .is_some_and(|it| it.kind == OverrideKind::Exclude && it.until.is_none_or(|until| until >= day));
    if excluded {
        return false;
    }
    match product {
        "device" => truth.children.get(user).is_some_and(|child| child.active),
        "reading" => {
            let in_grade = truth.children.get(user).is_some_and(|child| child.grade <= 4);
            let off: BTreeSet<&str> = after
                .educator_access
                .iter()
                .filter(|((code, _), access)| code.as_str() == product && !access.on)
                .map(|((_, educator), _)| educator.as_str())
                .collect();
            in_grade && off.is_empty() && truth.attends(user, day)
        }
        "studio" => Truth::teachers().any(|teacher| teacher == user),
        _ => false,
    }
}
