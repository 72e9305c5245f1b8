//! What people decide by hand (licensing.md, By hand): one verb, checked against the district as it is, carried out as a run
//! of its own with the seats that follow from it.
//!
//! [`check`] asks before anything is queued; [`carry_out`] asks the same again, since the district may have moved meanwhile.

mod assign;
mod effect;
mod fleet;
mod identity;
mod import;
mod mode;
mod permit;
mod planned;
mod promise;
mod refused;
mod roster;
mod seen;
mod splits;
#[cfg(test)]
mod tests;
mod threshold;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::apply::Shown;
use crate::guard::{self, Circumstances, Cleared};
use crate::model::{
    Baseline, Catalog, Date, DistrictId, OverrideKind, ProductCode, RoleName, RunRecord, RunStatus, SourceId,
    SubscriptionId, Timestamp, User,
};
use crate::plan::{self, Cause, Change};
use crate::run::{self, Job, RunError, World};
use crate::store::{Store, WriteError};

use effect::Effect;
pub use fleet::{FLEET_NOT_HELD, FleetTold, acknowledge_fleet, fleet_told};
pub use import::{BadFile, ImportedSeat, Key, Line, MatchReport, Outcome, ProductTotal, Takeover, match_seats};
pub use mode::{ModeAsk, ModeRefused, set_mode};
pub use permit::{MATRIX, Who};
pub use planned::Planned;
pub use refused::Refused;
pub use seen::{NotSeen, acknowledge};

/// Whom `assign` and `unassign` are about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// These users; at least one.
    Users(BTreeSet<SourceId>),
    /// A class as it changes, with exceptions (S1.9).
    Class {
        /// The class.
        id: SourceId,
        /// Those left out.
        except: BTreeSet<SourceId>,
    },
}

/// What a person says of a pair of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkWord {
    /// They are of one person.
    Accept,
    /// They are not, and are never to be proposed again.
    Refuse,
    /// Takes back what was said.
    Undo,
}

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// A pin or an exclude; a pin waits where there is no seat.
    OverrideSet {
        /// The product.
        product: ProductCode,
        /// The user.
        user: SourceId,
        /// Which way.
        kind: OverrideKind,
        /// Last day it holds, inclusive.
        until: Option<Date>,
    },
    /// Takes a pin or an exclude away.
    OverrideClear {
        /// The product.
        product: ProductCode,
        /// The user.
        user: SourceId,
    },
    /// Switches an educator's access (S2.5).
    AccessSet {
        /// The product.
        product: ProductCode,
        /// The educator.
        educator: SourceId,
        /// ON or OFF.
        on: bool,
    },
    /// Gives a seat, or says how many there are (S0.1, S0.4).
    Assign {
        /// The product.
        product: ProductCode,
        /// To whom.
        whom: Whom,
    },
    /// Takes a seat.
    Unassign {
        /// The product.
        product: ProductCode,
        /// From whom.
        whom: Whom,
    },
    /// Hands one user's seat to another by name, past the line (S0.5).
    Reassign {
        /// The product.
        product: ProductCode,
        /// Who has it.
        from: SourceId,
        /// Who gets it.
        to: SourceId,
    },
    /// Changes one product of a user for another, both or neither (S1.3).
    Swap {
        /// The user.
        user: SourceId,
        /// The product that is given up.
        from: ProductCode,
        /// The product that is granted.
        to: ProductCode,
    },
    /// Says whether accounts are of one person (safety.md, Identity).
    Identity {
        /// What is said.
        decision: LinkWord,
        /// The pairs, by id.
        ids: BTreeSet<String>,
    },
    /// Moves seats between two schools' allotments of one subscription (S2.3).
    MoveSeats {
        /// The subscription.
        subscription: SubscriptionId,
        /// The school they are taken from: source id, identifier or NCES number.
        from: String,
        /// The school they go to.
        to: String,
        /// How many.
        seats: u32,
    },
    /// Takes over the seats that people have today, over capacity if need be.
    SeatsImport {
        /// What the match report made of the file.
        seats: Vec<ImportedSeat>,
    },
    /// Changes how many seats are left when the district is told (S4.6, S4.11).
    Threshold {
        /// The subscription.
        subscription: SubscriptionId,
        /// Seats left.
        remaining: u32,
    },
    /// Enrolls users in a class; only where the account is kept by hand, like all that follow.
    Enroll {
        /// The class.
        class: SourceId,
        /// At least one.
        users: BTreeSet<SourceId>,
        /// In which role.
        role: RoleName,
    },
    /// Ends enrollments in a class without deleting anyone (S2.8, S2.14).
    Unenroll {
        /// The class.
        class: SourceId,
        /// Whose; none for everyone's.
        users: Option<BTreeSet<SourceId>>,
    },
    /// Gives users a role at a school (S3.24).
    RoleAssign {
        /// At least one.
        users: BTreeSet<SourceId>,
        /// The role.
        role: RoleName,
        /// Source id, identifier or NCES number.
        school: String,
    },
    /// Takes a role at a school from users (S3.24).
    RoleRemove {
        /// At least one.
        users: BTreeSet<SourceId>,
        /// The role.
        role: RoleName,
        /// Source id, identifier or NCES number.
        school: String,
    },
    /// Moves users from one school to another (S3.26).
    Transfer {
        /// At least one.
        users: BTreeSet<SourceId>,
        /// Source id, identifier or NCES number.
        from: String,
        /// The same of the other school.
        to: String,
    },
    /// Enables or disables accounts (S4.46).
    SetActive {
        /// At least one.
        users: BTreeSet<SourceId>,
        /// Whether they are enabled.
        active: bool,
    },
}

/// A verb with who asks, why and when.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What.
    pub verb: &'a Verb,
    /// Whether the district's roster comes from a feed: then educators are the feed's (S1.13).
    pub fed: bool,
    /// Who.
    pub actor: &'a str,
    /// Why.
    pub reason: Option<&'a str>,
    /// The instant of the decision.
    pub as_of: Timestamp,
}

/// Everything that is asked of and known about the district.
#[derive(Clone, Copy, Debug)]
struct Case<'a> {
    asked: Asked<'a>,
    baseline: &'a Baseline,
    /// The catalog without the district's overlays.
    contract: &'a Catalog,
    /// Users that the source no longer has, where the verb is about them.
    former: &'a [User],
    shown: &'a Shown<'a>,
}

/// A verb that may be carried out: what is decided, and the plan that follows from it.
struct Worked {
    effect: Effect,
    baseline: Baseline,
    cleared: Cleared,
}

/// Says why a verb would be refused, and changes nothing.
pub async fn check(
    store: &Store,
    limits: &guard::Settings,
    district: &DistrictId,
    asked: Asked<'_>,
) -> Result<(), Refused> {
    worked_out(store, limits, district, asked, |_, _| ()).await
}

/// Says what a verb would do, or why it would be refused, and changes nothing (S0.7).
pub async fn foresee(
    store: &Store,
    limits: &guard::Settings,
    district: &DistrictId,
    asked: Asked<'_>,
) -> Result<Planned, Refused> {
    worked_out(store, limits, district, asked, |worked, shown| Planned::of(district, asked, worked, shown)).await
}

async fn worked_out<T>(
    store: &Store,
    limits: &guard::Settings,
    district: &DistrictId,
    asked: Asked<'_>,
    told: impl FnOnce(&Worked, &Shown<'_>) -> T,
) -> Result<T, Refused> {
    let baseline = store.baseline(district).await?.taking_up();
    let contract = baseline.with_taken_up(store.catalog().await?);
    let former = identity::former(store, &baseline, asked.verb).await?;
    let people = identity::people(pending(&baseline)?, &former);
    let shown = Shown::new(store.pseudonym_key(), &baseline, &people);
    let case = Case { asked, baseline: &baseline, contract: &contract, former: &former, shown: &shown };
    work_out(case, limits).map(|worked| told(&worked, &shown))
}

/// Carries a verb out as the run of `job` and returns that run.
pub async fn carry_out(job: &Job<'_>, verb: &Verb, world: &World<'_>) -> Result<RunRecord, Refused> {
    let mut attempts: u32 = 1;
    loop {
        match Box::pin(once(job, verb, world)).await {
            // The catalog moved meanwhile.
            Err(Refused::Failed(error)) if is_stale(&error) && attempts < run::ATTEMPTS => attempts += 1,
            done => return done,
        }
    }
}

fn is_stale(error: &RunError) -> bool {
    matches!(error, RunError::Write(WriteError::Stale { .. }))
}

async fn once(job: &Job<'_>, verb: &Verb, world: &World<'_>) -> Result<RunRecord, Refused> {
    let record = RunRecord { started_at: Some(world.clock.now()), status: RunStatus::Applying, ..job.run.clone() };
    let actor = job.run.requested_by.clone().unwrap_or_else(|| "unknown".to_owned());
    let baseline = world.store.baseline(&job.district.id()).await?.taking_up();
    run::not_before_the_last_change(record.as_of, &baseline).map_err(Box::new)?;
    let contract = baseline.with_taken_up(world.store.catalog().await?);
    let former = identity::former(world.store, &baseline, verb).await?;
    let people = identity::people(pending(&baseline)?, &former);
    let shown = Shown::new(world.store.pseudonym_key(), &baseline, &people);
    let asked = Asked {
        verb,
        fed: !job.district.is_by_hand(),
        actor: &actor,
        reason: record.reason.as_deref(),
        as_of: record.as_of,
    };
    let case = Case { asked, baseline: &baseline, contract: &contract, former: &former, shown: &shown };
    let Worked { effect, baseline: after, cleared } = work_out(case, world.limits)?;
    let decided = effect.decided();
    Ok(world.apply(job, record, &cleared, &after, decided, None).await.map_err(Box::new)?)
}

/// What a review would change: its users may be named by some verbs.
fn pending(baseline: &Baseline) -> Result<Vec<Change>, Refused> {
    Ok(plan::pending(baseline).map_err(|error| Box::new(error.into()))?)
}

/// Pure: what the verb decides, the seats that follow, and whether both are what the person asked for.
fn work_out(case: Case<'_>, limits: &guard::Settings) -> Result<Worked, Refused> {
    let effect = effect::of(case)?;
    let baseline = effect.applied_to(case.baseline);
    let cause = if effect.changes.is_empty() { Cause::Standing } else { Cause::ByHand(&effect.changes) };
    let plan = plan::make(&baseline, cause, case.asked.as_of).map_err(|error| Box::new(error.into()))?;
    let circumstances = Circumstances::default();
    let cleared = guard::review(plan, &baseline, limits, circumstances).map_err(|error| Box::new(error.into()))?;
    promise::kept(case, &effect, &baseline, cleared.seats())?;
    Ok(Worked { effect, baseline, cleared })
}
