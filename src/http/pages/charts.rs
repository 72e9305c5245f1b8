//! The plots of a district beside its seats over time: who waits where, how much of what is assigned is used, how long syncs take.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::allocate::{License, RECENTLY_ACTIVE_DAYS};
use crate::http::pages::parts::school;
use crate::http::pages::{number, when};
use crate::model::{Org, RunRecord, SourceId};

/// Bars of one chart; a table has the others.
const BARS: usize = 20;

/// One bar, with what it stands for in words.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) said: String,
    /// Of a hundred.
    pub(super) width: u64,
}

/// Bars under a title.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) bars: Vec<Bar>,
}

impl Chart {
    /// Each bar as long as it is beside `longest`; none without any bar.
    fn of(title: String, bars: Vec<(String, String, u64)>, longest: u64) -> Option<Self> {
        let bar = |(label, said, size): (String, String, u64)| Bar {
            label,
            said,
            width: size.saturating_mul(100).checked_div(longest).unwrap_or(0).min(100),
        };
        let bars: Vec<Bar> = bars.into_iter().map(bar).collect();
        (!bars.is_empty()).then_some(Self { title, bars })
    }
}

/// Who waits, by product and school, the longest lines first.
pub(super) fn waiting(pools: &[&License], schools: &BTreeMap<SourceId, Org>) -> Option<Chart> {
    let mut some: Vec<&License> = pools.iter().copied().filter(|row| row.waiting > 0).collect();
    some.sort_by_key(|row| Reverse(row.waiting));
    let bar = |row: &License| {
        let at = row.school.as_ref().map_or_else(|| "district".to_owned(), |id| school(id, schools));
        (format!("{}, {at}", row.product), number(row.waiting), row.waiting)
    };
    let longest = some.first().map_or(0, |row| row.waiting);
    Chart::of("Waiting, where most do".to_owned(), some.into_iter().take(BARS).map(bar).collect(), longest)
}

/// How much of what is assigned was used lately, by product (S3.17).
pub(super) fn uses(sums: &[&License], name: impl Fn(&License) -> String) -> Option<Chart> {
    let bar = |row: &&License| {
        let percent = row.utilization_percent?;
        Some((name(row), format!("{percent} % of {} seats", number(row.assigned)), u64::from(percent.tenths())))
    };
    let title = format!("Used within {RECENTLY_ACTIVE_DAYS} days");
    Chart::of(title, sums.iter().filter_map(bar).collect(), 1000)
}

/// How long the latest syncs took from start to end, newest first.
pub(super) fn durations(runs: &[RunRecord]) -> Option<Chart> {
    let bar = |run: &RunRecord| {
        let (begun, ended) = (run.started_at?, run.finished_at?);
        let millis = u64::try_from((ended.instant() - begun.instant()).num_milliseconds()).ok()?;
        let said = format!("{}.{} s", millis / 1000, millis % 1000 / 100);
        run.snapshot.is_some().then(|| (when(run.as_of), said, millis))
    };
    let bars: Vec<_> = runs.iter().filter_map(bar).collect();
    let longest = bars.iter().map(|(_, _, millis)| *millis).max().unwrap_or(0);
    Chart::of("Syncs, from start to end".to_owned(), bars, longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_it_is_beside_the_longest_and_never_longer() {
        let of = |sizes: &[u64], longest| {
            let bars = sizes.iter().map(|it| (String::new(), String::new(), *it)).collect();
            let chart = Chart::of(String::new(), bars, longest)?;
            Some(chart.bars.iter().map(|it| it.width).collect::<Vec<_>>())
        };
        assert_eq!(of(&[1, 2, 4], 4), Some(vec![25, 50, 100]));
        assert_eq!(of(&[0], 0), Some(vec![0]), "nothing is as long as nothing");
        assert_eq!(of(&[u64::MAX, 7], 7), Some(vec![100, 100]));
        assert_eq!(of(&[], 1), None);
    }
}
