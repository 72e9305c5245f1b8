//! Steps 8 and 9: where seats exceed what was bought (licensing.md, Over, Overage).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::model::{Date, Ended, ReleaseReason, Seats, Spell, Timestamp};

use super::capacity::of_product;
use super::demand::Demand;
use super::index::Index;
use super::product::{Desk, Keeper};

/// Days back in which some use shows that activity is being reported.
const REPORTED_DAYS: i64 = 30;

/// What may be in use today, above and below the total.
#[derive(Debug, Default)]
pub(super) struct Excess {
    /// Seats of the overage that may be used today.
    pub(super) overage: usize,
    /// Seats the total allows today, overage included; none is no limit.
    pub(super) limit: Option<usize>,
    /// The total, and with all overage whatever the days; none is no limit.
    bounds: Option<(u64, u64)>,
    /// Whether seats were taken back.
    pub(super) reclaimed: bool,
    over: Option<Date>,
    beyond: Option<Date>,
    today: Date,
}

impl Excess {
    /// The same once seats that exceed the total had their chance to move, and `used` still count: where a site license took
    /// enough of them the spell is over, and all of the overage may be used again.
    pub(super) fn settled(self, used: usize) -> Self {
        let Some((total, allowed)) = self.bounds else { return self };
        let size = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
        if used > size(total) {
            return self;
        }
        Self { overage: size(allowed - total), limit: Some(size(allowed)), over: None, beyond: None, ..self }
    }

    /// The spell that `used` seats mean; none where they do not exceed the total.
    pub(super) fn spell(&self, used: usize) -> Option<Spell> {
        let (total, allowed) = self.bounds?;
        let used = u64::try_from(used).unwrap_or(u64::MAX);
        (used > total).then(|| Spell {
            over: self.over.unwrap_or(self.today),
            beyond: (used > allowed).then(|| self.beyond.unwrap_or(self.today)),
        })
    }
}

impl Desk<'_, '_> {
    /// Takes back what is over for too long, and says what may be in use today. A spell lasts while the seats that stay
    /// exceed the total, before anyone new is seated.
    pub(super) fn reclaim(&mut self) -> Excess {
        let today = self.district.today;
        let Seats::Count(total) = self.capacity.total else {
            return Excess::default();
        };
        let total = u64::from(total);
        let allowed = total + self.capacity.allowances.iter().map(|it| it.seats).sum::<u64>();
        let count = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
        // Where there are not more seats than the total, it does not matter which of them take room.
        let mut used = count(self.kept.len());
        if used > total {
            used = count(self.kept.iter().filter(|it| !it.bridged && self.takes_room(it)).count());
        }
        let known = self.input.remembered.over.get(&self.product.code);
        let over = (used > total).then(|| known.map_or(today, |spell| spell.over));
        let beyond = (used > allowed).then(|| known.and_then(|spell| spell.beyond).unwrap_or(today));
        let due = |days: u32| beyond.is_some_and(|day| today - day >= TimeDelta::days(i64::from(days)));
        let reclaimed = self.capacity.remediate_days.is_some_and(due) && self.activity_is_reported();
        if reclaimed {
            self.take_back(usize::try_from(used - allowed).unwrap_or(usize::MAX));
        }
        let open = |days: u32| over.is_none_or(|day| today - day <= TimeDelta::days(i64::from(days)));
        let overage = self.capacity.allowances.iter().filter(|it| open(it.days)).map(|it| it.seats).sum::<u64>();
        Excess {
            overage: usize::try_from(overage).unwrap_or(usize::MAX),
            limit: usize::try_from(total + overage).ok(),
            bounds: Some((total, allowed)),
            reclaimed,
            over,
            beyond,
            today,
        }
    }

    fn takes_room(&self, it: &Keeper<'_>) -> bool {
        let pool = it.home.map(Index::get).or_else(|| self.sorts.first(it.sort.get()));
        pool.is_none_or(|pool| self.sorts.counted(pool))
    }

    fn activity_is_reported(&self) -> bool {
        let since = self.input.as_of.plus(TimeDelta::days(-REPORTED_DAYS));
        of_product(self.input.seats, &self.product.code).any(|seat| seat.last_used_at.is_some_and(|used| used >= since))
    }

    /// Takes `count` seats back: never claimed, longest unused, seated last, id. Those whom a site license could take are left.
    fn take_back(&mut self, count: usize) {
        let counted = |index: &usize| self.kept.get(*index).is_some_and(|it| !it.bridged && self.takes_room(it));
        let all: Vec<usize> = (0..self.kept.len()).filter(counted).collect();
        let to_site = |index: &&usize| self.kept.get(**index).is_some_and(|it| self.sorts.has_site(it.sort.get()));
        let count = count.saturating_sub(all.iter().filter(to_site).count());
        let mut turn: Vec<_> = all
            .iter()
            .filter(|index| !to_site(index))
            .filter_map(|index| Some((self.kept.get(*index)?, *index)))
            .filter(|(it, _)| it.demand != Demand::Pinned)
            .map(|(it, index)| {
                let seat = it.seat;
                let used: Option<Timestamp> = seat.claimed_at.map(|claimed| seat.last_used_at.unwrap_or(claimed));
                (used, Reverse(seat.since), &seat.user, index)
            })
            .collect();
        turn.sort_unstable();
        let taken: BTreeSet<usize> = turn.into_iter().take(count).map(|(.., index)| index).collect();
        let ended = Ended { at: self.input.as_of, reason: ReleaseReason::Reclaimed };
        for (index, keeper) in std::mem::take(&mut self.kept).into_iter().enumerate() {
            if taken.contains(&index) {
                self.released.push((keeper.seat, ReleaseReason::Reclaimed));
                self.line_up_again(keeper.account, keeper.demand, &ended, keeper.sort.get());
            } else {
                self.kept.push(keeper);
            }
        }
    }
}
