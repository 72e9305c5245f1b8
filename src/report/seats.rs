//! Who has a seat of a product and who waits, as `rosterd seats --json` and the HTTP side write it (interface.md, JSON).

use serde::Serialize;

use crate::model::{Pool, Seat, SeatState, SourceId, Timestamp, Waiting};

/// `seats`: ids only.
#[derive(Debug, Serialize)]
pub struct SeatList {
    /// Seats, by user.
    pub holders: Vec<Holder>,
    /// Places in line, first come first.
    pub waitlist: Vec<Place>,
}

/// A seat.
#[derive(Debug, Serialize)]
pub struct Holder {
    /// Whose.
    pub user: SourceId,
    /// A school's id, or `district`.
    pub pool: Pool,
    /// Since when.
    pub since: Timestamp,
    /// First use.
    pub claimed_at: Option<Timestamp>,
    /// What it is today.
    pub state: SeatState,
}

/// A place in line.
#[derive(Debug, Serialize)]
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

impl SeatList {
    /// From what the store has.
    pub fn new(seats: Vec<Seat>, mut waiting: Vec<Waiting>) -> Self {
        waiting.sort_by_key(|it| it.position);
        let holder = |it: Seat| {
            let Seat { user, pool, since, claimed_at, state, .. } = it;
            Holder { user, pool, since, claimed_at, state }
        };
        let place = |it: Waiting| {
            let Waiting { user, position, since, short_of, product: _ } = it;
            Place { user, position, since, short_of }
        };
        Self { holders: seats.into_iter().map(holder).collect(), waitlist: waiting.into_iter().map(place).collect() }
    }
}
