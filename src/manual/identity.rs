//! Accept, refuse, undo: what people say of accounts that may be of one person (safety.md, Identity).
//!
//! An accepted link is a row beside the roster and never a merge of records, so that it can be undone with nothing lost
//! (U20): the accounts stay, and the seats follow.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::apply::Taken;
use crate::audit::{Category, Draft};
use crate::identity::{self, Proposal};
use crate::model::{Baseline, LinkDecision, LinkKind, LinkVerdict, RosterRecord, SourceId, Timestamp, User};
use crate::plan::Change;
use crate::store::{Store, StoreError};

use super::effect::Effect;
use super::{Case, LinkWord, Refused, Verb};

/// Users that the source no longer has, where the verb is about them.
pub(super) async fn former(store: &Store, baseline: &Baseline, verb: &Verb) -> Result<Vec<User>, StoreError> {
    match verb {
        Verb::Identity { .. } => store.former_users(&baseline.state.id).await,
        _ => Ok(Vec::new()),
    }
}

/// Users that the roster does not have, or not yet, as changes: the audit must know their personal fields to hide ids that
/// repeat them.
pub(super) fn people(mut pending: Vec<Change>, former: &[User]) -> Vec<Change> {
    let former = former.iter().cloned().map(User::into_record);
    pending.extend(former.filter_map(|user| Change::between(None, Some(user), false, false)));
    pending
}

impl Effect {
    pub(super) fn decide_links(
        &mut self,
        case: Case<'_>,
        word: LinkWord,
        ids: &BTreeSet<String>,
    ) -> Result<(), Refused> {
        if ids.is_empty() {
            return Err(Refused::Usage("nothing is named: give at least one pair; `rosterd identity list` shows them"));
        }
        let open: BTreeMap<String, Proposal> = match word {
            LinkWord::Undo => BTreeMap::new(),
            LinkWord::Accept | LinkWord::Refuse => {
                let all = identity::proposals(case.baseline, case.former).into_iter();
                all.map(|it| (it.id.clone(), it)).collect()
            }
        };
        for id in ids {
            let known = case.baseline.identity.get(id);
            match (word, known, open.get(id)) {
                (LinkWord::Undo, Some(decision), _) => self.undo_link(case, decision),
                (LinkWord::Undo, None, _) => return Err(undecided(case, id)),
                (LinkWord::Accept | LinkWord::Refuse, Some(decision), _) => {
                    return Err(Refused::Decided { id: id.clone(), verdict: word_of(decision.verdict) });
                }
                (LinkWord::Accept, None, Some(it)) => self.say(case, it, LinkVerdict::Accepted),
                (LinkWord::Refuse, None, Some(it)) => self.say(case, it, LinkVerdict::Refused),
                (LinkWord::Accept | LinkWord::Refuse, None, None) => return Err(Refused::NoPair(id.clone())),
            }
        }
        self.link_accounts(case.baseline);
        Ok(())
    }

    fn say(&mut self, case: Case<'_>, it: &Proposal, verdict: LinkVerdict) {
        let decision = LinkDecision {
            id: it.id.clone(),
            kind: it.kind,
            first: it.first.clone(),
            second: it.second.clone(),
            survivor: it.survivor.clone(),
            verdict,
            actor: case.asked.actor.to_owned(),
            at: case.asked.as_of,
            seats: if it.kind == LinkKind::Rekeyed { seats_of(case.baseline, &it.first) } else { Vec::new() },
        };
        self.entries.push(Draft {
            after: Some(told(case, &decision)),
            ..case.draft(Category::Administrative, "identity", word_of(verdict), it.id.clone())
        });
        self.by_hand.identity_put.push(decision);
    }

    fn undo_link(&mut self, case: Case<'_>, decision: &LinkDecision) {
        self.entries.push(Draft {
            before: Some(told(case, decision)),
            ..case.draft(Category::Administrative, "identity", "undone", decision.id.clone())
        });
        self.by_hand.identity_removed.push(decision.id.clone());
        for (product, since) in &decision.seats {
            let of = |user: &SourceId| case.baseline.seats.get(&(product.clone(), user.clone()));
            let Some(seat) = of(&decision.second).filter(|it| it.since == *since) else { continue };
            if of(&decision.first).is_some() {
                continue;
            }
            self.entries.push(Draft {
                before: Some(json!({ "pool": seat.pool, "since": seat.since })),
                reason: Some("link undone".to_owned()),
                ..case.draft(
                    Category::License,
                    "seat",
                    "released",
                    format!("{product}/{}", case.shown.user(&decision.second)),
                )
            });
            self.taken.push(Taken { seat: seat.clone(), from: decision.first.clone(), at: case.asked.as_of });
        }
    }

    /// The links that follow from the decisions, as far as they are not as before.
    fn link_accounts(&mut self, before: &Baseline) {
        let mut decisions = before.identity.clone();
        for id in &self.by_hand.identity_removed {
            decisions.remove(id);
        }
        decisions.extend(self.by_hand.identity_put.iter().map(|it| (it.id.clone(), it.clone())));
        let (gone, put) = identity::moved(before, &decisions);
        self.by_hand.persons_removed.extend(gone);
        self.by_hand.persons_put.extend(put);
    }

    /// The links of the district once this is decided.
    pub(super) fn apply_links(&self, after: &mut Baseline) {
        for id in &self.by_hand.identity_removed {
            after.identity.remove(id);
        }
        after.identity.extend(self.by_hand.identity_put.iter().map(|it| (it.id.clone(), it.clone())));
        for account in &self.by_hand.persons_removed {
            after.persons.remove(account);
        }
        after.persons.extend(self.by_hand.persons_put.iter().cloned());
        for taken in &self.taken {
            let product = &taken.seat.product;
            after.seats.remove(&(product.clone(), taken.seat.user.clone()));
            after.ended.insert((product.clone(), taken.from.clone()), taken.ended());
        }
    }
}

fn undecided(case: Case<'_>, id: &str) -> Refused {
    let open = identity::proposals(case.baseline, case.former).into_iter().any(|it| it.id == id);
    if open { Refused::Undecided(id.to_owned()) } else { Refused::NoPair(id.to_owned()) }
}

fn word_of(verdict: LinkVerdict) -> &'static str {
    match verdict {
        LinkVerdict::Accepted => "accepted",
        LinkVerdict::Refused => "refused",
    }
}

fn seats_of(baseline: &Baseline, user: &SourceId) -> Vec<(crate::model::ProductCode, Timestamp)> {
    let own = baseline.seats.values().filter(|seat| seat.user == *user);
    own.map(|seat| (seat.product.clone(), seat.since)).collect()
}

fn told(case: Case<'_>, it: &LinkDecision) -> Value {
    let accounts = [case.shown.user(&it.first), case.shown.user(&it.second)];
    json!({ "kind": it.kind, "accounts": accounts, "survivor": case.shown.user(&it.survivor) })
}
