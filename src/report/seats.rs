//! Who has a seat of a product and who waits, as `rosterd seats --json` and the HTTP side write it (interface.md, JSON).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Audience, Pool, Seat, SeatState, SourceId, Timestamp, User, Waiting};

/// `seats`: ids only.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SeatList {
    /// Seats, by user.
    pub holders: Vec<Holder>,
    /// Places in line, first come first.
    pub waitlist: Vec<Place>,
}

/// A seat.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Holder {
    /// Whose.
    pub user: SourceId,
    /// A school's id, or `district`.
    pub pool: Pool,
    /// Since when.
    pub since: Timestamp,
    /// First use.
    pub claimed_at: Option<Timestamp>,
    /// Last use that was reported.
    pub last_used_at: Option<Timestamp>,
    /// What it is today.
    pub state: SeatState,
}

/// A place in line.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WaitlistPlace")]
pub struct Place {
    /// Whose.
    pub user: SourceId,
    /// From 1.
    pub position: u32,
    /// Since when.
    pub since: Timestamp,
    /// The first pool that had no seat.
    pub short_of: Pool,
}

/// In which order holders are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// By id.
    #[default]
    User,
    /// Who has had it longest first.
    Since,
    /// Never used first, then the longest unused (S0.6).
    LastUse,
}

impl By {
    /// The order of a word.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "user" => Some(Self::User),
            "since" => Some(Self::Since),
            "last_use" => Some(Self::LastUse),
            _ => None,
        }
    }
}

impl SeatList {
    /// With the holders in another order.
    #[must_use]
    pub fn sorted(mut self, by: By) -> Self {
        match by {
            By::User => self.holders.sort_by(|one, other| one.user.cmp(&other.user)),
            By::Since => self.holders.sort_by(|a, b| (a.since, &a.user).cmp(&(b.since, &b.user))),
            By::LastUse => self.holders.sort_by(|a, b| (a.last_used_at, &a.user).cmp(&(b.last_used_at, &b.user))),
        }
        self
    }

    /// Only those of one audience; who is off the roster is of none (S0.6).
    #[must_use]
    pub fn of(mut self, audience: Audience, users: &BTreeMap<SourceId, User>) -> Self {
        let belongs = |id: &SourceId| {
            let of = users.get(id).and_then(User::audience);
            of == Some(audience) || (audience == Audience::Any && of.is_some())
        };
        self.holders.retain(|it| belongs(&it.user));
        self.waitlist.retain(|it| belongs(&it.user));
        self
    }

    /// From what the store has.
    pub fn new(seats: Vec<Seat>, mut waiting: Vec<Waiting>) -> Self {
        waiting.sort_by_key(|it| it.position);
        let holder = |it: Seat| {
            let Seat { user, pool, since, claimed_at, last_used_at, state, .. } = it;
            Holder { user, pool, since, claimed_at, last_used_at, state }
        };
        let place = |it: Waiting| {
            let Waiting { user, position, since, short_of, product: _ } = it;
            Place { user, position, since, short_of }
        };
        Self { holders: seats.into_iter().map(holder).collect(), waitlist: waiting.into_iter().map(place).collect() }
    }
}
