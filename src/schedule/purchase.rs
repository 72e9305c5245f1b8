//! One purchase that comes on its own, from the CRM (`PUT /v1/subscriptions/{id}`) or by hand: checked like the catalog's
//! document, durable in the queue before it is acknowledged, and put in force by a run of its own (S0.2).
//!
//! It counts until the document says something else of the same subscription than it said when the purchase came, as the
//! district's own overlays do. One that only ever came this way is not missed in the document.
//!
//! One that would take more seats away than the guard lets pass unattended (three seats where three thousand were meant) is not
//! taken until a person says that it is meant, as a document is not: by the hash that the refusal shows.

use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::catalog::{self, Fault, Known};
use crate::model::{DistrictId, Purchase, RunId, Subscription, SubscriptionId, Terms};
use crate::schedule::catalog::{HeldTerms, PURCHASE, too_much_of};
use crate::schedule::worker::Office;
use crate::store::{NewRequest, Said, StoreError};

/// What is to become of a purchase.
#[derive(Clone, Debug)]
pub enum Weighed {
    /// It is in force already, and nothing else is on its way.
    InForce(Purchase),
    /// The same waits in the queue.
    Queued(Purchase, RunId),
    /// It changes something.
    New(Purchase),
    /// It would take too much away, and nobody said that this is meant: nothing was changed, and no run was filed.
    Held(NotMeant),
}

/// What a purchase would take away, which is too much to be taken without a person's word.
#[derive(Clone, Debug, Serialize)]
pub struct NotMeant {
    changed: bool,
    run: Option<RunId>,
    subscription: Subscription,
    /// The limits that trip, as `catalog plan` tells them of a document.
    pub held: Vec<HeldTerms>,
    /// Names the purchase; accepting it takes this.
    pub hash: String,
}

/// Who asks, for what subscription, and what they accept.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The subscription that the call names; none where the body alone does.
    pub id: Option<&'a SubscriptionId>,
    /// Who.
    pub by: String,
    /// Why, for the audit.
    pub reason: Option<String>,
    /// The hash of a purchase that is meant, whatever it takes away.
    pub accept: Option<&'a str>,
}

/// The answer to a purchase that is in force already: nothing was changed, and no run was filed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "PurchaseInForce")]
pub struct Unchanged {
    changed: bool,
    run: Option<RunId>,
    subscription: Subscription,
}

impl Unchanged {
    /// With the subscription as it is in force.
    pub fn new(subscription: Subscription) -> Self {
        Self { changed: false, run: None, subscription }
    }
}

/// Why a purchase is not taken; nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It is wrong.
    #[error("{}", told(.0))]
    Faults(Vec<Fault>),
    /// Nobody knows the district.
    #[error("there is no district `{0}`: configure it, or share it with an app, first")]
    NoDistrict(DistrictId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn told(faults: &[Fault]) -> String {
    let places = faults.iter().map(|it| format!("{}: {}", it.place, it.message));
    places.collect::<Vec<_>>().join("; ")
}

/// Checks a purchase in JSON. `may` says whether the caller may act for its district, before anything is said of it.
pub async fn weigh<E: From<NotTaken>>(
    office: &Office,
    text: &str,
    asked: Asked<'_>,
    may: impl Fn(&DistrictId) -> Result<(), E>,
) -> Result<Weighed, E> {
    let said = office.store.known_subscriptions().await.map_err(NotTaken::from)?;
    let in_store = office.store.catalog().await.map_err(NotTaken::from)?;
    let known = Known { said: &said, in_force: &in_store.subscriptions };
    let read = catalog::purchase(text, asked.id, &in_store.products, known);
    if let Some(district) = district_of(text) {
        may(&district)?;
    }
    let subscription = read.map_err(NotTaken::Faults)?;
    let district = subscription.district.clone();
    if office.known.get(&district).is_none() {
        return Err(NotTaken::NoDistrict(district).into());
    }
    let Asked { by, reason, accept, .. } = asked;
    let purchase = match settled(office, subscription, by).await? {
        Weighed::New(purchase) => Purchase { reason, ..purchase },
        other => return Ok(other),
    };
    let hash = hash(&purchase.subscription);
    if accept == Some(hash.as_str()) {
        return Ok(Weighed::New(purchase));
    }
    let states = office.store.districts().await.map_err(NotTaken::from)?;
    // A district that comes with its first roster is not even known yet.
    let held = match states.iter().find(|it| it.id == district) {
        Some(state) => too_much_of(office, state, Said::Purchase(&purchase), office.clock.now()).await,
        None => Ok(None),
    };
    Ok(match held.map_err(NotTaken::from)? {
        None => Weighed::New(purchase),
        Some(terms) => Weighed::Held(NotMeant {
            changed: false,
            run: None,
            subscription: purchase.subscription,
            held: vec![terms],
            hash,
        }),
    })
}

/// Names what was bought: SHA-256 of what it says.
fn hash(subscription: &Subscription) -> String {
    hex::encode(Sha256::digest(serde_json::to_vec(subscription).unwrap_or_default()))
}

/// The district as it stands in the body, whatever else is wrong with it.
fn district_of(text: &str) -> Option<DistrictId> {
    let body: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(DistrictId::new(body.get("district")?.as_str()?))
}

async fn settled(office: &Office, subscription: Subscription, by: String) -> Result<Weighed, NotTaken> {
    let (id, district) = (subscription.id.clone(), subscription.district.clone());
    let open = office.queue.list(true).await?;
    let of_this = open.into_iter().filter(|it| it.mode == PURCHASE && it.district == district).filter_map(|it| {
        let queued: Purchase = serde_json::from_str(it.payload.as_deref()?).ok()?;
        (queued.subscription.id == id).then_some((it.run, queued))
    });
    let mut waiting = of_this.last();
    // The store has the run before the queue lets go of it; what it put in force is asked below.
    if let Some((run, _)) = &waiting
        && office.store.run(run).await?.is_some()
    {
        waiting = None;
    }
    let offer = office.store.offer(&district).await?;
    let over = offer.subscriptions.get(&id).map(|it| it.subscription.clone());
    let purchase = Purchase { subscription, over, by, reason: None };
    if let Some((run, queued)) = waiting {
        let same = queued.subscription == purchase.subscription && queued.over == purchase.over;
        return Ok(if same { Weighed::Queued(purchase, run) } else { Weighed::New(purchase) });
    }
    // Who brings the same again does not matter.
    let before = offer.purchases.get(&id).filter(|it| it.subscription == purchase.subscription);
    let repeated = before.filter(|it| it.over == purchase.over).unwrap_or(&purchase);
    let same = settles(office, repeated).await?;
    Ok(if same { Weighed::InForce(purchase) } else { Weighed::New(purchase) })
}

async fn settles(office: &Office, purchase: &Purchase) -> Result<bool, StoreError> {
    let district = &purchase.subscription.district;
    match office.store.terms(district, Said::Purchase(purchase)).await? {
        Terms::Settled => Ok(true),
        // What else is said is not this purchase's.
        Terms::Offered { change, .. } | Terms::Taken(change) => {
            let id = &purchase.subscription.id;
            Ok(change.purchase.is_none() && change.subscriptions.iter().all(|it| &it.after.id != id))
        }
    }
}

/// The request that puts a purchase in force.
pub fn request(request: NewRequest, purchase: &Purchase) -> Result<NewRequest, serde_json::Error> {
    Ok(NewRequest {
        mode: PURCHASE.to_owned(),
        requested_by: Some(purchase.by.clone()),
        payload: Some(serde_json::to_string(purchase)?),
        ..request
    })
}
