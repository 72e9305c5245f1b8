//! The contract of one district in two layers: what the catalog says, and what is in force.
//!
//! What is said comes from the document of the catalog, and from purchases that come one by one. Nothing of it counts before
//! a run of the district takes it up, with the seats that follow, in one transaction (S0.2): so nobody ever sees a purchase
//! without its seats.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{Catalog, DistrictId, Product, ProductCode, Subscription, SubscriptionId, Timestamp};

/// A subscription as the document last had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Its last state.
    pub subscription: Subscription,
    /// Since when an otherwise valid document lacks it; ending is said, not implied (licensing.md, Subscriptions).
    pub vanished_since: Option<Timestamp>,
}

/// A purchase that came on its own (`PUT /v1/subscriptions/{id}`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// What was bought.
    pub subscription: Subscription,
    /// What the document said of it when the purchase came; once the document says something else, that counts.
    pub over: Option<Subscription>,
    /// Who brought it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

/// Everything that is said of one district.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The document's products.
    pub products: BTreeMap<ProductCode, Product>,
    /// The document's subscriptions, those that vanished from it left in.
    pub subscriptions: BTreeMap<SubscriptionId, Offered>,
    /// Purchases, the latest of each subscription.
    pub purchases: BTreeMap<SubscriptionId, Purchase>,
}

impl Offer {
    /// What is said of a subscription now, and the purchase that says it.
    pub fn says(&self, id: &SubscriptionId) -> Option<(&Subscription, Option<&Purchase>)> {
        let document = self.subscriptions.get(id).map(|it| &it.subscription);
        match self.purchases.get(id) {
            Some(purchase) if purchase.over.as_ref() == document => Some((&purchase.subscription, Some(purchase))),
            Some(_) | None => document.map(|it| (it, None)),
        }
    }

    /// Takes a document in the place of the one there is; what it lacks has vanished.
    pub fn replace_document(&mut self, district: &DistrictId, document: &Catalog, at: Timestamp) {
        self.products.clone_from(&document.products);
        for (id, offered) in &mut self.subscriptions {
            if !document.subscriptions.contains_key(id) {
                offered.vanished_since.get_or_insert(at);
            }
        }
        let of_district = document.subscriptions.values().filter(|it| &it.district == district);
        self.subscriptions
            .extend(of_district.map(|it| (it.id.clone(), Offered { subscription: it.clone(), vanished_since: None })));
    }

    /// When each subscription vanished that did.
    pub fn vanished(&self) -> BTreeMap<SubscriptionId, Timestamp> {
        let vanished = self.subscriptions.iter().filter_map(|(id, it)| Some((id.clone(), it.vanished_since?)));
        vanished.collect()
    }

    fn ids(&self) -> BTreeSet<&SubscriptionId> {
        self.subscriptions.keys().chain(self.purchases.keys()).collect()
    }
}

/// A subscription that is to be put in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermChange {
    /// As it is in force; none for a new one.
    pub before: Option<Subscription>,
    /// As it is said.
    pub after: Subscription,
    /// The purchase that says it; none where the document does.
    pub purchase: Option<Purchase>,
}

/// A product whose definition is to be put in force for a district that bought it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleChange {
    /// As it is in force; none for one that is bought only now.
    pub before: Option<Product>,
    /// As the document has it.
    pub after: Product,
}

/// What a run writes to put in force what is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContractChange {
    /// Subscriptions, by id.
    pub subscriptions: Vec<TermChange>,
    /// Products, by code.
    pub products: Vec<RuleChange>,
    /// A purchase to remember.
    pub purchase: Option<Purchase>,
}

impl ContractChange {
    /// What lies between the contract in force and what is said. `in_force` holds the district's subscriptions and the
    /// products it bought, without the district's overlays.
    pub fn between(in_force: &Catalog, offer: &Offer) -> Self {
        let said = offer.ids().into_iter().filter_map(|id| offer.says(id));
        let differs = |it: &Subscription| in_force.subscriptions.get(&it.id) != Some(it);
        let terms = said.filter(|(it, _)| differs(it)).map(|(it, purchase)| TermChange {
            before: in_force.subscriptions.get(&it.id).cloned(),
            after: it.clone(),
            purchase: purchase.cloned(),
        });
        let mut change = Self { subscriptions: terms.collect(), ..Self::default() };
        let bought = change.bought(in_force, offer);
        let rules = bought.into_iter().filter_map(|code| {
            let (before, after) = (in_force.products.get(code), offer.products.get(code)?);
            let differs = before != Some(after);
            differs.then(|| RuleChange { before: before.cloned(), after: after.clone() })
        });
        change.products = rules.collect();
        change
    }

    /// Products that a subscription of the district is or will be of, and the parts of those that are bundles.
    fn bought<'a>(&'a self, in_force: &'a Catalog, offer: &'a Offer) -> BTreeSet<&'a ProductCode> {
        let after = self.subscriptions.iter().map(|it| &it.after.product);
        let mut bought: BTreeSet<&ProductCode> =
            in_force.subscriptions.values().map(|it| &it.product).chain(after).collect();
        let bundles = bought.clone().into_iter().filter_map(|code| offer.products.get(code));
        let parts: Vec<&ProductCode> = bundles.flat_map(|it| &it.bundle).collect();
        bought.extend(parts);
        bought
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The contract once this is in force.
    #[must_use]
    pub fn applied_to(&self, in_force: &Catalog) -> Catalog {
        let mut after = in_force.clone();
        after.products.extend(self.products.iter().map(|it| (it.after.code.clone(), it.after.clone())));
        after.subscriptions.extend(self.subscriptions.iter().map(|it| (it.after.id.clone(), it.after.clone())));
        after
    }
}

/// How the contract in a baseline stands to what is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Terms {
    /// What is said is in force.
    #[default]
    Settled,
    /// Something else is said; the baseline's catalog is the one in force.
    Offered {
        /// The catalog once it is taken up.
        catalog: Box<Catalog>,
        /// What is to be written.
        change: Box<ContractChange>,
    },
    /// The baseline's catalog is the one that is taken up with whatever is planned on it.
    Taken(Box<ContractChange>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(id: &str, seats: u32) -> Subscription {
        serde_json::from_value(serde_json::json!({
            "id": id, "district": "oak", "product": "reading", "seats": seats, "starts_on": "2025-08-01",
            "expires_on": "2026-06-30", "grace_days": 0, "renews": null, "status": "active", "licensed_to": null,
            "created_on": null, "overage": "block", "on_shrink": "keep", "remediate_days": 30, "alert_remaining": null,
            "allotments": [],
        }))
        .unwrap()
    }

    fn document(subscriptions: &[Subscription]) -> Catalog {
        let by_id = subscriptions.iter().map(|it| (it.id.clone(), it.clone())).collect();
        Catalog { subscriptions: by_id, ..Catalog::default() }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// The seats that are said for `A`.
    fn seats(offer: &Offer) -> Option<crate::model::Seats> {
        offer.says(&"A".into()).map(|(it, _)| it.seats)
    }

    fn purchase(offer: &Offer, seats: u32) -> Purchase {
        let over = offer.subscriptions.get(&"A".into()).map(|it| it.subscription.clone());
        Purchase { subscription: subscription("A", seats), over, by: "token:crm".to_owned(), reason: None }
    }

    #[test]
    fn a_purchase_counts_until_the_document_says_something_else_of_it() {
        use crate::model::Seats::Count;
        let (oak, now) = ("oak".into(), at("2025-10-06T07:00:00Z"));
        let mut offer = Offer::default();
        offer.replace_document(&oak, &document(&[subscription("A", 10)]), now);
        offer.purchases.insert("A".into(), purchase(&offer, 20));
        assert_eq!(seats(&offer), Some(Count(20)));
        offer.replace_document(&oak, &document(&[subscription("A", 10)]), now);
        assert_eq!(seats(&offer), Some(Count(20)), "the document says what it said");
        offer.replace_document(&oak, &document(&[]), now);
        assert_eq!(seats(&offer), Some(Count(20)), "vanished, and what was said last stays");
        offer.replace_document(&oak, &document(&[subscription("A", 15)]), now);
        assert_eq!(seats(&offer), Some(Count(15)));
    }

    #[test]
    fn a_subscription_that_vanished_keeps_its_state_and_since_when() {
        let oak = "oak".into();
        let mut offer = Offer::default();
        offer.replace_document(&oak, &document(&[subscription("A", 10)]), at("2025-10-06T07:00:00Z"));
        offer.purchases.insert("B".into(), Purchase { subscription: subscription("B", 1), ..purchase(&offer, 1) });
        let first = at("2025-10-07T07:00:00Z");
        offer.replace_document(&oak, &document(&[]), first);
        offer.replace_document(&oak, &document(&[]), at("2025-10-08T07:00:00Z"));
        assert_eq!(seats(&offer), Some(crate::model::Seats::Count(10)));
        assert_eq!(offer.vanished(), BTreeMap::from([("A".into(), first)]), "one that was only bought never vanishes");
        offer.replace_document(&oak, &document(&[subscription("A", 10)]), at("2025-10-09T07:00:00Z"));
        assert_eq!(offer.vanished(), BTreeMap::new());
    }

    #[test]
    fn what_is_taken_up_leaves_nothing_to_take_up() {
        let mut offer = Offer::default();
        offer.replace_document(&"oak".into(), &document(&[subscription("A", 10)]), at("2025-10-06T07:00:00Z"));
        let in_force = Catalog::default();
        let change = ContractChange::between(&in_force, &offer);
        assert_eq!(change.subscriptions.len(), 1);
        assert!(ContractChange::between(&change.applied_to(&in_force), &offer).is_empty());
    }
}
