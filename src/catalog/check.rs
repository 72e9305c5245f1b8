//! What the catalog must satisfy as a whole (licensing.md, Subscriptions). All mistakes are told at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::place::At;
use crate::catalog::{Known, wire};
use crate::model::{
    Basis, Catalog, DistrictId, Overage, Product, ProductCode, Seats, Subscription, SubscriptionId, canonical_grade,
};

/// A mistake with its place.
pub(super) type Fault = (At, String);

/// No number of days is longer: ten years.
const LONGEST_DAYS: u32 = 3_650;

pub(super) fn checked(file: wire::File, known: Known<'_>) -> Result<Catalog, Vec<Fault>> {
    let mut check = Check { known, catalog: Catalog::default(), faults: Vec::new() };
    let (products, subscriptions) = (At::default().key("product"), At::default().key("subscription"));
    let mut bundles = Vec::new();
    for (index, written) in file.product.into_iter().enumerate() {
        let at = products.index(index);
        bundles.push((at.key("bundle"), written.code.clone(), written.bundle.clone()));
        check.product(&at, written);
    }
    for (at, code, parts) in &bundles {
        check.bundle(at, code, parts);
    }
    let mut renewals = Vec::new();
    for (index, written) in file.subscription.into_iter().enumerate() {
        let at = subscriptions.index(index);
        renewals.push((at.clone(), SubscriptionId::new(written.id.as_str())));
        check.subscription(&at, written);
    }
    for (at, id) in &renewals {
        check.renewal(at, id);
    }
    if check.faults.is_empty() { Ok(check.catalog) } else { Err(check.faults) }
}

/// One subscription, against the products and subscriptions there are.
pub(super) fn purchase(
    written: wire::Subscription,
    products: &BTreeMap<ProductCode, Product>,
    known: Known<'_>,
) -> Result<Subscription, Vec<Fault>> {
    let catalog = Catalog { products: products.clone(), ..Catalog::default() };
    let mut check = Check { known, catalog, faults: Vec::new() };
    let (at, id) = (At::default(), SubscriptionId::new(written.id.as_str()));
    check.subscription(&at, written);
    check.renewal(&at, &id);
    match check.catalog.subscriptions.remove(&id) {
        Some(it) if check.faults.is_empty() => Ok(it),
        Some(_) | None => Err(check.faults),
    }
}

struct Check<'a> {
    known: Known<'a>,
    catalog: Catalog,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, at: At, message: impl Into<String>) {
        self.faults.push((at, message.into()));
    }

    fn days(&mut self, at: &At, key: &'static str, days: u32) {
        if days > LONGEST_DAYS {
            self.fault(at.key(key), format!("`{key}` is {days} days; give at most {LONGEST_DAYS}"));
        }
    }

    fn product(&mut self, at: &At, written: wire::Product) {
        let code = ProductCode::new(written.code);
        if code.as_str().is_empty() || code.as_str().contains('/') {
            self.fault(at.key("code"), "a product code is not empty and has no `/`");
        }
        if written.name.trim().is_empty() {
            self.fault(at.key("name"), format!("product `{code}` has no name"));
        }
        if written.basis == Basis::Role && written.roles.is_empty() {
            let message = format!("product `{code}` is given by role and names none: give `roles`");
            self.fault(at.key("basis"), message);
        }
        self.days(at, "leaving_grace_days", written.leaving_grace_days);
        let it = Product {
            code: code.clone(),
            name: written.name,
            audience: written.audience,
            basis: written.basis,
            count_by: written.count_by,
            roles: written.roles,
            grades: written.grades.iter().map(|grade| canonical_grade(grade)).collect(),
            schools: written.schools,
            subjects: written.subjects,
            courses: written.courses,
            educator_access: written.educator_access,
            bundle: written.bundle.into_iter().map(ProductCode::new).collect(),
            leaving_grace_days: written.leaving_grace_days,
            after_last_day: written.after_last_day,
            order: written.order,
        };
        if self.catalog.products.insert(code.clone(), it).is_some() {
            self.fault(at.key("code"), format!("product `{code}` is there twice; codes are unique"));
        }
    }

    /// A bundle names products of the catalog, each once, and no bundle.
    fn bundle(&mut self, at: &At, code: &str, parts: &[String]) {
        let mut seen = BTreeSet::new();
        for (index, part) in parts.iter().enumerate() {
            let message = match self.catalog.products.get(&ProductCode::new(part.as_str())) {
                None => format!("bundle `{code}` names product `{part}`, which is not in the catalog"),
                Some(other) if !other.bundle.is_empty() => {
                    format!("bundle `{code}` contains the bundle `{part}`; name its products instead")
                }
                Some(_) if !seen.insert(part) => format!("bundle `{code}` names product `{part}` twice"),
                Some(_) => continue,
            };
            self.fault(at.index(index), message);
        }
    }

    fn subscription(&mut self, at: &At, written: wire::Subscription) {
        let id = SubscriptionId::new(written.id);
        if id.as_str().trim().is_empty() {
            self.fault(at.key("id"), "a subscription's id is not empty");
        }
        let product = ProductCode::new(written.product);
        if !self.catalog.products.contains_key(&product) {
            let message = format!("subscription `{id}` is for product `{product}`, which is not in the catalog");
            self.fault(at.key("product"), message);
        }
        let district = DistrictId::parse(&written.district).unwrap_or_else(|error| {
            self.fault(at.key("district"), error.to_string());
            DistrictId::from("")
        });
        if self.known.in_force.get(&id).is_some_and(|it| it.district != district) {
            let message = format!(
                "subscription `{id}` is in force for another district; seats never cross a district: give this one an id of its own"
            );
            self.fault(at.key("district"), message);
        }
        let (starts_on, expires_on) = (written.starts_on.0, written.expires_on.0);
        if expires_on < starts_on {
            let message = format!("subscription `{id}` expires on {expires_on}, before it starts on {starts_on}");
            self.fault(at.key("expires_on"), message);
        }
        self.days(at, "grace_days", written.grace_days);
        self.days(at, "remediate_days", written.remediate_days);
        if let Overage::Allow { days, .. } = written.overage {
            self.days(&at.key("overage"), "days", days);
        }
        let it = Subscription {
            id: id.clone(),
            district,
            product,
            seats: written.seats,
            starts_on,
            expires_on,
            grace_days: written.grace_days,
            renews: written.renews.map(SubscriptionId::new),
            status: written.status,
            licensed_to: written.licensed_to,
            created_on: written.created_on.map(|day| day.0),
            overage: written.overage,
            on_shrink: written.on_shrink,
            remediate_days: written.remediate_days,
            alert_remaining: written.alert_remaining,
            allotments: written.allotments,
        };
        self.allotted(&at.key("allotments"), &it);
        if self.catalog.subscriptions.insert(id.clone(), it).is_some() {
            self.fault(at.key("id"), format!("subscription `{id}` is there twice; ids are unique"));
        }
    }

    /// The allotments may not exceed the seats, and each school has one at most.
    fn allotted(&mut self, at: &At, it: &Subscription) {
        let id = &it.id;
        let mut schools = BTreeSet::new();
        let mut sum = 0_u64;
        for (index, allotment) in it.allotments.iter().enumerate() {
            if let Seats::Count(count) = allotment.seats {
                sum += u64::from(count);
            }
            let school = &allotment.school;
            if school.trim().is_empty() {
                let message = format!("subscription `{id}` allots seats to a school without a name");
                self.fault(at.index(index).key("school"), message);
            } else if !schools.insert(school) {
                self.fault(at.index(index), format!("subscription `{id}` allots school `{school}` twice"));
            }
        }
        if let Seats::Count(bought) = it.seats
            && sum > u64::from(bought)
        {
            let message =
                format!("subscription `{id}` allots {sum} seats of {bought}; lower the allotments or buy more");
            self.fault(at.index(0), message);
        }
    }

    /// A subscription of the document, else one that is known from elsewhere: what vanished can still be renewed.
    fn find(&self, id: &SubscriptionId) -> Option<&Subscription> {
        self.catalog.subscriptions.get(id).or_else(|| self.known.said.get(id))
    }

    /// A renewal continues a subscription of the same district, and no chain of renewals bites its tail.
    fn renewal(&mut self, at: &At, id: &SubscriptionId) {
        let Some(new) = self.catalog.subscriptions.get(id) else { return };
        let Some(old) = &new.renews else { return };
        let message = match self.find(old) {
            None => Some(format!("subscription `{id}` renews `{old}`, which is not in the catalog")),
            Some(renewed) if renewed.district != new.district => {
                Some(format!("subscription `{id}` renews `{old}` of another district; seats never cross a district"))
            }
            Some(_) if self.comes_back(id, old) => Some(format!("subscription `{id}` renews itself through `{old}`")),
            Some(_) => None,
        };
        if let Some(message) = message {
            self.fault(at.key("renews"), message);
        }
    }

    fn comes_back(&self, id: &SubscriptionId, old: &SubscriptionId) -> bool {
        let mut seen = BTreeSet::from([id]);
        let mut next = Some(old);
        while let Some(current) = next {
            if !seen.insert(current) {
                return true;
            }
            next = self.find(current).and_then(|it| it.renews.as_ref());
        }
        false
    }
}
