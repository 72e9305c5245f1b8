//! The catalog as it was last read. Products are replaced; a subscription that vanished from the catalog stays.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::Draft;
use crate::model::{Catalog, DistrictId, Product, RunId, Subscription, Timestamp};
use crate::store::column::Table;
use crate::store::db::{Sql, Tx, statements};
use crate::store::{Act, Store, StoreError, district, manual};

const PRODUCT: Table = Table("product");
const SUBSCRIPTION: Table = Table("subscription");

statements! {
    PRODUCTS = Sql::portable("SELECT body FROM product ORDER BY code");
    CLEAR_PRODUCTS = Sql::portable("DELETE FROM product");
    PUT_PRODUCT = Sql::portable("INSERT INTO product (code, body) VALUES ($1, $2)");
    SUBSCRIPTIONS = Sql::portable("SELECT body FROM subscription ORDER BY id");
    PUT_SUBSCRIPTION = Sql::portable(
        "INSERT INTO subscription (id, district, product, body) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET district = excluded.district, product = excluded.product,
             body = excluded.body",
    );
}

pub(super) async fn read(tx: &mut Tx) -> Result<Catalog, StoreError> {
    let rows: Vec<(String,)> = tx.query(PRODUCTS).fetch_all().await?;
    let products = rows.into_iter().map(|(body,)| {
        let it: Product = PRODUCT.json("body", &body)?;
        Ok((it.code.clone(), it))
    });
    let products = products.collect::<Result<_, StoreError>>()?;
    let rows: Vec<(String,)> = tx.query(SUBSCRIPTIONS).fetch_all().await?;
    let subscriptions = rows.into_iter().map(|(body,)| {
        let it: Subscription = SUBSCRIPTION.json("body", &body)?;
        Ok((it.id.clone(), it))
    });
    let subscriptions = subscriptions.collect::<Result<_, StoreError>>()?;
    Ok(Catalog { products, subscriptions })
}

impl Store {
    /// All products and subscriptions.
    pub async fn catalog(&self) -> Result<Catalog, StoreError> {
        read(&mut self.db.read().await?).await
    }

    /// Replaces the products and adds or changes subscriptions, with each district's audit entries, in one transaction.
    /// The plans of a district become stale if its subscriptions change, those of all districts if a product does. False,
    /// and nothing written, if the catalog is the stored one and there is no draft.
    pub async fn put_catalog(
        &self,
        catalog: &Catalog,
        run: Option<&RunId>,
        at: Timestamp,
        mut drafts: BTreeMap<DistrictId, Vec<Draft>>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.db.write().await?;
        let districts: BTreeSet<DistrictId> =
            district::read_states(&mut tx).await?.into_iter().map(|it| it.id).collect();
        // locks are taken in the order of ids, and before the catalog is read
        for id in &districts {
            district::lock(&mut tx, id).await?;
        }
        let present = read(&mut tx).await?;
        let changed: Vec<&Subscription> =
            catalog.subscriptions.values().filter(|it| present.subscriptions.get(&it.id) != Some(it)).collect();
        let products_changed = present.products != catalog.products;
        if !products_changed && changed.is_empty() && drafts.is_empty() {
            return Ok(false);
        }

        let mut moved: BTreeSet<DistrictId> = drafts.keys().cloned().collect();
        if products_changed {
            tx.query(CLEAR_PRODUCTS).execute().await?;
            for it in catalog.products.values() {
                let body = PRODUCT.to_json(it)?;
                tx.query(PUT_PRODUCT).bind(it.code.as_str()).bind(body).execute_exactly(1).await?;
            }
            moved.extend(districts.iter().cloned());
        }
        for it in changed {
            tx.query(PUT_SUBSCRIPTION)
                .bind(it.id.as_str())
                .bind(it.district.as_str())
                .bind(it.product.as_str())
                .bind(SUBSCRIPTION.to_json(it)?)
                .execute_exactly(1)
                .await?;
            let before = present.subscriptions.get(&it.id).map(|old| old.district.clone());
            moved.extend(before.into_iter().chain([it.district.clone()]).filter(|id| districts.contains(id)));
        }
        for id in moved {
            let mut locked = district::lock(&mut tx, &id).await?;
            let audit = drafts.remove(&id).unwrap_or_default();
            let act = Act { district: id, run: run.cloned(), at, audit };
            manual::record(&mut tx, &mut locked, act).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}
