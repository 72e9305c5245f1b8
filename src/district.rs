//! A district as the configuration names it, or as a Clever app's token list shows it.

use chrono_tz::Tz;
use serde::Deserialize;

use crate::feed;
use crate::model::DistrictId;

/// `[[district]]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct District {
    /// `a-z 0-9 -`.
    pub id: String,
    /// For people; by default the id.
    pub name: Option<String>,
    /// Dates are dates here.
    pub time_zone: Tz,
    /// What happens to its first snapshot.
    #[serde(default)]
    pub first_sync: FirstSync,
    /// Whether the vendor's application lets teachers add students (S2.18). By default only where the account is kept by
    /// hand: a student who is not in the feed has no seat.
    pub teachers_may_create_students: Option<bool>,
    /// Where its roster comes from.
    pub feed: feed::Settings,
}

/// What happens to the first snapshot of a district or of a new feed (safety.md, First sync).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstSync {
    /// A person reads it first.
    #[default]
    Review,
    /// It applies.
    Apply,
}

impl District {
    /// The id; `config::read` checked it.
    pub fn id(&self) -> DistrictId {
        DistrictId::new(self.id.as_str())
    }

    /// Whether its roster is kept by hand: nothing is pulled, and what a fed district refuses is allowed (S0.3, S1.2).
    pub fn is_by_hand(&self) -> bool {
        matches!(self.feed, feed::Settings::Manual(_))
    }

    /// The one answer to whether teachers may add students, which the vendor's application asks for (S2.18).
    pub fn teachers_may_create_students(&self) -> bool {
        self.teachers_may_create_students.unwrap_or_else(|| self.is_by_hand())
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// A roster was sent along for a district that has a feed (S1.13).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "district `{0}` is rostered: its roster comes from its feed, and an upload would be undone by the next sync; change it in \
     the rostering platform and sync, or make the district's feed `manual`"
)]
pub struct NotByHand(pub DistrictId);
