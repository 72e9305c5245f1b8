//! Accounts that may be, or are, of one person, as `rosterd identity list --json` and the HTTP side write them: ids and the
//! names of keys, never their values.

use schemars::JsonSchema;
use serde::Serialize;

use crate::allocate::License;
use crate::identity::{self, Key, Proposal, Strength};
use crate::model::{Baseline, DistrictId, LinkDecision, LinkKind, LinkVerdict, ProductCode, SourceId, Timestamp, User};

/// What is open and what was said, and what seats come to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PairList {
    /// Proposals, likeliest first, then decisions.
    pub pairs: Vec<Pair>,
    /// Products that count accounts: both counts (S2.15, C4).
    pub if_merged: Vec<IfMerged>,
}

/// Where a pair stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PairState {
    /// Nobody has said anything.
    Proposed,
    /// One person.
    Accepted,
    /// Two, for ever.
    Refused,
}

/// A pair of accounts.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Pair {
    /// What `accept`, `refuse` and `undo` take.
    pub id: String,
    /// The district.
    pub district: DistrictId,
    /// Re-keyed or duplicate.
    pub kind: LinkKind,
    /// Where it stands.
    pub state: PairState,
    /// What a proposal rests on.
    pub strength: Option<Strength>,
    /// From 0 to 100, of a proposal.
    pub score: Option<u8>,
    /// Both, of a re-keyed person the old id first.
    pub accounts: [SourceId; 2],
    /// The one that stands for the person.
    pub survivor: SourceId,
    /// Keys that are the same.
    pub keys: Vec<Key>,
    /// Keys that differ.
    pub against: Vec<Key>,
    /// Who decided.
    pub by: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
}

/// Seats in use, and what they would be.
#[derive(Debug, Serialize, JsonSchema)]
pub struct IfMerged {
    /// The district.
    pub district: DistrictId,
    /// The product.
    pub product: ProductCode,
    /// With each account counted.
    pub assigned: u64,
    /// With each person counted.
    pub assigned_if_merged: u64,
}

impl PairList {
    /// Of one district; `rows` are its licenses.
    pub fn new(baseline: &Baseline, former: &[User], rows: &[License]) -> Self {
        let district = &baseline.state.id;
        let open = identity::proposals(baseline, former).into_iter().map(|it| proposed(district, it));
        let said = baseline.identity.values().map(|it| decided(district, it));
        let both = rows.iter().filter_map(|row| {
            let assigned_if_merged = row.assigned_if_merged?;
            let (district, product) = (row.district.clone(), row.product.clone());
            Some(IfMerged { district, product, assigned: row.assigned, assigned_if_merged })
        });
        Self { pairs: open.chain(said).collect(), if_merged: both.collect() }
    }
}

fn proposed(district: &DistrictId, it: Proposal) -> Pair {
    let Proposal { id, kind, strength, score, first, second, survivor, keys, against } = it;
    Pair {
        id,
        district: district.clone(),
        kind,
        state: PairState::Proposed,
        strength: Some(strength),
        score: Some(score),
        accounts: [first, second],
        survivor,
        keys,
        against,
        by: None,
        at: None,
    }
}

fn decided(district: &DistrictId, it: &LinkDecision) -> Pair {
    Pair {
        id: it.id.clone(),
        district: district.clone(),
        kind: it.kind,
        state: match it.verdict {
            LinkVerdict::Accepted => PairState::Accepted,
            LinkVerdict::Refused => PairState::Refused,
        },
        strength: None,
        score: None,
        accounts: [it.first.clone(), it.second.clone()],
        survivor: it.survivor.clone(),
        keys: Vec::new(),
        against: Vec::new(),
        by: Some(it.actor.clone()),
        at: Some(it.at),
    }
}
