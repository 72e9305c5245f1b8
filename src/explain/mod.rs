//! Why one user has a product or has it not: the whole chain of what must hold, the first broken link, who must act, and the
//! audit entries that led here (licensing.md, Explain; S3.32, S3.33, U12, U13, U23).
//!
//! Pure, and no second derivation: what the engine decides is asked of [`allocate::examine`]. Ids only, no names.

mod chain;
mod remedy;
mod text;

use schemars::JsonSchema;
use serde::Serialize;

use crate::allocate::{self, Ahead, ClassSeen, Condition, Examined, License};
use crate::apply::Shown;
use crate::audit::Entry;
use crate::model::{
    Access, Baseline, Date, DistrictId, HeldChange, Pool, Product, ProductCode, RunId, RunRecord, SeatState, SourceId,
    Timestamp,
};

pub use text::{Marks, text};

/// What is asked, and what is known beyond the baseline.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The district.
    pub baseline: &'a Baseline,
    /// The instant of the question.
    pub as_of: Timestamp,
    /// The user, by the source's id.
    pub user: &'a SourceId,
    /// The latest runs of the district, newest first.
    pub runs: &'a [RunRecord],
    /// What `rosterd licenses` says of the district.
    pub totals: &'a [License],
    /// Everything the audit has about the user, oldest first.
    pub audit: &'a [Entry],
    /// How ids stand in sentences that leave the house.
    pub shown: &'a Shown<'a>,
}

/// Who must act next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The district's student information system: what is recorded there is wrong or missing.
    Source,
    /// Clever, ClassLink or whoever passes the roster on.
    RosteringPlatform,
    /// The district's administrators.
    District,
    /// The vendor: contract, catalog, operations.
    Vendor,
    /// Nobody: it is as it should be, or comes by itself.
    Nobody,
}

impl Who {
    /// As sentences name them.
    pub fn words(self) -> &'static str {
        match self {
            Self::Source => "the school's records (source)",
            Self::RosteringPlatform => "the rostering platform",
            Self::District => "the district",
            Self::Vendor => "the vendor",
            Self::Nobody => "nobody",
        }
    }
}

/// The name of a link, in the order of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkName {
    /// Known to the feed.
    Known,
    /// The row can be used.
    RowValid,
    /// A class has begun and not ended.
    Class,
    /// In demand.
    Demand,
    /// Nothing about the user waits for a person.
    Review,
    /// The right role (S3.32, first).
    Role,
    /// Enough seats (S3.32, second).
    Seats,
    /// The district has the product activated (S3.32, third).
    Activation,
    /// A seat, or a place in line.
    Seat,
    /// The contract lets the seat give access.
    Contract,
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ExplanationLink")]
pub struct Link {
    /// Which.
    pub link: LinkName,
    /// Whether it holds; null where the product does not ask, or an earlier link leaves nothing to look at.
    pub ok: Option<bool>,
    /// What was seen, in a sentence.
    pub says: String,
    /// Conditions of the product, each with what it saw.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The user's enrollments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassSeen>,
}

/// A seat that is there.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Seated {
    /// Where it is drawn from.
    pub pool: Pool,
    /// Since when.
    pub since: Timestamp,
    /// First use.
    pub claimed_at: Option<Timestamp>,
    /// Last use.
    pub last_used_at: Option<Timestamp>,
    /// What it is today.
    pub state: SeatState,
}

/// A place in line, with who stands in front.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "LinePlace")]
pub struct Line {
    /// From 1.
    pub position: u32,
    /// How many wait altogether.
    pub of: usize,
    /// Since when.
    pub since: Timestamp,
    /// The pool without a seat.
    pub short_of: Pool,
    /// Who is ahead, by which rule.
    pub ahead: Vec<Ahead>,
}

/// The clocks that "immediately" may mean, each for itself (C6, U23).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Clocks {
    /// The roster in use was pulled then.
    pub roster: Option<Timestamp>,
    /// The source made it then, where it says so.
    pub source: Option<Timestamp>,
    /// Seats were allocated last.
    pub seats: Option<Timestamp>,
    /// The latest sync that ended, and how.
    pub last_sync: Option<LastSync>,
    /// The last day of the subscription.
    pub entitlement: Option<Date>,
}

/// The latest sync that ended.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LastSync {
    /// The run.
    pub run: RunId,
    /// When.
    pub as_of: Timestamp,
    /// How it ended.
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Explanation {
    /// The district.
    pub district: DistrictId,
    /// The product.
    pub product: ProductCode,
    /// The user.
    pub user: SourceId,
    /// The instant of the answer.
    pub as_of: Timestamp,
    /// `yes`, `grace` or `no`: whether the user may use the product now.
    pub access: &'static str,
    /// The first broken link; null for none.
    pub broken: Option<LinkName>,
    /// The whole chain.
    pub chain: Vec<Link>,
    /// The seat.
    pub seat: Option<Seated>,
    /// The place in line.
    pub line: Option<Line>,
    /// Who must act.
    pub who: Who,
    /// What to do.
    pub todo: String,
    /// A sentence to paste into a ticket; null where nobody must act.
    pub ticket: Option<String>,
    /// How fresh all of this is.
    pub clocks: Clocks,
    /// The latest audit entries that led here, oldest first.
    pub audit: Vec<Entry>,
    /// Older entries left out.
    pub audit_omitted: usize,
}

/// Audit entries of an answer.
const ENTRIES: usize = 20;

/// What the links look at.
struct Case<'a> {
    question: Question<'a>,
    product: &'a Product,
    examined: Examined,
    /// The product's sum; none if the district never bought it and has no seat of it.
    total: Option<&'a License>,
    /// Held changes of the user, their enrollments and classes.
    held: Vec<&'a HeldChange>,
    seat: Option<Seated>,
    line: Option<Line>,
}

/// Explains one product.
pub fn explain(question: Question<'_>, product: &Product) -> Explanation {
    let Question { baseline, as_of, user, .. } = question;
    let key = (product.code.clone(), user.clone());
    let examined = allocate::examine(allocate::Input::of(baseline, as_of), product, user);
    let seat = baseline.seats.get(&key).map(|it| Seated {
        pool: it.pool.clone(),
        since: it.since,
        claimed_at: it.claimed_at,
        last_used_at: it.last_used_at,
        state: it.state,
    });
    let total = question.totals.iter().find(|it| it.product == product.code);
    let line = baseline.waiting.get(&key).map(|it| Line {
        position: it.position,
        // Of a part of a district the line is not whole.
        of: total
            .and_then(|it| usize::try_from(it.waiting).ok())
            .unwrap_or_else(|| baseline.waiting.keys().filter(|(code, _)| *code == product.code).count()),
        since: it.since,
        short_of: it.short_of.clone(),
        ahead: examined.ahead.clone(),
    });
    let case = Case { total, held: chain::held(baseline, user), question, product, examined, seat, line };
    let chain = case.chain();
    let broken = chain.iter().find(|it| it.ok == Some(false)).map(|it| it.link);
    let (who, todo) = case.remedy(broken);
    let says = |name: LinkName| chain.iter().find(|it| it.link == name).map(|it| it.says.clone()).unwrap_or_default();
    let ticket = broken.filter(|_| who != Who::Nobody).map(|name| case.ticket(&says(name), &todo));
    let about: Vec<&Entry> = question.audit.iter().filter(|it| chain::concerns(it, product)).collect();
    let audit_omitted = about.len().saturating_sub(ENTRIES);
    Explanation {
        district: baseline.state.id.clone(),
        product: product.code.clone(),
        user: user.clone(),
        as_of,
        access: case.access(),
        broken,
        chain,
        who,
        todo,
        ticket,
        clocks: case.clocks(),
        audit: about.into_iter().skip(audit_omitted).cloned().collect(),
        audit_omitted,
        seat: case.seat,
        line: case.line,
    }
}

impl Case<'_> {
    fn access(&self) -> &'static str {
        let gives = self.total.as_ref().map_or(Access::None, |it| it.access);
        match (&self.seat, gives) {
            (Some(_), Access::Full) => "yes",
            (Some(_), Access::Grace) => "grace",
            (Some(_), Access::None | Access::Upcoming) | (None, _) => "no",
        }
    }

    fn last_sync(&self) -> Option<&RunRecord> {
        self.question.runs.iter().find(|it| matches!(it.mode.as_str(), "apply" | "plan"))
    }

    fn clocks(&self) -> Clocks {
        let state = &self.question.baseline.state;
        Clocks {
            roster: state.source.as_ref().map(|it| it.pulled_at),
            source: state.source.as_ref().and_then(|it| it.uploaded_at),
            seats: state.allocated_at,
            last_sync: self.last_sync().map(|it| LastSync {
                run: it.run.clone(),
                as_of: it.as_of,
                status: it.status.to_string(),
                error: it.error.clone(),
            }),
            entitlement: self.total.as_ref().and_then(|it| it.expires_on),
        }
    }
}
