//! What the catalog must satisfy as a whole (licensing.md, Subscriptions). All mistakes are told at once.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use crate::catalog::wire;
use crate::model::{
    Allotment, Catalog, DistrictId, Product, ProductCode, Seats, Subscription, SubscriptionId, canonical_grade,
};

/// A mistake with its byte offset.
type Fault = (usize, String);

pub(super) fn checked(file: wire::File) -> Result<Catalog, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut catalog = Catalog::default();
    let mut bundles: Vec<(ProductCode, Vec<Spanned<String>>)> = Vec::new();
    for written in file.product {
        let written = written.into_inner();
        let at = written.code.span().start;
        let code = ProductCode::new(written.code.get_ref().as_str());
        if code.as_str().is_empty() || code.as_str().contains('/') {
            faults.push((at, "a product code is not empty and has no `/`".to_owned()));
        }
        bundles.push((code.clone(), written.bundle.clone()));
        if catalog.products.insert(code.clone(), product(code.clone(), written)).is_some() {
            faults.push((at, format!("product `{code}` is there twice; codes are unique")));
        }
    }
    for (code, parts) in &bundles {
        for part in parts {
            let known = catalog.products.get(&ProductCode::new(part.get_ref().as_str()));
            match known {
                None => faults.push((
                    part.span().start,
                    format!("bundle `{code}` names product `{}`, which is not in the catalog", part.get_ref()),
                )),
                Some(other) if !other.bundle.is_empty() => faults.push((
                    part.span().start,
                    format!("bundle `{code}` contains the bundle `{}`; name its products instead", part.get_ref()),
                )),
                Some(_) => {}
            }
        }
    }
    let mut renewals = Vec::new();
    for written in file.subscription {
        let written = written.into_inner();
        subscription(written, &mut catalog, &mut renewals, &mut faults);
    }
    for (id, renews) in &renewals {
        renewal(id, renews, &catalog, &mut faults);
    }
    if faults.is_empty() { Ok(catalog) } else { Err(faults) }
}

fn product(code: ProductCode, written: wire::Product) -> Product {
    Product {
        code,
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
        bundle: written.bundle.into_iter().map(|part| ProductCode::new(part.into_inner())).collect(),
        leaving_grace_days: written.leaving_grace_days,
        after_last_day: written.after_last_day,
        order: written.order,
    }
}

fn subscription(
    written: wire::Subscription,
    catalog: &mut Catalog,
    renewals: &mut Vec<(SubscriptionId, Spanned<String>)>,
    faults: &mut Vec<Fault>,
) {
    let at = written.id.span().start;
    let id = SubscriptionId::new(written.id.into_inner());
    let product = ProductCode::new(written.product.get_ref().as_str());
    if !catalog.products.contains_key(&product) {
        faults.push((
            written.product.span().start,
            format!("subscription `{id}` is for product `{product}`, which is not in the catalog"),
        ));
    }
    let district = match DistrictId::parse(written.district.get_ref()) {
        Ok(district) => district,
        Err(error) => {
            faults.push((written.district.span().start, error.to_string()));
            DistrictId::from("")
        }
    };
    let (starts_on, expires_on) = (written.starts_on.get_ref().0, written.expires_on.get_ref().0);
    if expires_on < starts_on {
        let place = written.expires_on.span().start;
        faults.push((place, format!("subscription `{id}` expires on {expires_on}, before it starts on {starts_on}")));
    }
    allotted(&id, &written.seats, &written.allotments, faults);
    if let Some(renews) = written.renews.clone() {
        renewals.push((id.clone(), renews));
    }
    let it = Subscription {
        id: id.clone(),
        district,
        product,
        seats: *written.seats.get_ref(),
        starts_on,
        expires_on,
        grace_days: written.grace_days,
        renews: written.renews.map(|it| SubscriptionId::new(it.into_inner())),
        status: written.status,
        licensed_to: written.licensed_to,
        created_on: written.created_on.map(|day| day.0),
        overage: written.overage,
        on_shrink: written.on_shrink,
        remediate_days: written.remediate_days,
        alert_remaining: written.alert_remaining,
        allotments: written.allotments.into_iter().map(Spanned::into_inner).collect(),
    };
    if catalog.subscriptions.insert(id.clone(), it).is_some() {
        faults.push((at, format!("subscription `{id}` is there twice; ids are unique")));
    }
}

/// The allotments may not exceed the seats, and each school has one at most.
fn allotted(id: &SubscriptionId, seats: &Spanned<Seats>, allotments: &[Spanned<Allotment>], faults: &mut Vec<Fault>) {
    let mut schools = BTreeSet::new();
    let mut sum = 0_u64;
    for allotment in allotments {
        if let Seats::Count(count) = allotment.get_ref().seats {
            sum += u64::from(count);
        }
        let school = &allotment.get_ref().school;
        if !schools.insert(school) {
            faults.push((allotment.span().start, format!("subscription `{id}` allots school `{school}` twice")));
        }
    }
    if let Seats::Count(bought) = seats.get_ref()
        && sum > u64::from(*bought)
    {
        let place = allotments.first().map_or_else(|| seats.span().start, |first| first.span().start);
        faults.push((
            place,
            format!("subscription `{id}` allots {sum} seats of {bought}; lower the allotments or buy more"),
        ));
    }
}

/// A renewal continues a subscription of the same district, and no chain of renewals bites its tail.
fn renewal(id: &SubscriptionId, renews: &Spanned<String>, catalog: &Catalog, faults: &mut Vec<Fault>) {
    let place = renews.span().start;
    let old = SubscriptionId::new(renews.get_ref().as_str());
    let (Some(new), Some(renewed)) = (catalog.subscriptions.get(id), catalog.subscriptions.get(&old)) else {
        faults.push((place, format!("subscription `{id}` renews `{old}`, which is not in the catalog")));
        return;
    };
    if new.district != renewed.district {
        faults.push((
            place,
            format!("subscription `{id}` renews `{old}` of another district; seats never cross a district"),
        ));
    }
    let by_id: &BTreeMap<SubscriptionId, Subscription> = &catalog.subscriptions;
    let mut seen = BTreeSet::from([id]);
    let mut next = Some(&old);
    while let Some(current) = next {
        if !seen.insert(current) {
            faults.push((place, format!("subscription `{id}` renews itself through `{old}`")));
            return;
        }
        next = by_id.get(current).and_then(|it| it.renews.as_ref());
    }
}
