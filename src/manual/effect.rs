//! What a verb decides: rows and audit entries, and the district as it is with them.

use serde_json::{Value, json};

use crate::apply::{Decided, Handed, Taken};
use crate::audit::{Category, Draft};
use crate::model::{
    Assignment, Baseline, EducatorAccess, Ended, Override, OverrideKind, Product, ProductCode, ReleaseReason, RoleName,
    Seat, SourceId, Target, User,
};
use crate::plan::Change;
use crate::store::ByHand;

use super::permit::{Who, allows};
use super::promise::Promise;
use super::{Case, Refused, Verb, import, roster, splits, threshold};

/// What a verb decides.
#[derive(Debug, Default)]
pub(super) struct Effect {
    pub(super) by_hand: ByHand,
    pub(super) entries: Vec<Draft>,
    pub(super) handed: Option<Handed>,
    /// Seats that are taken over as they are (`seats import`).
    pub(super) imported: Vec<Seat>,
    /// Seats that a new id had from an old one, taken back with the link.
    pub(super) taken: Vec<Taken>,
    /// Records that a person changes.
    pub(super) changes: Vec<Change>,
    /// The product that `unassign` takes: whoever loses it has no other reason.
    pub(super) unassigned: Option<ProductCode>,
    pub(super) promise: Promise,
}

/// Works out what the verb decides, or why it may not.
pub(super) fn of(case: Case<'_>) -> Result<Effect, Refused> {
    let mut effect = Effect::default();
    match case.asked.verb {
        Verb::OverrideSet { product, user, kind, until } => {
            let today = case.today();
            if let Some(until) = until.filter(|until| *until < today) {
                return Err(Refused::Over { until, today });
            }
            let product = case.product(product)?;
            let user = case.user(user)?;
            case.may_decide(product, user)?;
            effect.set_override(case, product, &user.id, *kind, *until);
        }
        Verb::OverrideClear { product, user } => {
            let product = case.product(product)?;
            if !effect.clear_override(case, product, user) {
                let user = case.shown.user(user);
                return Err(Refused::NoOverride { product: product.code.clone(), user });
            }
        }
        Verb::AccessSet { product, educator, on } => effect.set_access(case, product, educator, *on)?,
        Verb::Assign { product, whom } => effect.assign(case, case.product(product)?, whom)?,
        Verb::Unassign { product, whom } => effect.unassign(case, case.product(product)?, whom)?,
        Verb::Reassign { product, from, to } => effect.reassign(case, product, from, to)?,
        Verb::Swap { user, from, to } => effect.swap(case, user, from, to)?,
        Verb::MoveSeats { subscription, from, to, seats } => {
            splits::move_seats(case, &mut effect, subscription, (from, to), *seats)?;
        }
        Verb::SeatsImport { seats } => import::take_over(case, &mut effect, seats)?,
        Verb::Identity { decision, ids } => effect.decide_links(case, *decision, ids)?,
        Verb::Threshold { subscription, remaining } => {
            threshold::set(case, &mut effect, subscription, *remaining)?;
        }
        Verb::Enroll { class, users, role } => roster::enroll(case, &mut effect, class, users, *role)?,
        Verb::Unenroll { class, users } => roster::unenroll(case, &mut effect, class, users.as_ref())?,
        Verb::RoleAssign { users, role, school } => roster::roles(case, &mut effect, users, (*role, school), true)?,
        Verb::RoleRemove { users, role, school } => roster::roles(case, &mut effect, users, (*role, school), false)?,
        Verb::Transfer { users, from, to } => roster::transfer(case, &mut effect, users, (from, to))?,
        Verb::SetActive { users, active } => roster::set_active(case, &mut effect, users, *active)?,
    }
    Ok(effect)
}

impl<'a> Case<'a> {
    pub(super) fn today(&self) -> crate::model::Date {
        self.asked.as_of.date_in(self.baseline.state.time_zone)
    }

    pub(super) fn product(&self, code: &ProductCode) -> Result<&'a Product, Refused> {
        let products = &self.baseline.catalog.products;
        let known = || products.keys().map(ProductCode::as_str).collect::<Vec<_>>().join(", ");
        products.get(code).ok_or_else(|| Refused::NoProduct { product: code.clone(), known: known() })
    }

    pub(super) fn user(&self, id: &SourceId) -> Result<&'a User, Refused> {
        let district = self.baseline.state.id.clone();
        let user = self.baseline.roster.users.get(id);
        user.ok_or_else(|| Refused::NoUser { district, user: self.shown.user(id) })
    }

    /// Whether this district may decide on the product of the user: a student's always, an educator's where no feed says who
    /// the educators are (S1.13).
    pub(super) fn may_decide(&self, product: &Product, user: &User) -> Result<(), Refused> {
        self.may(Who::of(product, Some(user)))
    }

    /// The same of a product alone.
    pub(super) fn may_decide_on(&self, product: &Product) -> Result<(), Refused> {
        self.may(Who::of(product, None))
    }

    /// Whether the table of who may change what allows the verb.
    pub(super) fn may(&self, who: Who) -> Result<(), Refused> {
        if allows(self.asked.verb.name(), self.asked.fed, who) {
            return Ok(());
        }
        Err(Refused::Fed(self.baseline.state.id.clone()))
    }

    /// What the verb is, and why the person asked for it.
    pub(super) fn because(&self, what: &str) -> String {
        let reason = self.asked.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{what}{reason}")
    }

    pub(super) fn draft(&self, category: Category, entity: &str, verb: &str, id: String) -> Draft {
        Draft {
            actor: self.asked.actor.to_owned(),
            category,
            action: format!("{entity}.{verb}"),
            entity: entity.to_owned(),
            id,
            before: None,
            after: None,
            reason: self.asked.reason.map(str::to_owned),
        }
    }
}

impl Effect {
    /// The district as it is once this is decided.
    pub(super) fn applied_to(&self, before: &Baseline) -> Baseline {
        let mut after = before.clone();
        let ByHand {
            overrides_put, overrides_removed, access_put, assignments_put, assignments_removed, activity, ..
        } = &self.by_hand;
        for key in overrides_removed {
            after.overrides.remove(key);
        }
        after.overrides.extend(overrides_put.iter().map(|it| ((it.product.clone(), it.user.clone()), it.clone())));
        let accesses = access_put.iter().map(|it| ((it.product.clone(), it.educator.clone()), it.clone()));
        after.educator_access.extend(accesses);
        for key in assignments_removed {
            after.assignments.remove(key);
        }
        let assigned = assignments_put.iter().map(|it| ((it.product.clone(), it.target.clone()), it.clone()));
        after.assignments.extend(assigned);
        for it in activity {
            let first = after.opened.entry((it.product.clone(), it.user.clone())).or_insert(it.first);
            *first = it.first.min(*first);
        }
        after.seats.extend(self.imported.iter().map(|it| ((it.product.clone(), it.user.clone()), it.clone())));
        for overlay in &self.by_hand.overlays_put {
            if let Some(it) = after.catalog.subscriptions.get_mut(&overlay.subscription) {
                it.allotments.clone_from(&overlay.allotments);
            }
        }
        self.apply_links(&mut after);
        for overlay in &self.by_hand.thresholds_put {
            if let Some(it) = after.catalog.subscriptions.get_mut(&overlay.subscription) {
                it.alert_remaining = Some(overlay.alert_remaining);
            }
        }
        if let Some(Handed { from, to, at }) = &self.handed {
            let key = (from.product.clone(), from.user.clone());
            after.seats.remove(&key);
            after.ended.insert(key, Ended { at: *at, reason: ReleaseReason::Reassigned });
            after.seats.insert((to.product.clone(), to.user.clone()), to.clone());
        }
        after
    }

    /// What apply needs of it.
    pub(super) fn decided(self) -> Decided {
        Decided {
            entries: self.entries,
            by_hand: self.by_hand,
            handed: self.handed,
            imported: self.imported,
            taken: self.taken,
            unassigned: self.unassigned,
            ..Decided::default()
        }
    }

    /// Sets or replaces a pin or exclude; the same once more changes nothing.
    pub(super) fn set_override(
        &mut self,
        case: Case<'_>,
        product: &Product,
        user: &SourceId,
        kind: OverrideKind,
        until: Option<crate::model::Date>,
    ) {
        let before = case.baseline.overrides.get(&(product.code.clone(), user.clone()));
        let reason = case.asked.reason.unwrap_or_default();
        if before.is_some_and(|it| (it.kind, it.until, it.reason.as_str()) == (kind, until, reason)) {
            return;
        }
        let id = format!("{}/{}", product.code, case.shown.user(user));
        self.entries.push(Draft {
            before: before.map(said),
            after: Some(json!({ "kind": kind, "until": until })),
            ..case.draft(Category::Administrative, "override", "set", id)
        });
        self.by_hand.overrides_put.push(Override {
            product: product.code.clone(),
            user: user.clone(),
            kind,
            actor: case.asked.actor.to_owned(),
            reason: reason.to_owned(),
            until,
        });
    }

    /// Takes a pin or exclude away; false if there is none.
    pub(super) fn clear_override(&mut self, case: Case<'_>, product: &Product, user: &SourceId) -> bool {
        let key = (product.code.clone(), user.clone());
        let Some(before) = case.baseline.overrides.get(&key) else { return false };
        let id = format!("{}/{}", product.code, case.shown.user(user));
        self.entries.push(Draft {
            before: Some(said(before)),
            ..case.draft(Category::Administrative, "override", "cleared", id)
        });
        self.by_hand.overrides_removed.push(key);
        true
    }

    fn set_access(&mut self, case: Case<'_>, code: &ProductCode, id: &SourceId, on: bool) -> Result<(), Refused> {
        let product = case.product(code)?;
        let educator = case.user(id)?;
        case.may_decide_on(product)?;
        if !product.educator_access {
            return Err(Refused::NoAccessRule(product.code.clone()));
        }
        if !educator.roles.iter().any(|it| matches!(it.role, RoleName::Teacher | RoleName::Aide)) {
            return Err(Refused::NoEducator(case.shown.user(id)));
        }
        let before = case.baseline.educator_access.get(&(code.clone(), id.clone())).is_none_or(|it| it.on);
        if before == on {
            return Ok(());
        }
        let entry = format!("{code}/{}", case.shown.user(id));
        self.entries.push(Draft {
            before: Some(json!({ "on": before })),
            after: Some(json!({ "on": on })),
            ..case.draft(Category::Role, "access", "changed", entry)
        });
        self.by_hand.access_put.push(EducatorAccess { product: code.clone(), educator: id.clone(), on });
        Ok(())
    }

    /// Sets or replaces an assignment; the same once more changes nothing.
    pub(super) fn set_assignment(&mut self, case: Case<'_>, it: Assignment) {
        let before = case.assigned(&it.product, &it.target);
        if before.is_some_and(|old| (old.kind, old.until, &old.except) == (it.kind, it.until, &it.except)) {
            return;
        }
        self.entries.push(Draft {
            before: before.map(|it| assigned(case, it)),
            after: Some(assigned(case, &it)),
            ..case.draft(Category::Administrative, "assignment", "set", target_id(case, &it.product, &it.target))
        });
        self.by_hand.assignments_put.push(it);
    }

    /// Ends an assignment that is there.
    pub(super) fn clear_assignment(&mut self, case: Case<'_>, it: &Assignment) {
        self.entries.push(Draft {
            before: Some(assigned(case, it)),
            ..case.draft(Category::Administrative, "assignment", "cleared", target_id(case, &it.product, &it.target))
        });
        self.by_hand.assignments_removed.push((it.product.clone(), it.target.clone()));
    }
}

fn said(it: &Override) -> Value {
    json!({ "kind": it.kind, "until": it.until })
}

fn assigned(case: Case<'_>, it: &Assignment) -> Value {
    let except: Vec<String> = it.except.iter().map(|user| case.shown.user(user)).collect();
    let mut fields = json!({ "kind": it.kind, "except": except, "until": it.until });
    if let Target::Class(_) = it.target {
        fields["instance"] = json!(it.instance);
    }
    fields
}

/// `product/user`, and of a class `product/class:ID`.
fn target_id(case: Case<'_>, product: &ProductCode, target: &Target) -> String {
    match target {
        Target::User(user) => format!("{product}/{}", case.shown.user(user)),
        Target::Class(class) => format!("{product}/class:{}", case.shown.id(class)),
    }
}
