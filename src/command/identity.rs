//! `rosterd identity`: proposals of re-keyed and duplicate people, and what a person says of them (safety.md, Identity).

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Subcommand};

use crate::allocate::licenses;
use crate::command::output::Tone;
use crate::command::{CommandError, Session};
use crate::identity::{self, Key, Strength};
use crate::manual::{LinkWord, Verb};
use crate::model::{Baseline, DistrictId, LinkKind, Personal, SourceId, User};
use crate::report::{Pair, PairList, PairState};

/// Accounts that may be of one person
#[derive(Debug, Subcommand)]
pub(super) enum Identity {
    /// Proposals, likeliest first, and what was decided
    List(List),
    /// They are of one person: links them and allocates at once
    Accept(Accept),
    /// They are not: never proposed again
    Refuse(Decide),
    /// Takes a decision back
    Undo(Decide),
}

/// Proposals and decisions
#[derive(Debug, Args)]
pub(super) struct List {
    /// Of one district
    #[arg(long, value_name = "D")]
    district: Option<String>,
}

/// One person
#[derive(Debug, Args)]
pub(super) struct Accept {
    /// Pairs, by the ids that `identity list` shows
    #[arg(value_name = "ID", required_unless_present = "rekeyed")]
    ids: Vec<String>,
    /// Every re-keyed person of the district, as `identity list` shows them
    #[arg(long, requires = "district", conflicts_with = "ids")]
    rekeyed: bool,
    /// The district
    #[arg(long, value_name = "D")]
    district: Option<String>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// A decision
#[derive(Debug, Args)]
pub(super) struct Decide {
    /// Pairs, by the ids that `identity list` shows
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// The district
    #[arg(long, value_name = "D")]
    district: Option<String>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// One district's people, with those who left it.
struct People {
    baseline: Baseline,
    former: Vec<User>,
}

impl Identity {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        match self {
            Self::List(it) => it.run(session).await,
            Self::Accept(it) => it.run(session).await,
            Self::Refuse(it) => decide(session, it, LinkWord::Refuse).await,
            Self::Undo(it) => decide(session, it, LinkWord::Undo).await,
        }
    }
}

async fn people(session: &Session, district: &DistrictId) -> Result<People, CommandError> {
    let baseline = session.store().baseline(district).await?;
    Ok(People { former: session.store().former_users(district).await?, baseline })
}

async fn districts(session: &Session, named: Option<&String>) -> Result<Vec<DistrictId>, CommandError> {
    match named {
        Some(id) => Ok(vec![session.district(id).await?]),
        None => Ok(session.store().districts().await?.into_iter().map(|it| it.id).collect()),
    }
}

async fn decide(session: &Session, asked: &Decide, word: LinkWord) -> Result<u8, CommandError> {
    say(session, asked.district.as_ref(), &asked.ids, word, &asked.reason).await
}

/// A pair names its district; several of one call must be of one, since they are one run.
async fn say(
    session: &Session,
    named: Option<&String>,
    ids: &[String],
    word: LinkWord,
    reason: &str,
) -> Result<u8, CommandError> {
    let ids: BTreeSet<String> = ids.iter().cloned().collect();
    let mut all = districts(session, named).await?;
    if all.len() > 1 {
        let mut of = Vec::new();
        for district in all {
            let People { baseline, former } = people(session, &district).await?;
            let open = identity::proposals(&baseline, &former);
            if open.iter().map(|it| &it.id).chain(baseline.identity.keys()).any(|id| ids.contains(id)) {
                of.push(district);
            }
        }
        all = of;
    }
    let [district] = all.as_slice() else {
        let message = if all.is_empty() {
            "no district has a pair of that id; `rosterd identity list` shows them"
        } else {
            "these pairs are of several districts: decide on those of one district at a time"
        };
        return Err(CommandError::Usage(message.to_owned()));
    };
    session.by_hand(district.clone(), &Verb::Identity { decision: word, ids }, Some(reason)).await
}

impl Accept {
    async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        if !self.rekeyed {
            return say(session, self.district.as_ref(), &self.ids, LinkWord::Accept, &self.reason).await;
        }
        let mut ids = Vec::new();
        for district in districts(session, self.district.as_ref()).await? {
            let People { baseline, former } = people(session, &district).await?;
            let all = identity::proposals(&baseline, &former).into_iter();
            ids.extend(all.filter(|it| it.kind == LinkKind::Rekeyed).map(|it| it.id));
        }
        if ids.is_empty() {
            return Err(CommandError::Failed("nobody is proposed as re-keyed: nothing was changed".to_owned()));
        }
        say(session, self.district.as_ref(), &ids, LinkWord::Accept, &self.reason).await
    }
}

impl List {
    async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let mut all = PairList { pairs: Vec::new(), if_merged: Vec::new() };
        let mut names: BTreeMap<(DistrictId, SourceId), String> = BTreeMap::new();
        for district in districts(session, self.district.as_ref()).await? {
            let People { baseline, former } = people(session, &district).await?;
            let rows = licenses(&baseline, session.as_of(), false);
            let PairList { pairs, if_merged } = PairList::new(&baseline, &former, &rows);
            if !session.output.json {
                names.extend(names_of(&district, &pairs, &baseline, &former));
            }
            all.pairs.extend(pairs);
            all.if_merged.extend(if_merged);
        }
        if session.output.json {
            session.output.document(&all)?;
            return Ok(0);
        }
        if all.pairs.is_empty() {
            session.output.line("no account is proposed as another one's person")?;
        } else {
            let rows = all.pairs.iter().map(|pair| cells(session, pair, &names)).collect();
            let header = ["ID", "DISTRICT", "KIND", "STATE", "SCORE", "ACCOUNTS", "SAME", "DIFFERENT", "NAMES"];
            session.output.table(&header, rows)?;
        }
        for it in all.if_merged.iter().filter(|it| it.assigned_if_merged < it.assigned) {
            let text = format!(
                "{} {}: {} seats used, {} if merged",
                it.district, it.product, it.assigned, it.assigned_if_merged
            );
            session.output.line(&text)?;
        }
        Ok(0)
    }
}

/// Names of the accounts of `pairs`, for the operator's terminal alone.
fn names_of(
    district: &DistrictId,
    pairs: &[Pair],
    baseline: &Baseline,
    former: &[User],
) -> BTreeMap<(DistrictId, SourceId), String> {
    let former: BTreeMap<&SourceId, &User> = former.iter().map(|user| (&user.id, user)).collect();
    let accounts = pairs.iter().flat_map(|pair| &pair.accounts);
    let named = accounts.filter_map(|id| {
        let user = baseline.roster.users.get(id).or_else(|| former.get(id).copied())?;
        let parts = [&user.given_name, &user.family_name].into_iter().flatten().map(Personal::reveal);
        Some(((district.clone(), id.clone()), parts.collect::<Vec<_>>().join(" ")))
    });
    named.collect()
}

fn cells(session: &Session, pair: &Pair, names: &BTreeMap<(DistrictId, SourceId), String>) -> Vec<String> {
    let words = |keys: &[Key]| keys.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(" ");
    let [first, second] = &pair.accounts;
    let arrow = if pair.survivor == *second { "→" } else { "←" };
    let name = |id: &SourceId| names.get(&(pair.district.clone(), id.clone())).map_or("?", String::as_str);
    let state = match (pair.state, pair.strength) {
        (PairState::Proposed, Some(Strength::Weak)) => session.output.tone(Tone::Quiet, "weak"),
        (PairState::Proposed, _) => "strong".to_owned(),
        (PairState::Accepted, _) => session.output.tone(Tone::Good, "accepted"),
        (PairState::Refused, _) => session.output.tone(Tone::Quiet, "refused"),
    };
    vec![
        pair.id.clone(),
        pair.district.to_string(),
        match pair.kind {
            LinkKind::Rekeyed => "rekeyed",
            LinkKind::Duplicate => "duplicate",
        }
        .to_owned(),
        state,
        pair.score.map(|score| score.to_string()).unwrap_or_default(),
        format!("{first} {arrow} {second}"),
        words(&pair.keys),
        words(&pair.against),
        format!("{} / {}", name(first), name(second)),
    ]
}
