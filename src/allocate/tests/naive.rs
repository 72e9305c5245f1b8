//! The rules of licensing.md written a third time, for generated districts only and from what they were generated from: no
//! code shared with the engine or the checker, every step as slow and plain as it reads.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::flow::seatable;
use super::generate::{Person, Presence, SCHOOLS, Terms};
use crate::model::{Basis, OverrideKind, ReleaseReason, RoleName};

/// Who has a seat and who waits, first first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) seated: BTreeSet<String>,
    pub(super) granted: BTreeSet<String>,
    pub(super) line: Vec<String>,
}

/// What someone wants; the bool says whether a person decided it by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    Pinned,
    Seat,
    /// Only a seat that is there.
    Keeps,
    /// Only a seat or a place that is there.
    KeepsPlace,
    Nothing(bool),
}

/// How an enrollment in one of the three classes stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Now {
    Runs,
    YearOver,
    Over,
    None,
}

fn now(class: Option<&str>, date: &str) -> Now {
    match (class, date) {
        (None, _) => Now::None,
        (Some("c-year" | "c-fall"), "2026-10-05" | "2026-12-28") => Now::Runs,
        (Some("c-later"), "2026-10-05" | "2026-12-28") | (Some("c-fall"), _) => Now::Over,
        _ => Now::YearOver,
    }
}

fn wants(terms: &Terms, number: usize, it: &Person) -> Wants {
    use Wants::{Keeps, KeepsPlace, Nothing, Pinned, Seat};
    match it.decision {
        Some(OverrideKind::Exclude) => return Nothing(true),
        _ if it.role != RoleName::Student => return Nothing(false),
        Some(OverrideKind::Pin) => return Pinned,
        None => {}
    }
    // Until the end of June the subscription keeps seats of a year that is over.
    let lasts = if terms.date == "2027-06-20" { Keeps } else { Nothing(false) };
    let stands = now(it.class, terms.date);
    let named = it.class == Some("c-year") && number != 0;
    let by_class = terms.of_class.filter(|_| named);
    if by_class == Some(OverrideKind::Exclude) && stands == Now::Runs {
        return Nothing(true);
    }
    if by_class == Some(OverrideKind::Pin) && stands == Now::Runs && terms.basis != Basis::Assigned {
        return Pinned;
    }
    let pinned_lasts = by_class == Some(OverrideKind::Pin) && stands == Now::YearOver && lasts == Keeps;
    let by_hand = terms.basis == Basis::Assigned;
    let fits = !terms.grades || it.grade == "01";
    let by_rule = match terms.basis {
        _ if !fits => Nothing(false),
        Basis::Active | Basis::Role => Seat,
        Basis::FirstUse if it.opened => Seat,
        Basis::FirstUse => KeepsPlace,
        Basis::Enrolled if stands == Now::Runs => Seat,
        Basis::Enrolled if stands == Now::YearOver => lasts,
        Basis::Enrolled => Nothing(false),
        Basis::Assigned if it.assigned => Seat,
        Basis::Assigned if by_class == Some(OverrideKind::Pin) && stands == Now::Runs => Seat,
        Basis::Assigned if pinned_lasts => Keeps,
        // Somebody took the assignment away, unless a class is assigned that they may have left.
        Basis::Assigned => {
            let excepted = it.class == Some("c-year") && number == 0;
            Nothing(terms.of_class != Some(OverrideKind::Pin) || excepted)
        }
    };
    match by_rule {
        // A pin goes before conditions, to the end of the class's last days; an assignment is what the basis asks.
        Nothing(_) if pinned_lasts && !by_hand => Keeps,
        other => other,
    }
}

/// A person: accounts by number.
struct Someone {
    accounts: Vec<usize>,
}

struct Model<'a> {
    terms: &'a Terms,
    people: &'a [Person],
}

impl Model<'_> {
    fn id(number: usize) -> String {
        format!("u{number}")
    }

    fn wants(&self, number: usize) -> Wants {
        let it = &self.people[number];
        match it.presence {
            Presence::Active => wants(self.terms, number, it),
            Presence::Disabled | Presence::Absent | Presence::Deleted => Wants::Nothing(false),
        }
    }

    /// In the roster and in demand, a seat or place being there or not.
    fn in_demand(&self, number: usize) -> bool {
        !matches!(self.wants(number), Wants::Nothing(_))
    }

    fn waits(&self, number: usize, place: bool) -> bool {
        match self.wants(number) {
            Wants::Pinned | Wants::Seat => true,
            Wants::KeepsPlace => place,
            Wants::Keeps | Wants::Nothing(_) => false,
        }
    }

    fn everyone(&self) -> Vec<Someone> {
        let linked = usize::from(self.terms.linked).saturating_mul(2).min(self.people.len());
        let one = (linked > 0).then(|| Someone { accounts: (0..linked).collect() });
        one.into_iter().chain((linked..self.people.len()).map(|number| Someone { accounts: vec![number] })).collect()
    }

    /// Mere absence within its grace, which began on the first of October or tonight.
    fn in_grace(&self, number: usize) -> bool {
        let it = &self.people[number];
        let wanted = it.presence == Presence::Absent && !matches!(wants(self.terms, number, it), Wants::Nothing(_));
        let since_october = it.seat.is_some_and(|(_, _, leaving)| leaving);
        wanted && self.terms.grace_days > 0 && !since_october
    }

    /// Whether a seat that nobody wants any more stays, because its end is held for review.
    fn held_back(&self, number: usize) -> bool {
        let it = &self.people[number];
        let review = it.bridged && it.held && !(self.terms.linked && number < 2);
        let by_hand = match it.presence {
            Presence::Active | Presence::Absent => wants(self.terms, number, it) == Wants::Nothing(true),
            Presence::Disabled | Presence::Deleted => false,
        };
        review && !by_hand
    }

    fn bridged(&self, number: usize) -> bool {
        self.people[number].bridged && !(self.terms.linked && number < 2)
    }

    /// The seat's next account, if it stays.
    fn heir(&self, one: &Someone) -> Option<(usize, usize)> {
        let seats = one.accounts.iter().filter(|number| self.people[**number].seat.is_some());
        let since = |number: &usize| std::cmp::Reverse(self.people[*number].seat.unwrap().1);
        // Account 0 stands for its person.
        let holder = *seats.min_by_key(|number| (!self.in_demand(**number), **number != 0, since(number), **number))?;
        let wanting = one.accounts.iter().copied().find(|number| self.in_demand(*number));
        if self.in_demand(holder) {
            return Some((holder, holder));
        }
        if let Some(heir) = wanting {
            return Some((holder, heir));
        }
        let absent = |number: usize| {
            let it = &self.people[number];
            it.presence == Presence::Absent && !matches!(wants(self.terms, number, it), Wants::Nothing(_))
        };
        let marked = self.people[holder].seat.is_some_and(|(_, _, leaving)| leaving);
        let grace = one.accounts.iter().any(|number| absent(*number)) && self.terms.grace_days > 0 && !marked;
        (grace || self.in_grace(holder) || self.held_back(holder)).then_some((holder, holder))
    }

    fn pools(&self, one: &Someone) -> Vec<String> {
        let here = |number: &&usize| one.accounts.len() == 1 || self.people[**number].presence == Presence::Active;
        let schools = one.accounts.iter().filter(here).flat_map(|number| {
            let it = &self.people[*number];
            let known = it.presence != Presence::Deleted;
            it.schools.iter().filter(move |_| known).map(ToString::to_string)
        });
        schools.chain(["district".to_owned()]).collect()
    }

    fn rooms(&self) -> (BTreeMap<String, u32>, u32) {
        let mut rest = self.terms.seats;
        let mut rooms = BTreeMap::new();
        for (school, seats) in SCHOOLS.iter().zip(&self.terms.allotments) {
            let seats = (*seats).min(rest);
            rest -= seats;
            if self.terms.site != Some(*school) {
                rooms.insert((*school).to_owned(), seats);
            }
        }
        let freed: u32 = rooms.values().sum();
        let second = if self.terms.date == "2027-07-05" { 0 } else { self.terms.second.unwrap_or(0) };
        rooms.insert("district".to_owned(), self.terms.seats - freed + second);
        (rooms, self.terms.seats + second)
    }
}

/// What allocation must come to; none where the model has no opinion (seats above the total beside a site license, which
/// may or may not move there).
pub(super) fn expected(terms: &Terms, people: &[Person]) -> Option<Expected> {
    let model = Model { terms, people };
    if terms.site.is_some() && (terms.overage.is_some() || terms.reclaim.is_some()) {
        return None;
    }
    let everyone = model.everyone();
    let suspended = terms.date == "2027-08-20";
    let mut keeps: Vec<(usize, usize, &Someone)> = Vec::new();
    let mut asks: Vec<&Someone> = Vec::new();
    for one in &everyone {
        let place = one.accounts.iter().any(|number| people[*number].seat.is_none() && people[*number].waits.is_some());
        if one.accounts.iter().any(|number| people[*number].seat.is_some()) {
            keeps.extend(model.heir(one).map(|(holder, heir)| (holder, heir, one)));
        } else if one.accounts.iter().any(|number| model.waits(*number, place)) {
            asks.push(one);
        }
    }
    let (mut rooms, mut total) = model.rooms();
    let site_pool = |pool: &str| terms.site == Some(pool);
    if terms.date == "2027-07-05" {
        let used = people.iter().filter(|it| it.seat.is_some_and(|(pool, ..)| !site_pool(pool))).count();
        total = total.min(u32::try_from(used).unwrap());
    }
    let mut taken_back = Vec::new();
    let mut limit = total;
    if !suspended && terms.site.is_none() {
        let in_grace = terms.date == "2027-07-05";
        let more = terms.overage.filter(|_| !in_grace).map_or(0, |percent| terms.seats * percent / 100);
        let used = keeps.iter().filter(|(holder, heir, _)| !(model.bridged(*holder) && holder == heir)).count();
        let used = u32::try_from(used).unwrap();
        let days = terms.over.unwrap_or(0);
        let reclaims = terms.reclaim.filter(|_| !in_grace);
        let due = reclaims.is_some_and(|after| days >= i64::from(after));
        if used > total + more && due && people.iter().any(|it| it.seat.is_some() && it.claimed.is_some()) {
            let mut turn: Vec<_> = keeps
                .iter()
                .filter(|(holder, heir, _)| !(model.bridged(*holder) && holder == heir))
                .filter(|(.., one)| !one.accounts.iter().any(|number| model.wants(*number) == Wants::Pinned))
                .map(|(holder, heir, one)| {
                    let it = &people[*holder];
                    (it.claimed.is_some(), std::cmp::Reverse(it.claimed), it.seat.unwrap().1, *holder, *heir, *one)
                })
                .collect();
            turn.sort_by_key(|it| (it.0, it.1, it.2, it.3));
            turn.truncate(usize::try_from(used - total - more).unwrap());
            taken_back = turn.into_iter().map(|(.., holder, _, one)| (holder, one)).collect();
        }
        if more > 0 && (used <= total || days <= 14) {
            limit += more;
            *rooms.get_mut("district").unwrap() += more;
        }
    }
    keeps.retain(|(holder, ..)| !taken_back.iter().any(|(taken, _)| taken == holder));
    let reclaimed: Vec<&Someone> = taken_back.iter().map(|(_, one)| *one).collect();
    asks.extend(reclaimed.iter().filter(|one| one.accounts.iter().any(|number| model.waits(*number, false))));

    let mut seated: Vec<Vec<String>> = Vec::new();
    let mut stranded = 0;
    keeps.sort_by_key(|(holder, heir, _)| (std::cmp::Reverse(people[*holder].seat.unwrap().1), *heir));
    let counted: Vec<_> =
        keeps.iter().filter(|(holder, heir, _)| !(model.bridged(*holder) && holder == heir)).collect();
    let over = u32::try_from(counted.len()).unwrap() > limit;
    if terms.site.is_some() && over && !suspended {
        return None;
    }
    for (.., one) in counted {
        let mut more = seated.clone();
        more.push(model.pools(one));
        if seatable(&more, &rooms, terms.site, u32::MAX) { seated = more } else { stranded += 1 }
    }
    let mut line: Vec<_> = asks
        .iter()
        .map(|one| {
            let again = reclaimed.iter().any(|it| std::ptr::eq(*it, *one));
            let places = one.accounts.iter().filter(|number| people[**number].seat.is_none() && !again);
            let waited = places.filter_map(|number| people[*number].waits).max();
            let own = |number: usize| !again && people[number].seat.is_none() && people[number].waits.is_some();
            let first = one.accounts.iter().find(|number| model.waits(**number, own(**number)));
            let first = first.or_else(|| one.accounts.iter().find(|number| model.waits(**number, waited.is_some())));
            let first = *first.unwrap();
            let here: Vec<&Person> = one.accounts.iter().map(|number| &people[*number]).collect();
            let pinned = one.accounts.iter().any(|number| model.wants(*number) == Wants::Pinned);
            let returns = !again && here.iter().any(|it| it.ended == Some(ReleaseReason::Ended));
            let active = here.iter().filter(|it| it.presence == Presence::Active);
            let listed = |it: &&&Person| it.grade == "02";
            let order = match terms.order {
                false => 0,
                true if active.clone().any(|it| listed(&it)) => 0,
                true if active.clone().any(|it| it.schools.contains(&"s3")) => 1,
                true => 2,
            };
            let hash = hex::encode(Sha256::digest(format!("d/reading/{}", Model::id(first))));
            ((!pinned, !returns, std::cmp::Reverse(waited.unwrap_or(0)), order, hash), first, *one)
        })
        .collect();
    line.sort_by(|one, other| one.0.cmp(&other.0));
    let seats = keeps.iter().map(|(_, heir, _)| Model::id(*heir));
    let mut result = Expected { seated: seats.collect(), ..Expected::default() };
    for (_, first, one) in line {
        let held = one.accounts.iter().any(|number| people[*number].held && !(terms.linked && *number < 2));
        let mut more = seated.clone();
        more.push(model.pools(one));
        let fits = seatable(&more, &rooms, terms.site, limit.saturating_sub(stranded));
        if !suspended && !held && !over && fits {
            seated = more;
            result.granted.insert(Model::id(first));
            result.seated.insert(Model::id(first));
        } else {
            result.line.push(Model::id(first));
        }
    }
    Some(result)
}
