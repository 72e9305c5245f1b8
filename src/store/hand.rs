//! What people decided by hand, written with the run that carries it out: overrides, educator access, assignments, links
//! between accounts, use of products, and the district's overlays over the catalog.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::allocate::SeatKey;
use crate::model::{
    Allotment, Assignment, Catalog, DistrictId, EducatorAccess, LinkDecision, Override, ProductCode, SourceId,
    SubscriptionId, Target, TermChange, Timestamp,
};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, bulk, statements};
use crate::store::seats::{each_batch, key_row};
use crate::store::threshold::{self, ThresholdOverlay};
use crate::store::{StoreError, identity};

const ASSIGNMENT: Table = Table("assignment");
const ACTIVITY: Table = Table("activity");
const OVERLAY: Table = Table("allotment_overlay");
const OVERRIDE: Table = Table("override");

statements! {
    ASSIGNMENTS = Sql::portable("SELECT body FROM assignment WHERE district = $1");
    OPENED = Sql::portable("SELECT product, user_id, first_used FROM activity WHERE district = $1");
    PERSONS = Sql::portable("SELECT account, person FROM person_link WHERE district = $1");
    OVERLAYS = Sql::portable("SELECT body FROM allotment_overlay WHERE district = $1 ORDER BY subscription");
    REMOVE_OVERLAY = Sql::portable("DELETE FROM allotment_overlay WHERE district = $1 AND subscription = $2");
    PUT_OVERRIDES = bulk!(
        "INSERT INTO override (district, product, user_id, kind, actor, reason, until)
         SELECT $1, r.product, r.user_id, r.kind, r.actor, r.reason, r.until",
        (product TEXT, user_id TEXT, kind TEXT, actor TEXT, reason TEXT, until TEXT),
        "WHERE true ON CONFLICT (district, product, user_id) DO UPDATE SET kind = excluded.kind,
             actor = excluded.actor, reason = excluded.reason, until = excluded.until"
    );
    REMOVE_OVERRIDES = bulk!(
        "DELETE FROM override WHERE district = $1 AND (product, user_id) IN (SELECT r.product, r.user_id",
        (product TEXT, user_id TEXT),
        ")"
    );
    PUT_ACCESSES = bulk!(
        "INSERT INTO educator_access (district, product, educator, is_on)
         SELECT $1, r.product, r.educator, r.is_on",
        (product TEXT, educator TEXT, is_on BOOLEAN),
        "WHERE true ON CONFLICT (district, product, educator) DO UPDATE SET is_on = excluded.is_on"
    );
    PUT_ASSIGNMENTS = bulk!(
        "INSERT INTO assignment (district, product, target, target_id, body)
         SELECT $1, r.product, r.target, r.target_id, r.body",
        (product TEXT, target TEXT, target_id TEXT, body TEXT),
        "WHERE true ON CONFLICT (district, product, target, target_id) DO UPDATE SET body = excluded.body"
    );
    REMOVE_ASSIGNMENTS = bulk!(
        "DELETE FROM assignment WHERE district = $1 AND (product, target, target_id) IN
             (SELECT r.product, r.target, r.target_id",
        (product TEXT, target TEXT, target_id TEXT),
        ")"
    );
    // A use that is reported late moves neither end inwards.
    PUT_ACTIVITY = bulk!(
        "INSERT INTO activity (district, product, user_id, first_used, last_used)
         SELECT $1, r.product, r.user_id, r.first_used, r.last_used",
        (product TEXT, user_id TEXT, first_used BIGINT, last_used BIGINT),
        "WHERE true ON CONFLICT (district, product, user_id) DO UPDATE SET
             first_used = CASE WHEN excluded.first_used < activity.first_used
                 THEN excluded.first_used ELSE activity.first_used END,
             last_used = CASE WHEN excluded.last_used > activity.last_used
                 THEN excluded.last_used ELSE activity.last_used END"
    );
    PUT_PERSONS = bulk!(
        "INSERT INTO person_link (district, account, person) SELECT $1, r.account, r.person",
        (account TEXT, person TEXT),
        "WHERE true ON CONFLICT (district, account) DO UPDATE SET person = excluded.person"
    );
    REMOVE_PERSONS = bulk!(
        "DELETE FROM person_link WHERE district = $1 AND account IN (SELECT r.account",
        (account TEXT),
        ")"
    );
    PUT_OVERLAYS = bulk!(
        "INSERT INTO allotment_overlay (district, subscription, body)
         SELECT $1, r.subscription, r.body",
        (subscription TEXT, body TEXT),
        "WHERE true ON CONFLICT (district, subscription) DO UPDATE SET body = excluded.body"
    );
}

/// When a user used a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// The product.
    pub product: ProductCode,
    /// The user.
    pub user: SourceId,
    /// First use.
    pub first: Timestamp,
    /// Last use.
    pub last: Timestamp,
}

/// How a district splits a subscription over its schools, instead of how the catalog does (licensing.md, Subscriptions; C15).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllotmentOverlay {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The catalog's own value when the district changed it; once the catalog says something else, that counts.
    pub over: Vec<Allotment>,
    /// The district's.
    pub allotments: Vec<Allotment>,
}

impl AllotmentOverlay {
    /// Puts the district's split in the place of the catalog's, if that is still the one it was laid over.
    pub fn lay_over(self, catalog: &mut Catalog) {
        let subscription = catalog.subscriptions.get_mut(&self.subscription);
        if let Some(it) = subscription.filter(|it| it.allotments == self.over) {
            it.allotments = self.allotments;
        }
    }
}

/// What people decided in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByHand {
    /// Pins and excludes that are new or changed.
    pub overrides_put: Vec<Override>,
    /// Pins and excludes that are cleared; each must be there.
    pub overrides_removed: Vec<SeatKey>,
    /// Educators switched ON or OFF.
    pub access_put: Vec<EducatorAccess>,
    /// Assignments that are new or changed.
    pub assignments_put: Vec<Assignment>,
    /// Assignments that end; each must be there.
    pub assignments_removed: Vec<(ProductCode, Target)>,
    /// Uses of products; what is stored keeps the earlier first and the later last one.
    pub activity: Vec<Activity>,
    /// Accounts with the one that stands for all of the person's.
    pub persons_put: Vec<(SourceId, SourceId)>,
    /// Accounts whose link is taken back; each must be there.
    pub persons_removed: Vec<SourceId>,
    /// Decisions on accounts of one person that are new or changed.
    pub identity_put: Vec<LinkDecision>,
    /// Decisions on accounts of one person that are undone; each must be there.
    pub identity_removed: Vec<String>,
    /// Splits of subscriptions.
    pub overlays_put: Vec<AllotmentOverlay>,
    /// Thresholds of subscriptions.
    pub thresholds_put: Vec<ThresholdOverlay>,
}

impl ByHand {
    /// Whether nothing was decided.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Serialize)]
struct OverrideRow<'a> {
    product: &'a str,
    user_id: &'a str,
    kind: String,
    actor: &'a str,
    reason: &'a str,
    until: Option<String>,
}

#[derive(Serialize)]
struct AccessRow<'a> {
    product: &'a str,
    educator: &'a str,
    is_on: bool,
}

#[derive(Serialize)]
struct AssignmentRow<'a> {
    product: &'a str,
    target: &'static str,
    target_id: &'a str,
    body: String,
}

#[derive(Serialize)]
struct TargetRow<'a> {
    product: &'a str,
    target: &'static str,
    target_id: &'a str,
}

#[derive(Serialize)]
struct ActivityRow<'a> {
    product: &'a str,
    user_id: &'a str,
    first_used: i64,
    last_used: i64,
}

#[derive(Serialize)]
struct PersonRow<'a> {
    account: &'a str,
    person: &'a str,
}

#[derive(Serialize)]
struct OverlayRow<'a> {
    subscription: &'a str,
    body: String,
}

fn target(of: &Target) -> (&'static str, &str) {
    match of {
        Target::User(id) => ("user", id.as_str()),
        Target::Class(id) => ("class", id.as_str()),
    }
}

pub(super) async fn put(tx: &mut Tx, district: &DistrictId, it: &ByHand) -> Result<(), StoreError> {
    put_decisions(tx, district, it).await?;
    each_batch(tx, PUT_ACTIVITY, district, &it.activity, |it| {
        Ok(ActivityRow {
            product: it.product.as_str(),
            user_id: it.user.as_str(),
            first_used: it.first.millis(),
            last_used: it.last.millis(),
        })
    })
    .await?;
    each_batch(tx, REMOVE_PERSONS, district, &it.persons_removed, |account| {
        Ok(PersonRow { account: account.as_str(), person: "" })
    })
    .await?;
    each_batch(tx, PUT_PERSONS, district, &it.persons_put, |(account, person)| {
        Ok(PersonRow { account: account.as_str(), person: person.as_str() })
    })
    .await?;
    identity::put(tx, district, &it.identity_removed, &it.identity_put).await?;
    each_batch(tx, PUT_OVERLAYS, district, &it.overlays_put, |it| {
        Ok(OverlayRow { subscription: it.subscription.as_str(), body: OVERLAY.to_json(it)? })
    })
    .await?;
    threshold::put(tx, district, &it.thresholds_put).await
}

async fn put_decisions(tx: &mut Tx, district: &DistrictId, it: &ByHand) -> Result<(), StoreError> {
    each_batch(tx, REMOVE_OVERRIDES, district, &it.overrides_removed, |key| Ok(key_row(key))).await?;
    each_batch(tx, PUT_OVERRIDES, district, &it.overrides_put, |it| {
        Ok(OverrideRow {
            product: it.product.as_str(),
            user_id: it.user.as_str(),
            kind: OVERRIDE.to_word(&it.kind)?,
            actor: &it.actor,
            reason: &it.reason,
            until: it.until.map(|day| day.to_string()),
        })
    })
    .await?;
    each_batch(tx, PUT_ACCESSES, district, &it.access_put, |it| {
        let (product, educator) = (it.product.as_str(), it.educator.as_str());
        Ok(AccessRow { product, educator, is_on: it.on })
    })
    .await?;
    each_batch(tx, REMOVE_ASSIGNMENTS, district, &it.assignments_removed, |(product, of)| {
        let (target, target_id) = target(of);
        Ok(TargetRow { product: product.as_str(), target, target_id })
    })
    .await?;
    each_batch(tx, PUT_ASSIGNMENTS, district, &it.assignments_put, |it| {
        let (target, target_id) = target(&it.target);
        Ok(AssignmentRow { product: it.product.as_str(), target, target_id, body: ASSIGNMENT.to_json(it)? })
    })
    .await
}

pub(super) async fn read_assignments(
    tx: &mut Tx,
    district: &DistrictId,
) -> Result<BTreeMap<(ProductCode, Target), Assignment>, StoreError> {
    let rows: Vec<(String,)> = tx.query(ASSIGNMENTS).bind(district.as_str()).fetch_all().await?;
    let read = |(body,): (String,)| {
        let it: Assignment = ASSIGNMENT.json("body", &body)?;
        Ok(((it.product.clone(), it.target.clone()), it))
    };
    rows.into_iter().map(read).collect()
}

pub(super) async fn read_opened(
    tx: &mut Tx,
    district: &DistrictId,
) -> Result<BTreeMap<SeatKey, Timestamp>, StoreError> {
    let rows: Vec<(String, String, i64)> = tx.query(OPENED).bind(district.as_str()).fetch_all().await?;
    let read = |(product, user, first): (String, String, i64)| {
        Ok(((product.into(), user.into()), ACTIVITY.instant("first_used", first)?))
    };
    rows.into_iter().map(read).collect()
}

pub(super) async fn read_persons(
    tx: &mut Tx,
    district: &DistrictId,
) -> Result<BTreeMap<SourceId, SourceId>, StoreError> {
    let rows: Vec<(String, String)> = tx.query(PERSONS).bind(district.as_str()).fetch_all().await?;
    Ok(rows.into_iter().map(|(account, person)| (account.into(), person.into())).collect())
}

/// Ends what the district laid over the fields of a subscription that its contract itself changes: it is over for good, also
/// where the contract says one day what it said before (C15, S4.11).
pub(super) async fn end_overlays(tx: &mut Tx, district: &DistrictId, change: &TermChange) -> Result<(), StoreError> {
    let (Some(before), after) = (&change.before, &change.after) else { return Ok(()) };
    if before.allotments != after.allotments {
        tx.query(REMOVE_OVERLAY).bind(district.as_str()).bind(after.id.as_str()).execute().await?;
    }
    if before.alert_remaining != after.alert_remaining {
        threshold::end(tx, district, &after.id).await?;
    }
    Ok(())
}

pub(super) async fn read_overlays(tx: &mut Tx, district: &DistrictId) -> Result<Vec<AllotmentOverlay>, StoreError> {
    let rows: Vec<(String,)> = tx.query(OVERLAYS).bind(district.as_str()).fetch_all().await?;
    rows.into_iter().map(|(body,)| OVERLAY.json("body", &body)).collect()
}
