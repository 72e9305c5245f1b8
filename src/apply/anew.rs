//! What ends with the former holder of an id that is someone else's now (P19): told entry by entry, and taken out of the rows.

use serde_json::{Value, json};

use crate::audit::{Category, Draft};
use crate::identity::Anew;
use crate::model::{ReleaseReason, Target};
use crate::store::Writes;

use super::{Author, Shown};

const WHY: &str = "reused";

/// One entry for each thing that ends.
pub(super) fn entries(anew: &Anew, author: &Author, shown: &Shown<'_>) -> Vec<Draft> {
    let draft = |category, entity: &str, verb: &str, id: String, before: Option<Value>| Draft {
        actor: author.actor.clone(),
        category,
        action: format!("{entity}.{verb}"),
        entity: entity.to_owned(),
        id,
        before,
        after: None,
        reason: Some(WHY.to_owned()),
    };
    let mut all = Vec::new();
    for seat in &anew.seats {
        let id = format!("{}/{}", seat.product, shown.user(&seat.user));
        let before = json!({ "pool": seat.pool, "since": seat.since });
        all.push(draft(Category::License, "seat", "released", id, Some(before)));
    }
    for place in &anew.waiting {
        let id = format!("{}/{}", place.product, shown.user(&place.user));
        all.push(draft(Category::License, "seat", "waiting_ended", id, None));
    }
    for it in &anew.overrides {
        let id = format!("{}/{}", it.product, shown.user(&it.user));
        let before = json!({ "kind": it.kind, "until": it.until });
        all.push(draft(Category::Administrative, "override", "cleared", id, Some(before)));
    }
    for (product, target) in &anew.assignments {
        if let Target::User(user) = target {
            let id = format!("{product}/{}", shown.user(user));
            all.push(draft(Category::Administrative, "assignment", "cleared", id, None));
        }
    }
    for (product, educator) in &anew.access {
        let id = format!("{product}/{}", shown.user(educator));
        let mut entry = draft(Category::Role, "access", "changed", id, Some(json!({ "on": false })));
        entry.after = Some(json!({ "on": true }));
        all.push(entry);
    }
    for link in &anew.links {
        let accounts = [shown.user(&link.first), shown.user(&link.second)];
        let before = json!({ "kind": link.kind, "accounts": accounts, "survivor": shown.user(&link.survivor) });
        all.push(draft(Category::Administrative, "identity", "undone", link.id.clone(), Some(before)));
    }
    all
}

/// Takes it out of the rows, unless what follows puts another one in its place.
pub(super) fn begin(writes: &mut Writes<'_>, anew: Anew) {
    for seat in anew.seats {
        if !writes.seats_put.iter().any(|it| (&it.product, &it.user) == (&seat.product, &seat.user)) {
            writes.seats_removed.push((seat.product.clone(), seat.user.clone()));
        }
        writes.seats_ended.push((seat, ReleaseReason::Reused));
        writes.run.seats.released += 1;
    }
    for place in anew.waiting {
        if !writes.waiting_put.iter().any(|it| (&it.product, &it.user) == (&place.product, &place.user)) {
            writes.waiting_removed.push((place.product, place.user));
        }
    }
    let by_hand = &mut writes.by_hand;
    by_hand.overrides_removed.extend(anew.overrides.into_iter().map(|it| (it.product, it.user)));
    by_hand.assignments_removed.extend(anew.assignments);
    by_hand.identity_removed.extend(anew.links.into_iter().map(|it| it.id));
    by_hand.persons_removed.extend(anew.persons_removed);
    by_hand.persons_put.extend(anew.persons_put);
    writes.anew.extend(anew.users);
}
