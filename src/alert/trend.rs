//! Where the present pace leads (S4.10: two to four weeks of lead time), and the little history that this takes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Days;

use crate::allocate::{License, Scope};
use crate::model::{Access, Daily, DailyKey, Date};

/// Days of history before anything is said.
const AT_LEAST: i64 = 14;

/// Days of history that are looked at, and within which seats must run out to be told.
const FOUR_WEEKS: u32 = 28;

/// Seats in use by local day. A day that is not there is as the one before it.
pub type History = BTreeMap<DailyKey, BTreeMap<Date, u64>>;

/// What a run writes of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Today, where it is not as the day before.
    pub put: Vec<Daily>,
    /// Days that nothing looks back to any more.
    pub removed: Vec<(DailyKey, Date)>,
}

/// The key of a row's history; none for the unallotted rest, which no school can look after.
pub(super) fn key(row: &License) -> Option<DailyKey> {
    match row.pool {
        Scope::Sum => Some((row.product.clone(), None)),
        Scope::School => Some((row.product.clone(), row.school.clone())),
        Scope::District => None,
    }
}

/// What `rows` add to the history on `today`. It begins with the first seat, so that a first sync is no trend.
pub fn keep(history: &History, rows: &[License], today: Date) -> Kept {
    let mut kept = Kept::default();
    let counted = rows.iter().filter(|row| row.total.is_some() && matches!(row.access, Access::Full | Access::Grace));
    let now: BTreeMap<DailyKey, u64> = counted.filter_map(|row| Some((key(row)?, row.assigned))).collect();
    for (of, assigned) in &now {
        let known = history.get(of).and_then(|days| days.range(..=today).next_back()).map(|(_, n)| *n);
        if known.unwrap_or(0) != *assigned {
            kept.put.push(Daily { of: of.clone(), day: today, assigned: *assigned });
            kept.removed.extend(past(history.get(of), today).into_iter().map(|day| (of.clone(), day)));
        }
    }
    let ended: BTreeSet<&DailyKey> = history.keys().filter(|of| !now.contains_key(of)).collect();
    let days = |of: &DailyKey| history.get(of).into_iter().flat_map(BTreeMap::keys).copied().collect::<Vec<_>>();
    kept.removed.extend(ended.into_iter().flat_map(|of| days(of).into_iter().map(move |day| (of.clone(), day))));
    kept
}

/// Days before the one that still stands when the window begins.
fn past(days: Option<&BTreeMap<Date, u64>>, today: Date) -> Vec<Date> {
    let (Some(days), Some(begin)) = (days, window(today)) else { return Vec::new() };
    let stands = days.range(..=begin).next_back().map(|(day, _)| *day);
    stands.map(|stands| days.range(..stands).map(|(day, _)| *day).collect()).unwrap_or_default()
}

fn window(today: Date) -> Option<Date> {
    today.checked_sub_days(Days::new(u64::from(FOUR_WEEKS)))
}

/// The day on which `available` more seats are gone at the pace of the last four weeks (the line of least squares through
/// their days), if that is within four weeks and there are two weeks of history.
pub(super) fn full_on(days: &BTreeMap<Date, u64>, today: Date, assigned: u64, available: u64) -> Option<Date> {
    let first = *days.keys().next()?;
    if available == 0 || (today - first).num_days() < AT_LEAST {
        return None;
    }
    let begin = window(today)?.max(first);
    let (mut n, mut x_sum, mut y_sum, mut xx_sum, mut xy_sum) = (0_i128, 0_i128, 0_i128, 0_i128, 0_i128);
    for day in begin.iter_days().take_while(|day| *day <= today) {
        let known = days.range(..=day).next_back().map_or(0, |(_, n)| *n);
        let y = i128::from(if day == today { assigned } else { known });
        x_sum += n;
        y_sum += y;
        xx_sum += n * n;
        xy_sum += n * y;
        n += 1;
    }
    // Seats a day are `rise` of `run`.
    let (rise, run) = (n * xy_sum - x_sum * y_sum, n * xx_sum - x_sum * x_sum);
    if rise <= 0 {
        return None;
    }
    let needed = (i128::from(available) * run + rise - 1) / rise;
    let needed = u32::try_from(needed).ok().filter(|needed| *needed <= FOUR_WEEKS)?;
    today.checked_add_days(Days::new(u64::from(needed)))
}
