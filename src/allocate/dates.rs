//! Whether an enrollment counts today (licensing.md, Basis): begin and end inherited from class, sessions and school year,
//! winter breaks bridged, the end of a school year told from an ordinary end.

use std::collections::BTreeMap;

use chrono::{Datelike, Days};

use crate::model::{Class, Date, EndDates, Enrollment, Period, Roster, Session, SourceId, View};

/// Longest gap before the next session of the same school year that does not end demand (winter break).
const LONGEST_BREAK: i64 = 30;

/// First month of a school year, for sources whose sessions name none.
const SCHOOL_YEAR_BEGINS: u32 = 7;

/// What an enrollment is worth today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Its periods have all ended.
    Ended,
    /// It begins later.
    NotBegun,
    /// It ran to the end of the last session of its school year, whose first day after is given.
    YearOver(Date),
    /// Begun and not ended, or in a short break.
    Running,
}

/// Which sessions belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Year {
    Session(SourceId),
    Word(String),
    Calendar(i32),
}

#[derive(Debug, Default)]
struct YearDates {
    begins: Vec<Date>,
    /// First day after the last session.
    over: Option<Date>,
    /// Begin and first day after of the school year itself.
    own: Bounds,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    begin: Option<Date>,
    until: Option<Date>,
}

/// When a class is held, as far as its sessions say.
#[derive(Debug, Default)]
pub(super) struct Span {
    bounds: Bounds,
    /// First day after each of its sessions.
    session_ends: Vec<Date>,
    years: Vec<Year>,
    /// What an enrollment without dates of its own is worth today.
    undated: Option<Standing>,
}

impl Span {
    /// Whether begin or end of the class could not be told.
    pub(super) fn unbounded(&self) -> bool {
        self.bounds.begin.is_none() || self.bounds.until.is_none()
    }

    /// What an enrollment without dates of its own is worth today.
    pub(super) fn undated(&self) -> Standing {
        self.undated.unwrap_or(Standing::Ended)
    }

    /// The first day, and the first day after the last.
    pub(super) fn days(&self) -> (Option<Date>, Option<Date>) {
        (self.bounds.begin, self.bounds.until)
    }

    /// Whether a period with these ends of its own has both, the class's standing in.
    pub(super) fn bounds_both(&self, begin: Option<Date>, end: Option<Date>) -> bool {
        begin.or(self.bounds.begin).is_some() && end.or(self.bounds.until).is_some()
    }
}

/// The sessions of a district, read for one day. All ends are turned into the first day after.
#[derive(Debug)]
pub(super) struct Calendar<'a> {
    today: Date,
    end_dates: EndDates,
    sessions: BTreeMap<&'a SourceId, &'a Session>,
    years: BTreeMap<Year, YearDates>,
}

impl<'a> Calendar<'a> {
    /// Reads the sessions of `rosters`, an earlier one going before a later one.
    pub(super) fn new(rosters: &[View<'a>], end_dates: EndDates, today: Date) -> Self {
        let mut sessions = BTreeMap::new();
        for roster in rosters.iter().rev() {
            sessions.extend(roster.sessions().values().map(|session| (&session.id, session)));
        }
        let mut it = Self { today, end_dates, sessions, years: BTreeMap::new() };
        it.years = it.read_years();
        it
    }

    fn read_years(&self) -> BTreeMap<Year, YearDates> {
        let mut years: BTreeMap<Year, YearDates> = BTreeMap::new();
        for session in self.sessions.values() {
            let Some(year) = self.year_of(session) else { continue };
            let dates = years.entry(year).or_default();
            let until = session.ends_on.map(|end| self.first_day_after(end));
            if is_school_year(session) {
                dates.own = Bounds { begin: session.starts_on, until };
            } else {
                dates.begins.extend(session.starts_on);
                dates.over = dates.over.max(until);
            }
        }
        for dates in years.values_mut() {
            dates.begins.sort_unstable();
            dates.over = dates.over.or(dates.own.until);
        }
        years
    }

    fn first_day_after(&self, end: Date) -> Date {
        match self.end_dates {
            EndDates::Exclusive => end,
            EndDates::Inclusive => end.checked_add_days(Days::new(1)).unwrap_or(end),
        }
    }

    /// The session's ancestors, itself first; a loop of parents ends where it closes.
    fn ancestors(&self, session: &'a Session) -> Vec<&'a Session> {
        let mut chain = vec![session];
        let mut next = session.parent.as_ref();
        while let Some(parent) = next.and_then(|id| self.sessions.get(id)) {
            if chain.iter().any(|seen| seen.id == parent.id) {
                break;
            }
            chain.push(parent);
            next = parent.parent.as_ref();
        }
        chain
    }

    /// The school year a session belongs to: the one above it, else the source's word for it, else the one its first day
    /// falls in (Clever's terms name none).
    fn year_of(&self, session: &'a Session) -> Option<Year> {
        let chain = self.ancestors(session);
        if let Some(year) = chain.iter().find(|it| is_school_year(it)) {
            return Some(Year::Session(year.id.clone()));
        }
        if let Some(word) = chain.iter().find_map(|it| it.school_year.as_ref()) {
            return Some(Year::Word(word.clone()));
        }
        let day = chain.iter().find_map(|it| it.starts_on.or(it.ends_on))?;
        Some(Year::Calendar(day.year() + i32::from(day.month() >= SCHOOL_YEAR_BEGINS)))
    }

    /// When a class is held: from its earliest session to its latest, else its school year.
    pub(super) fn span(&self, class: &Class) -> Span {
        let mut span = Span::default();
        for session in class.sessions.iter().filter_map(|id| self.sessions.get(id)) {
            let until = session.ends_on.map(|end| self.first_day_after(end));
            span.bounds.begin = match (span.bounds.begin, session.starts_on) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            span.bounds.until = span.bounds.until.max(until);
            span.session_ends.extend(until);
            span.years.extend(self.year_of(session));
        }
        span.years.sort_unstable();
        span.years.dedup();
        for year in span.years.iter().filter_map(|year| self.years.get(year)) {
            span.bounds.begin = span.bounds.begin.or(year.own.begin);
            span.bounds.until = span.bounds.until.or(year.own.until);
        }
        span.undated = Some(self.standing_of(&[Period { begin: None, end: None }], &span));
        span
    }

    /// What `enrollment` in a class of `span` is worth today.
    pub(super) fn standing(&self, enrollment: &Enrollment, span: &Span) -> Standing {
        if enrollment.periods.is_empty() { span.undated() } else { self.standing_of(&enrollment.periods, span) }
    }

    fn standing_of(&self, periods: &[Period], span: &Span) -> Standing {
        let mut ended: Option<Date> = None;
        let mut later = false;
        for period in periods {
            let begin = period.begin.or(span.bounds.begin);
            let until = period.end.map(|end| self.first_day_after(end)).or(span.bounds.until);
            let begun = begin.is_none_or(|day| day <= self.today);
            match until {
                Some(day) if day <= self.today => ended = ended.max(Some(day)),
                _ if begun => return Standing::Running,
                _ => later = true,
            }
        }
        match ended.map(|day| self.after(day, span)) {
            None | Some(Standing::Ended) if later => Standing::NotBegun,
            Some(standing) => standing,
            None => Standing::Ended,
        }
    }

    /// What an enrollment is worth whose first day after was `ended`. Only one that ran to the end of a session of its class
    /// can be in a break: a child who dropped a class in October does not wait for the next quarter.
    fn after(&self, ended: Date, span: &Span) -> Standing {
        let ran_out = span.session_ends.contains(&ended) || span.bounds.until.is_some_and(|until| until <= ended);
        if !ran_out {
            return Standing::Ended;
        }
        let years = || span.years.iter().filter_map(|year| self.years.get(year));
        let next = years().filter_map(|year| year.begins.iter().find(|begin| **begin >= ended)).min();
        if let Some(next) = next
            && *next > self.today
            && (*next - ended).num_days() <= LONGEST_BREAK
        {
            return Standing::Running;
        }
        match years().filter_map(|year| year.over).max() {
            Some(over) if over <= ended => Standing::YearOver(ended),
            _ => Standing::Ended,
        }
    }
}

/// Which classes and enrollments of a roster have not ended by a day, by what is known of their dates: their own, their
/// sessions', the school year's. One that has not begun has not ended.
#[derive(Debug)]
pub struct Lasting<'a> {
    calendar: Calendar<'a>,
    spans: BTreeMap<&'a SourceId, Span>,
}

impl<'a> Lasting<'a> {
    /// Reads a roster for one day.
    pub fn on(roster: &'a Roster, end_dates: EndDates, today: Date) -> Self {
        let calendar = Calendar::new(&[View::from(roster)], end_dates, today);
        let spans = roster.classes.values().map(|class| (&class.id, calendar.span(class))).collect();
        Self { calendar, spans }
    }

    /// Whether an enrollment has not ended. Of a class that the roster has not, its own dates alone tell.
    pub fn enrollment(&self, enrollment: &Enrollment) -> bool {
        let standing = match self.spans.get(&enrollment.class) {
            Some(span) => self.calendar.standing(enrollment, span),
            None if enrollment.periods.is_empty() => Standing::Running,
            None => self.calendar.standing_of(&enrollment.periods, &Span::default()),
        };
        matches!(standing, Standing::Running | Standing::NotBegun)
    }

    /// Whether the sessions of a class have not all passed.
    pub fn class(&self, class: &Class) -> bool {
        let span = self.spans.get(&class.id);
        span.and_then(|span| span.bounds.until).is_none_or(|until| self.calendar.today < until)
    }
}

fn is_school_year(session: &Session) -> bool {
    session.session_type.eq_ignore_ascii_case("schoolyear")
}
