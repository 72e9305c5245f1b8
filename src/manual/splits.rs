//! `move-seats`: from one school's allotment to another's, inside one subscription (S2.3).

use serde_json::json;

use crate::audit::{Category, Draft};
use crate::model::{Allotment, Seats, SourceId, SubscriptionId};
use crate::store::AllotmentOverlay;

use super::effect::Effect;
use super::{Case, Refused};

/// Moves `seats` and leaves the sum as it is. The district's split stands over the catalog's until that changes (C15).
pub(super) fn move_seats(
    case: Case<'_>,
    effect: &mut Effect,
    id: &SubscriptionId,
    (from, to): (&str, &str),
    seats: u32,
) -> Result<(), Refused> {
    let unknown = || Refused::NoSubscription(id.clone());
    let subscription = case.baseline.catalog.subscriptions.get(id).ok_or_else(unknown)?;
    let own = case.contract.subscriptions.get(id).ok_or_else(unknown)?;
    let (giver, taker) = (school(case, from)?, school(case, to)?);
    if seats == 0 || giver == taker {
        return Err(Refused::Usage("name two different schools and at least one seat"));
    }
    let before = &subscription.allotments;
    let mut after = before.clone();
    let of = |it: &Allotment, wanted: &SourceId| school(case, &it.school).is_ok_and(|it| it == *wanted);
    let no_allotment = || Refused::NoAllotment { subscription: id.clone(), school: from.to_owned() };
    let source = after.iter_mut().find(|it| of(it, &giver)).ok_or_else(no_allotment)?;
    if source.locked {
        return Err(Refused::Locked(from.to_owned()));
    }
    let Seats::Count(present) = source.seats else { return Err(Refused::SiteLicense(from.to_owned())) };
    let too_few = || Refused::TooFew { school: from.to_owned(), seats: present };
    source.seats = Seats::Count(present.checked_sub(seats).ok_or_else(too_few)?);
    match after.iter_mut().find(|it| of(it, &taker)) {
        Some(Allotment { seats: Seats::Count(present), .. }) => *present = present.saturating_add(seats),
        Some(Allotment { seats: Seats::Unlimited, .. }) => return Err(Refused::SiteLicense(to.to_owned())),
        None => after.push(Allotment { school: taker.as_str().to_owned(), seats: Seats::Count(seats), locked: false }),
    }
    effect.entries.push(Draft {
        before: Some(json!({ "allotments": before })),
        after: Some(json!({ "allotments": after })),
        ..case.draft(Category::License, "subscription", "changed", id.to_string())
    });
    effect.by_hand.overlays_put.push(AllotmentOverlay {
        subscription: id.clone(),
        over: own.allotments.clone(),
        allotments: after,
    });
    Ok(())
}

/// The school a word names: by source id, else by identifier or NCES number.
pub(super) fn school(case: Case<'_>, name: &str) -> Result<SourceId, Refused> {
    let schools = &case.baseline.roster.schools;
    let exact = SourceId::new(name);
    if schools.contains_key(&exact) {
        return Ok(exact);
    }
    let names = |it: &&crate::model::Org| it.identifier.as_deref() == Some(name) || it.nces.as_deref() == Some(name);
    let found = schools.values().find(names).map(|org| org.id.clone());
    found.ok_or_else(|| Refused::NoSchool(name.to_owned()))
}
