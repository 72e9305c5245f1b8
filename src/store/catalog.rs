//! The catalog in two layers: what its document and single purchases say, and what is in force for each district
//! ([`crate::model::Offer`] says why). Offering writes the first layer only; the second is written with a run.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Catalog, ContractChange, DistrictId, DistrictState, Offer, Offered, Product, ProductCode, Purchase, Remembered,
    Subscription, SubscriptionId, Terms, Timestamp,
};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, statements};
use crate::store::failpoint::failpoint;
use crate::store::{Store, StoreError, district, hand};

const PRODUCT: Table = Table("product");
const SUBSCRIPTION: Table = Table("subscription");
const OFFERED_SUBSCRIPTION: Table = Table("offered_subscription");
const PURCHASE: Table = Table("purchase");
const LOOK: Table = Table("catalog_look");

/// The name of the one row of `catalog_look`.
const DOCUMENT: &str = "document";

statements! {
    PRODUCTS = Sql::portable("SELECT body FROM product ORDER BY code");
    CLEAR_PRODUCTS = Sql::portable("DELETE FROM product");
    PUT_PRODUCT = Sql::portable("INSERT INTO product (code, body) VALUES ($1, $2)");
    OFFERED = Sql::portable("SELECT body, vanished_since FROM offered_subscription WHERE district = $1 ORDER BY id");
    ALL_OFFERED = Sql::portable("SELECT body, vanished_since FROM offered_subscription ORDER BY district, id");
    PUT_OFFERED = Sql::portable(
        "INSERT INTO offered_subscription (district, id, body, vanished_since) VALUES ($1, $2, $3, $4)
         ON CONFLICT (district, id) DO UPDATE SET body = excluded.body, vanished_since = excluded.vanished_since",
    );
    REMOVE_OFFERED = Sql::portable("DELETE FROM offered_subscription WHERE district = $1 AND id = $2");
    PURCHASES = Sql::portable("SELECT body FROM purchase WHERE district = $1 ORDER BY subscription");
    ALL_PURCHASES = Sql::portable("SELECT body FROM purchase ORDER BY district, subscription");
    PUT_PURCHASE = Sql::portable(
        "INSERT INTO purchase (district, subscription, body) VALUES ($1, $2, $3)
         ON CONFLICT (district, subscription) DO UPDATE SET body = excluded.body",
    );
    IN_FORCE = Sql::portable("SELECT body FROM subscription WHERE district = $1 ORDER BY id");
    ALL_IN_FORCE = Sql::portable("SELECT body FROM subscription ORDER BY id");
    // Seats never cross a district, and so no subscription does (S4.47).
    PUT_SUBSCRIPTION = Sql::portable(
        "INSERT INTO subscription (id, district, product, body) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET product = excluded.product, body = excluded.body
         WHERE subscription.district = excluded.district",
    );
    RULES_IN_FORCE = Sql::portable("SELECT body FROM district_product WHERE district = $1 ORDER BY code");
    ALL_RULES_IN_FORCE = Sql::portable("SELECT district, body FROM district_product ORDER BY district, code");
    PUT_RULE = Sql::portable(
        "INSERT INTO district_product (district, code, body) VALUES ($1, $2, $3)
         ON CONFLICT (district, code) DO UPDATE SET body = excluded.body",
    );
    LOOKED = Sql::portable("SELECT looked_at, source, etag, outcome FROM catalog_look WHERE name = $1");
    PUT_LOOK = Sql::portable(
        "INSERT INTO catalog_look (name, looked_at, source, etag, outcome) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (name) DO UPDATE SET looked_at = excluded.looked_at, source = excluded.source,
             etag = excluded.etag, outcome = excluded.outcome",
    );
}

/// How a look at the catalog's document ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogLook {
    /// When.
    pub at: Timestamp,
    /// Where the last good document came from; none before the first.
    pub source: Option<String>,
    /// What its server called that version.
    pub etag: Option<String>,
    /// What there is to tell of this look, as JSON.
    pub outcome: String,
}

/// What a plan of the contract is made on.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// What is said in the store.
    Stored,
    /// As if this document were taken, at that instant.
    Document(&'a Catalog, Timestamp),
    /// With this purchase.
    Purchase(&'a Purchase),
}

fn products(rows: Vec<(String,)>) -> Result<BTreeMap<ProductCode, Product>, StoreError> {
    let products = rows.into_iter().map(|(body,)| {
        let it: Product = PRODUCT.json("body", &body)?;
        Ok((it.code.clone(), it))
    });
    products.collect()
}

fn subscriptions(rows: Vec<(String,)>) -> Result<BTreeMap<SubscriptionId, Subscription>, StoreError> {
    let subscriptions = rows.into_iter().map(|(body,)| {
        let it: Subscription = SUBSCRIPTION.json("body", &body)?;
        Ok((it.id.clone(), it))
    });
    subscriptions.collect()
}

fn offered((body, vanished_since): (String, Option<i64>)) -> Result<Offered, StoreError> {
    Ok(Offered {
        subscription: OFFERED_SUBSCRIPTION.json("body", &body)?,
        vanished_since: OFFERED_SUBSCRIPTION.instant_if("vanished_since", vanished_since)?,
    })
}

/// The document's products as they are kept.
pub(super) async fn product_bodies(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = tx.query(PRODUCTS).fetch_all().await?;
    Ok(rows.into_iter().map(|(body,)| body).collect())
}

/// The document's products.
pub(super) async fn read_products(tx: &mut Tx) -> Result<BTreeMap<ProductCode, Product>, StoreError> {
    products(tx.query(PRODUCTS).fetch_all().await?)
}

/// What is said of a district.
async fn read_offer(tx: &mut Tx, district: &DistrictId) -> Result<Offer, StoreError> {
    let mut offer = Offer { products: read_products(tx).await?, ..Offer::default() };
    for row in tx.query(OFFERED).bind(district.as_str()).fetch_all().await? {
        let it = offered(row)?;
        offer.subscriptions.insert(it.subscription.id.clone(), it);
    }
    let rows: Vec<(String,)> = tx.query(PURCHASES).bind(district.as_str()).fetch_all().await?;
    for (body,) in rows {
        let it: Purchase = PURCHASE.json("body", &body)?;
        offer.purchases.insert(it.subscription.id.clone(), it);
    }
    Ok(offer)
}

/// What is in force for a district: its subscriptions, and the products it bought.
pub(super) async fn read_in_force(tx: &mut Tx, district: &DistrictId) -> Result<Catalog, StoreError> {
    Ok(Catalog {
        products: products(tx.query(RULES_IN_FORCE).bind(district.as_str()).fetch_all().await?)?,
        subscriptions: subscriptions(tx.query(IN_FORCE).bind(district.as_str()).fetch_all().await?)?,
    })
}

/// What is in force for a district, with the document's other products.
pub(super) async fn read_for_access(tx: &mut Tx, district: &DistrictId) -> Result<Catalog, StoreError> {
    let mut catalog = read_in_force(tx, district).await?;
    for (code, product) in read_products(tx).await? {
        catalog.products.entry(code).or_insert(product);
    }
    Ok(catalog)
}

/// What is in force for one district.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The district.
    pub state: DistrictState,
    /// Its subscriptions, and the products it bought.
    pub catalog: Catalog,
    /// What the last allocation left to remember.
    pub remembered: Remembered,
}

/// A district's contract as plans need it.
#[derive(Debug)]
pub(super) struct Contract {
    /// In force; products that the district never bought as the document has them.
    pub(super) catalog: Catalog,
    pub(super) terms: Terms,
    pub(super) vanished: BTreeMap<SubscriptionId, Timestamp>,
}

impl Contract {
    pub(super) async fn read(tx: &mut Tx, district: &DistrictId, said: Said<'_>) -> Result<Self, StoreError> {
        let in_force = read_in_force(tx, district).await?;
        let mut offer = read_offer(tx, district).await?;
        let vanished = offer.vanished();
        let mut change = ContractChange::default();
        match said {
            Said::Stored => {}
            Said::Document(document, at) => offer.replace_document(district, document, at),
            Said::Purchase(purchase) => {
                let id = &purchase.subscription.id;
                let repeats = offer.purchases.get(id) == Some(purchase);
                let says_the_document = offer.says(id) == Some((&purchase.subscription, None));
                if !repeats && !says_the_document {
                    offer.purchases.insert(id.clone(), purchase.clone());
                    change.purchase = Some(purchase.clone());
                }
            }
        }
        let change = ContractChange { purchase: change.purchase, ..ContractChange::between(&in_force, &offer) };
        let with_the_rest = |mut catalog: Catalog| {
            for (code, product) in &offer.products {
                catalog.products.entry(code.clone()).or_insert_with(|| product.clone());
            }
            catalog
        };
        let terms = if change.is_empty() {
            Terms::Settled
        } else {
            let catalog = Box::new(with_the_rest(change.applied_to(&in_force)));
            Terms::Offered { catalog, change: Box::new(change) }
        };
        Ok(Self { catalog: with_the_rest(in_force), terms, vanished })
    }

    /// Lays what the district decided over both layers.
    pub(super) fn lay_over(&mut self, overlay: impl Fn(&mut Catalog)) {
        if let Terms::Offered { catalog, .. } = &mut self.terms {
            overlay(catalog);
        }
        overlay(&mut self.catalog);
    }
}

/// Puts in force what a run takes up.
pub(super) async fn put(tx: &mut Tx, district: &DistrictId, change: &ContractChange) -> Result<(), StoreError> {
    for it in &change.products {
        let query = tx.query(PUT_RULE).bind(district.as_str()).bind(it.after.code.as_str());
        query.bind(PRODUCT.to_json(&it.after)?).execute_exactly(1).await?;
    }
    for it in &change.subscriptions {
        let query = tx.query(PUT_SUBSCRIPTION).bind(it.after.id.as_str()).bind(district.as_str());
        query.bind(it.after.product.as_str()).bind(SUBSCRIPTION.to_json(&it.after)?).execute_exactly(1).await?;
        hand::end_overlays(tx, district, it).await?;
    }
    if let Some(it) = &change.purchase {
        let query = tx.query(PUT_PURCHASE).bind(district.as_str()).bind(it.subscription.id.as_str());
        query.bind(PURCHASE.to_json(it)?).execute_exactly(1).await?;
    }
    Ok(())
}

async fn put_look(tx: &mut Tx, look: &CatalogLook) -> Result<(), StoreError> {
    tx.query(PUT_LOOK)
        .bind(DOCUMENT)
        .bind(look.at.millis())
        .bind(look.source.as_deref())
        .bind(look.etag.as_deref())
        .bind(look.outcome.as_str())
        .execute_exactly(1)
        .await
}

/// The document's subscriptions as they are to be kept, by district and id.
type Kept = BTreeMap<(DistrictId, SubscriptionId), Offered>;

async fn read_kept(tx: &mut Tx) -> Result<Kept, StoreError> {
    let rows: Vec<(String, Option<i64>)> = tx.query(ALL_OFFERED).fetch_all().await?;
    let kept = rows.into_iter().map(|row| {
        let it = offered(row)?;
        Ok(((it.subscription.district.clone(), it.subscription.id.clone()), it))
    });
    kept.collect()
}

impl Store {
    /// The document's products, and every subscription in force.
    pub async fn catalog(&self) -> Result<Catalog, StoreError> {
        let mut tx = self.db.read().await?;
        let products = read_products(&mut tx).await?;
        Ok(Catalog { products, subscriptions: subscriptions(tx.query(ALL_IN_FORCE).fetch_all().await?)? })
    }

    /// What is in force for every district.
    pub async fn terms_in_force(&self) -> Result<BTreeMap<DistrictId, InForce>, StoreError> {
        let mut tx = self.db.read().await?;
        let mut all = BTreeMap::new();
        for state in district::read_states(&mut tx).await? {
            let remembered = district::read_remembered(&mut tx, &state.id).await?;
            let catalog = Catalog::default();
            all.insert(state.id.clone(), InForce { state, catalog, remembered });
        }
        for (id, it) in subscriptions(tx.query(ALL_IN_FORCE).fetch_all().await?)? {
            if let Some(terms) = all.get_mut(&it.district) {
                terms.catalog.subscriptions.insert(id, it);
            }
        }
        let rows: Vec<(String, String)> = tx.query(ALL_RULES_IN_FORCE).fetch_all().await?;
        for (district, body) in rows {
            let it: Product = PRODUCT.json("body", &body)?;
            if let Some(terms) = all.get_mut(&DistrictId::from(district)) {
                terms.catalog.products.insert(it.code.clone(), it);
            }
        }
        Ok(all)
    }

    /// What is said of a district: by the document and by purchases, in force or not.
    pub async fn offer(&self, district: &DistrictId) -> Result<Offer, StoreError> {
        read_offer(&mut self.db.read().await?, district).await
    }

    /// Every subscription that is known, of whatever state: what the document last said, else the purchase, else what is in
    /// force.
    pub async fn known_subscriptions(&self) -> Result<BTreeMap<SubscriptionId, Subscription>, StoreError> {
        let mut tx = self.db.read().await?;
        let mut known = subscriptions(tx.query(ALL_IN_FORCE).fetch_all().await?)?;
        let rows: Vec<(String,)> = tx.query(ALL_PURCHASES).fetch_all().await?;
        for (body,) in rows {
            let it: Purchase = PURCHASE.json("body", &body)?;
            known.insert(it.subscription.id.clone(), it.subscription);
        }
        known.extend(read_kept(&mut tx).await?.into_iter().map(|((_, id), it)| (id, it.subscription)));
        Ok(known)
    }

    /// Takes a document as what is said from now on. Nothing of it is in force before a run of each district takes it up.
    /// What the document lacks has vanished since now and keeps its last state. Whether anything is said differently.
    pub async fn offer_catalog(&self, document: &Catalog, look: &CatalogLook) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        // The row is taken first, so that two who offer come one after the other.
        put_look(&mut tx, look).await?;
        let present = read_products(&mut tx).await?;
        let mut changed = present != document.products;
        if changed {
            tx.query(CLEAR_PRODUCTS).execute().await?;
            for it in document.products.values() {
                let body = PRODUCT.to_json(it)?;
                tx.query(PUT_PRODUCT).bind(it.code.as_str()).bind(body).execute_exactly(1).await?;
            }
        }
        let kept = read_kept(&mut tx).await?;
        let in_force = subscriptions(tx.query(ALL_IN_FORCE).fetch_all().await?)?;
        let mut after: Kept = kept.clone();
        for ((of, id), it) in &mut after {
            if document.subscriptions.get(id).is_none_or(|written| &written.district != of) {
                it.vanished_since.get_or_insert(look.at);
            }
        }
        for it in document.subscriptions.values() {
            let offered = Offered { subscription: it.clone(), vanished_since: None };
            after.insert((it.district.clone(), it.id.clone()), offered);
        }
        // Written for another district before it was in force anywhere: that was a slip, and nobody had it.
        let corrected = |of: &DistrictId, id: &SubscriptionId| {
            let moved = document.subscriptions.get(id).is_some_and(|it| &it.district != of);
            moved && in_force.get(id).is_none_or(|it| &it.district != of)
        };
        for ((of, id), it) in &after {
            if corrected(of, id) {
                tx.query(REMOVE_OFFERED).bind(of.as_str()).bind(id.as_str()).execute_exactly(1).await?;
                changed = true;
            } else if kept.get(&(of.clone(), id.clone())) != Some(it) {
                let query = tx.query(PUT_OFFERED).bind(of.as_str()).bind(id.as_str());
                let query = query.bind(OFFERED_SUBSCRIPTION.to_json(&it.subscription)?);
                query.bind(it.vanished_since.map(Timestamp::millis)).execute_exactly(1).await?;
                changed = true;
            }
        }
        failpoint("store.offer.commit");
        tx.commit().await?;
        failpoint("store.offer.committed");
        Ok(changed)
    }

    /// How the last look at the document ended; none before the first.
    pub async fn catalog_look(&self) -> Result<Option<CatalogLook>, StoreError> {
        type Columns = (i64, Option<String>, Option<String>, String);
        let mut tx = self.db.read().await?;
        let row: Option<Columns> = tx.query(LOOKED).bind(DOCUMENT).fetch_optional().await?;
        let read =
            |(at, source, etag, outcome)| Ok(CatalogLook { at: LOOK.instant("looked_at", at)?, source, etag, outcome });
        row.map(read).transpose()
    }

    /// Notes how a look ended that took nothing new.
    pub async fn note_catalog_look(&self, look: &CatalogLook) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        put_look(&mut tx, look).await?;
        tx.commit().await
    }

    /// Subscriptions that vanished from the document, with their district and since when.
    pub async fn vanished(&self) -> Result<Vec<(DistrictId, SubscriptionId, Timestamp)>, StoreError> {
        let kept = read_kept(&mut self.db.read().await?).await?;
        let vanished = kept.into_iter().filter_map(|((of, id), it)| Some((of, id, it.vanished_since?)));
        Ok(vanished.collect())
    }

    /// Districts of this store for which something else is said than is in force. Each needs a run, whoever should have filed
    /// it: the difference itself is the list of what is to be done.
    pub async fn unsettled(&self) -> Result<BTreeSet<DistrictId>, StoreError> {
        let mut tx = self.db.read().await?;
        let states = district::read_states(&mut tx).await?;
        let document = read_products(&mut tx).await?;
        let empty = || (Catalog::default(), Offer { products: document.clone(), ..Offer::default() });
        let mut of: BTreeMap<DistrictId, (Catalog, Offer)> = states.into_iter().map(|it| (it.id, empty())).collect();
        for ((district, id), it) in read_kept(&mut tx).await? {
            if let Some((_, offer)) = of.get_mut(&district) {
                offer.subscriptions.insert(id, it);
            }
        }
        let rows: Vec<(String,)> = tx.query(ALL_PURCHASES).fetch_all().await?;
        for (body,) in rows {
            let it: Purchase = PURCHASE.json("body", &body)?;
            if let Some((_, offer)) = of.get_mut(&it.subscription.district) {
                offer.purchases.insert(it.subscription.id.clone(), it);
            }
        }
        for (id, it) in subscriptions(tx.query(ALL_IN_FORCE).fetch_all().await?)? {
            if let Some((in_force, _)) = of.get_mut(&it.district) {
                in_force.subscriptions.insert(id, it);
            }
        }
        let rows: Vec<(String, String)> = tx.query(ALL_RULES_IN_FORCE).fetch_all().await?;
        for (district, body) in rows {
            let it: Product = PRODUCT.json("body", &body)?;
            if let Some((in_force, _)) = of.get_mut(&DistrictId::from(district)) {
                in_force.products.insert(it.code.clone(), it);
            }
        }
        let differs = |(id, (in_force, offer)): (DistrictId, (Catalog, Offer))| {
            (!ContractChange::between(&in_force, &offer).is_empty()).then_some(id)
        };
        Ok(of.into_iter().filter_map(differs).collect())
    }
}
