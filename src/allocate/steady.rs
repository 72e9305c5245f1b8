//! Until when a district that is left alone stays as it is: dates bring about nothing before the first of them comes.

use chrono::{Days, TimeDelta};

use crate::model::{Date, View};

use super::Input;
use super::capacity::{LAPSE_DAYS, of_district};
use super::contract::last_day;

/// The first local day on which an allocation of the same district may differ from the one of `input`'s day. Of seats that
/// are leaving or over the total the days count, so of a district that has any this says nothing.
///
/// It names every date there is rather than those that matter: one too many costs a look, one too few a child's seat.
pub fn steady_until(input: Input<'_>) -> Date {
    let mut ahead = Ahead { today: input.as_of.date_in(input.state.time_zone), next: Date::MAX };
    for roster in [input.roster, input.departed] {
        ahead.see_roster(roster);
    }
    for it in of_district(input.catalog, &input.state.id) {
        ahead.see(Some(it.starts_on));
        for last in [it.expires_on, last_day(it)] {
            ahead.see_end(Some(last));
            ahead.see_end(days_after(last, LAPSE_DAYS));
        }
    }
    for seen in input.remembered.inactive.values() {
        ahead.see_end(days_after(*seen, LAPSE_DAYS));
    }
    let overrides = input.overrides.values().map(|it| it.until);
    for until in overrides.chain(input.assignments.values().map(|it| it.until)) {
        ahead.see_end(until);
    }
    // Who had a seat goes first for so long, to the instant.
    for ended in input.ended.values() {
        let last = ended.at.plus(TimeDelta::days(LAPSE_DAYS));
        if input.as_of <= last {
            ahead.next = ahead.next.min(last.date_in(input.state.time_zone));
        }
    }
    ahead.next
}

fn days_after(day: Date, days: i64) -> Option<Date> {
    day.checked_add_signed(TimeDelta::days(days))
}

/// The nearest date that is not over.
struct Ahead {
    today: Date,
    next: Date,
}

impl Ahead {
    /// Something begins on `day`, or ends before it.
    fn see(&mut self, day: Option<Date>) {
        if let Some(day) = day.filter(|day| *day > self.today) {
            self.next = self.next.min(day);
        }
    }

    /// Something ends with `day`, or before it, as the source may mean it.
    fn see_end(&mut self, day: Option<Date>) {
        self.see(day);
        self.see(day.and_then(|day| day.checked_add_days(Days::new(1))));
    }

    fn see_roster(&mut self, roster: View<'_>) {
        for it in roster.sessions().values() {
            self.see(it.starts_on);
            self.see_end(it.ends_on);
        }
        for period in roster.enrollments().values().flat_map(|it| &it.periods) {
            self.see(period.begin);
            self.see_end(period.end);
        }
    }
}
