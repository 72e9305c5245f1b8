//! May this user open this product: the answer to a login (interface.md, HTTP; S3.32, S3.34, S4.14, S4.34).

use chrono::{Days, NaiveTime, TimeZone};
use schemars::JsonSchema;
use serde::Serialize;

use crate::allocate::{Gives, Ground, gives};
use crate::model::{Basis, Date, ProductCode, SourceId, Timestamp};

use super::index::{Index, Offered, Place, Share};

/// The answer in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AccessVerdict")]
pub enum Verdict {
    /// No.
    No,
    /// Yes, though the subscription has ended (S3.21).
    Grace,
    /// Yes.
    Yes,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::No, Self::Grace, Self::Yes];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Grace => "grace",
            Self::Yes => "yes",
        }
    }
}

/// Why, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AccessReason")]
pub enum Reason {
    /// The user has a seat, or shares one.
    Seat,
    /// In demand, and all seats are in use.
    Waiting,
    /// Nothing gives this user the product.
    NotEligible,
    /// The product gives a seat at its first opening (`POST /v1/access`).
    NotOpened,
    /// A first opening is being carried out; ask again in a moment.
    Pending,
    /// The district's roster does not have this user.
    UnknownUser,
    /// A change that would bring this user waits for a person.
    Held,
    /// The subscription ended.
    Expired,
    /// The vendor set the subscription inactive.
    Inactive,
    /// The subscription has not begun.
    NotBegun,
    /// The district has no subscription.
    NotLicensed,
}

/// The answer for one product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ProductAccess")]
pub struct Answer {
    /// The product.
    pub product: ProductCode,
    /// Its name.
    pub name: String,
    /// The answer.
    pub access: Verdict,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for the user.
    pub text: String,
    /// The bundle whose seat gives it, where the product's own does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<ProductCode>,
    /// Last day of the coverage that gives it, grace included.
    pub until: Option<Date>,
}

/// What the contract gives on one day; made once a day for each district.
#[derive(Clone, Debug)]
pub struct Today {
    /// The day.
    pub day: Date,
    /// By place of the product.
    gives: Vec<Gives>,
}

impl Today {
    fn ground(&self, place: usize) -> Ground {
        self.gives.get(place).map_or(Ground::NotBought, |it| it.ground)
    }
}

/// Days since 1970 take the last five digits of a version, until the year 2243.
const DAYS: i64 = 100_000;

impl Index {
    /// The contract on a day.
    pub fn today(&self, day: Date) -> Today {
        let mut all = gives(&self.state, &self.catalog, &self.remembered, day);
        let missing = || Gives { ground: Ground::NotBought, carries: Vec::new() };
        let gives = self.products.iter().map(|it| all.remove(&it.code).unwrap_or_else(missing)).collect();
        Today { day, gives }
    }

    /// Grows with every commit of the district and with every day, so that of two answers the greater version is the later.
    pub fn version(&self, today: &Today) -> i64 {
        let epoch = Date::default();
        self.state.revision.saturating_mul(DAYS).saturating_add((today.day - epoch).num_days())
    }

    /// How long an answer may be cached: `usual` seconds, never beyond the end of the day in the district (an answer that is
    /// right today may be wrong tomorrow without anything being written).
    pub fn cache_seconds(&self, as_of: Timestamp, usual: u32) -> u32 {
        let zone = self.state.time_zone;
        let tomorrow = self.day(as_of).checked_add_days(Days::new(1));
        let midnight = tomorrow.map(|day| day.and_time(NaiveTime::MIN));
        // Where midnight is skipped by a change of the clock, the day begins within the hours after it.
        let begins = midnight.and_then(|it| {
            (0..4).find_map(|hours| zone.from_local_datetime(&(it + chrono::TimeDelta::hours(hours))).earliest())
        });
        let left = begins.map_or(0, |it| (it.to_utc() - as_of.instant()).num_seconds());
        u32::try_from(left).unwrap_or_default().min(usual)
    }

    /// The answer for one product; none for one that the catalog does not have.
    pub fn answer(&self, today: &Today, user: &SourceId, product: &ProductCode) -> Option<Answer> {
        let place = self.place(product)?;
        Some(self.answer_at(today, user.as_str(), place, self.products.get(place)?))
    }

    /// The answers for every product the district bought, on its own or in a bundle, by code.
    pub fn answers(&self, today: &Today, user: &SourceId) -> Vec<Answer> {
        let all = self.products.iter().enumerate();
        let bought = all.filter(|(place, it)| {
            let own = today.ground(*place) != Ground::NotBought;
            own || it.bundles.iter().any(|bundle| today.ground(usize::from(*bundle)) != Ground::NotBought)
        });
        bought.map(|(place, it)| self.answer_at(today, user.as_str(), place, it)).collect()
    }

    /// Products that a user may open, bundles and shared seats taken in: what a snapshot says of them.
    pub(super) fn seated(&self, today: &Today, user: &str) -> impl Iterator<Item = (usize, Ground)> {
        self.products.iter().enumerate().filter_map(move |(place, it)| {
            let (ground, _) = self.best(today, user, place, it)?;
            Some((place, ground))
        })
    }

    fn answer_at(&self, today: &Today, user: &str, place: usize, product: &Offered) -> Answer {
        let found = self.best(today, user, place, product);
        let bundle = found.and_then(|(_, via)| via).and_then(|via| self.products.get(usize::from(via)));
        let ground = found.map_or_else(|| today.ground(place), |(ground, _)| ground);
        let (access, reason) = match (found.is_some(), ground) {
            (true, Ground::Full { .. }) => (Verdict::Yes, Reason::Seat),
            (true, Ground::Grace { .. }) => (Verdict::Grace, Reason::Seat),
            _ => (Verdict::No, self.refusal(today, user, place, product, ground)),
        };
        let until = match ground {
            Ground::Full { last } | Ground::Grace { last } | Ground::Expired { last } => Some(last),
            Ground::Inactive | Ground::NotBegun { .. } | Ground::NotBought => None,
        };
        Answer {
            product: product.code.clone(),
            name: product.name.clone(),
            text: text(access, reason, &product.name, ground),
            access,
            reason,
            bundle: bundle.map(|it| it.code.clone()),
            until,
        }
    }

    /// The best seat that gives a product: its own, that of a bundle, or one that is carried over. Leaving and bridged seats
    /// count like any: access never blinks.
    fn best(&self, today: &Today, user: &str, place: usize, product: &Offered) -> Option<(Ground, Option<Place>)> {
        let own = self.has(user, place, product).then(|| (today.ground(place), None));
        let of_bundles = product.bundles.iter().filter_map(|bundle| {
            let at = usize::from(*bundle);
            let has = self.has(user, at, self.products.get(at)?);
            has.then(|| (today.ground(at), Some(*bundle)))
        });
        let seats = own.into_iter().chain(of_bundles).chain(self.carried(today, user, place));
        seats.min_by_key(|(ground, via)| (rank(*ground), via.is_some()))
    }

    /// A seat of a product that this one continues from today, before the first run of the day has written it.
    fn carried(&self, today: &Today, user: &str, place: usize) -> Option<(Ground, Option<Place>)> {
        let allocated = self.state.allocated_at.map(|it| self.day(it));
        let carries = today.gives.get(place)?.carries.iter();
        let mut due = carries.filter(|(_, starts)| allocated.is_some_and(|day| day < *starts));
        let old = |(code, _): &&(ProductCode, Date)| {
            let at = self.place(code)?;
            self.products.get(at).map(|it| self.has(user, at, it))
        };
        due.any(|it| old(&it) == Some(true)).then(|| (today.ground(place), None))
    }

    fn has(&self, user: &str, place: usize, product: &Offered) -> bool {
        let Ok(place) = Place::try_from(place) else { return false };
        let seated = |user: &str| self.share(user).is_some_and(|it| it.seats.contains(&place));
        seated(user) || (product.by_person && self.linked(user).any(seated))
    }

    fn refusal(&self, today: &Today, user: &str, place: usize, product: &Offered, ground: Ground) -> Reason {
        let nobody = Share::default();
        let share = self.share(user).unwrap_or(&nobody);
        // A seat that gives nothing any more says less than the product's own subscription, where that is in force.
        let own = today.ground(place);
        let ground = if rank(own).0 < rank(ground).0 { own } else { ground };
        let bundles = || product.bundles.iter().map(|it| usize::from(*it));
        let open = |place: usize| matches!(today.ground(place), Ground::Full { .. } | Ground::Grace { .. });
        match ground {
            _ if !share.here && share.held => Reason::Held,
            _ if !share.here && share.seats.is_empty() => Reason::UnknownUser,
            Ground::Full { .. } | Ground::Grace { .. } => self.without_seat(user, place, product),
            _ if bundles().any(open) => self.without_seat(user, place, product),
            Ground::Expired { .. } => Reason::Expired,
            Ground::Inactive => Reason::Inactive,
            Ground::NotBegun { .. } => Reason::NotBegun,
            Ground::NotBought => Reason::NotLicensed,
        }
    }

    fn without_seat(&self, user: &str, place: usize, product: &Offered) -> Reason {
        let own = Place::try_from(place).ok();
        let waits = |user: &str, of: Place| self.share(user).is_some_and(|it| it.waiting.contains(&of));
        let in_line = |of: Place| {
            let by_person = self.products.get(usize::from(of)).is_some_and(|it| it.by_person);
            waits(user, of) || (by_person && self.linked(user).any(|other| waits(other, of)))
        };
        if own.into_iter().chain(product.bundles.iter().copied()).any(in_line) {
            Reason::Waiting
        } else if product.basis == Basis::FirstUse {
            Reason::NotOpened
        } else {
            Reason::NotEligible
        }
    }
}

/// The better the smaller.
fn rank(ground: Ground) -> (u8, Option<std::cmp::Reverse<Date>>) {
    match ground {
        Ground::Full { last } => (0, Some(std::cmp::Reverse(last))),
        Ground::Grace { last } => (1, Some(std::cmp::Reverse(last))),
        Ground::Expired { last } => (2, Some(std::cmp::Reverse(last))),
        Ground::Inactive => (3, None),
        Ground::NotBegun { .. } => (4, None),
        Ground::NotBought => (5, None),
    }
}

impl Answer {
    /// The same while a first opening is being carried out.
    #[must_use]
    pub fn pending(self) -> Self {
        let text = format!("Your license for {} is being prepared. Please try again in a moment.", self.name);
        Self { access: Verdict::No, reason: Reason::Pending, text, ..self }
    }
}

fn text(access: Verdict, reason: Reason, name: &str, ground: Ground) -> String {
    let ask = "Please ask your district's administrator.";
    match (access, reason, ground) {
        (Verdict::Yes, ..) => format!("You have a license for {name}."),
        (Verdict::Grace, _, Ground::Grace { last }) => {
            format!(
                "You have a license for {name}. Your district's subscription has ended; you can use it until {last}."
            )
        }
        (Verdict::Grace, ..) => format!("You have a license for {name}. Your district's subscription has ended."),
        (_, Reason::Waiting, _) => {
            format!("All of your district's licenses for {name} are in use. You are on the waiting list.")
        }
        (_, Reason::NotOpened, _) => {
            format!("You get a license for {name} when you first open it, if one is available.")
        }
        (_, Reason::Pending, _) => format!("Your license for {name} is being prepared. Please try again in a moment."),
        (_, Reason::UnknownUser, _) => {
            "Your account is not in your district's roster yet. New accounts come with the next nightly update."
                .to_owned()
        }
        (_, Reason::Held, _) => {
            format!("Your account is part of a roster update that your district has to confirm first. {ask}")
        }
        (_, Reason::Expired, _) => format!("Your district's subscription to {name} has ended. {ask}"),
        (_, Reason::Inactive, _) => format!("Your district's subscription to {name} is not active. {ask}"),
        (_, Reason::NotBegun, Ground::NotBegun { first }) => {
            format!("Your district's subscription to {name} begins on {first}.")
        }
        (_, Reason::NotBegun, _) => format!("Your district's subscription to {name} has not begun."),
        (_, Reason::NotLicensed, _) => format!("Your district has no subscription to {name}. {ask}"),
        (_, Reason::NotEligible | Reason::Seat, _) => format!("{name} is not assigned to you. {ask}"),
    }
}
