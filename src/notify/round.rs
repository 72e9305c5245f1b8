//! One round of the sender: the week's digest, one message for each recipient of what came together, and the sending.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use rand::RngExt;

use crate::clock;
use crate::model::{Date, DistrictId, Message, Notice, Support, Timestamp};
use crate::notice::{self, Around};
use crate::retry::Policy;
use crate::secret::Environment;
use crate::store::{Store, StoreError, Taken};

use super::{NotTaken, Settings};

/// Longer than a message may take to be sent.
const LEASE: TimeDelta = TimeDelta::minutes(5);

/// Between two attempts of one message: from a minute to six hours, about two days in twenty attempts.
const BETWEEN: Policy = Policy {
    attempts: u32::MAX,
    first_wait: Duration::from_mins(1),
    longest_wait: Duration::from_hours(6),
    deadline: Duration::MAX,
};

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The recipient has it.
    Sent,
    /// Not yet.
    Again(String),
    /// It is not tried any more.
    GivenUp(String),
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The message.
    pub message: String,
    /// The recipient's `id`.
    pub recipient: String,
    /// `email` or `webhook`; empty for a recipient that is configured no more.
    pub way: &'static str,
    /// One line.
    pub subject: String,
    /// What became of it.
    pub reached: Reached,
}

/// What a round works with.
#[derive(Clone, Copy, Debug)]
pub struct Round<'a> {
    /// Notices and messages.
    pub store: &'a Store,
    /// `[notify]`.
    pub settings: &'a Settings,
    /// `[support]`.
    pub support: &'a Support,
    /// Where secrets by `env` are looked up.
    pub environment: Environment,
    /// The time of decisions.
    pub now: Timestamp,
    /// A person asked for it: nothing is waited for, neither for more to tell nor for the time of the next attempt.
    pub at_once: bool,
}

/// The local day of the week's digest that each district has had, so that a daemon looks once.
pub type Weeks = BTreeMap<DistrictId, Date>;

impl Round<'_> {
    /// Writes the week's notice of each district in which something is open since before it began.
    pub async fn note_weeks(&self, done: &mut Weeks) -> Result<(), StoreError> {
        let weekly = self.settings.week().ok().flatten().filter(|_| !self.settings.target.is_empty());
        let Some(weekly) = weekly else { return Ok(()) };
        for state in self.store.districts().await? {
            let Some(week) = weekly.latest(state.time_zone, self.now) else { continue };
            if done.get(&state.id) == Some(&week.day) {
                continue;
            }
            let alerts = self.store.alerts(&state.id, false).await?;
            let notice = notice::weekly(&state.id, &alerts, week, self.now, self.store.pseudonym_key());
            if let Some(notice) = notice {
                self.store.note(&notice).await?;
            }
            done.insert(state.id, week.day);
        }
        Ok(())
    }

    /// One message for each recipient of what came together, then every message whose time has come. `tell` hears of each
    /// attempt as it ends.
    pub async fn send(&self, mut tell: impl FnMut(&Delivered)) -> Result<(), StoreError> {
        self.gather().await?;
        let mut unreachable: BTreeSet<String> = BTreeSet::new();
        let now = clock::real_now();
        let due = if self.at_once { Timestamp::new(chrono::DateTime::<chrono::Utc>::MAX_UTC) } else { now };
        for (id, recipient) in self.store.due_messages(due, now).await? {
            // Whoever did not take one message would not take the next; the others do not wait for them.
            if unreachable.contains(&recipient) {
                continue;
            }
            let taken = self.store.take_message(&id, &recipient, clock::real_now(), LEASE).await?;
            let Some(taken) = taken else { continue };
            let delivered = self.deliver(taken).await?;
            if delivered.reached != Reached::Sent {
                unreachable.insert(recipient);
            }
            tell(&delivered);
        }
        Ok(())
    }

    /// Without recipients what waits is forgotten: whoever is named one day is not told of the year before.
    async fn gather(&self) -> Result<usize, StoreError> {
        let wait = if self.at_once || self.settings.target.is_empty() { 0 } else { self.settings.gather_minutes };
        let before = self.now.plus(-TimeDelta::minutes(i64::from(wait)));
        self.store.gather(before, self.now, |notices| self.messages(notices)).await
    }

    fn messages(&self, notices: &[Notice]) -> Vec<(String, Message)> {
        let around = Around { dashboard: self.settings.dashboard(), support: Some(self.support) };
        let of = |target: &super::Target| {
            let message = notice::compose(&target.id, &target.filter(), notices, around)?;
            Some((target.id.clone(), message))
        };
        self.settings.target.iter().filter_map(of).collect()
    }

    async fn deliver(&self, Taken { recipient, attempts, message }: Taken) -> Result<Delivered, StoreError> {
        let target = self.settings.target.iter().find(|it| it.id == recipient);
        let outcome = match target {
            Some(target) => self.settings.send(target, &message, self.environment).await,
            None => Err(NotTaken("[notify] has no target of this name any more".to_owned())),
        };
        let reached = match outcome {
            Ok(()) => {
                self.store.message_sent(&message.id, clock::real_now()).await?;
                Reached::Sent
            }
            Err(NotTaken(error)) => {
                let more = target.is_some() && attempts < self.settings.attempts;
                let wait = BETWEEN.wait(attempts, rand::rng().random_range(0.5..1.0));
                let wait = TimeDelta::from_std(wait).unwrap_or(TimeDelta::hours(6));
                let again = more.then(|| clock::real_now().plus(wait));
                self.store.message_not_sent(&message.id, again, &error).await?;
                if more { Reached::Again(error) } else { Reached::GivenUp(error) }
            }
        };
        let way = target.map_or("", super::Target::way);
        Ok(Delivered { message: message.id, recipient, way, subject: message.subject, reached })
    }
}
