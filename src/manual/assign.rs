//! Assign, unassign, reassign, swap. On a product of basis `assigned` they are assignments; on a rule product an assign is a
//! pin and an unassign an exclude (licensing.md, By hand).

use std::collections::BTreeSet;

use serde_json::json;

use crate::allocate::counts_for;
use crate::apply::Handed;
use crate::audit::{Category, Draft};
use crate::model::{
    Assignment, Audience, Basis, Class, OverrideKind, Pool, Product, ProductCode, Seat, SeatState, SourceId, Target,
    User,
};

use super::effect::Effect;
use super::{Case, Refused, Whom};

impl Effect {
    pub(super) fn assign(&mut self, case: Case<'_>, product: &Product, whom: &Whom) -> Result<(), Refused> {
        match whom {
            Whom::Users(users) => {
                some(users)?;
                for user in users {
                    self.assign_user(case, product, user)?;
                }
            }
            Whom::Class { id, except } => {
                case.may_decide_on(product)?;
                let members = case.members(product, id, except)?;
                self.set_assignment(case, case.assignment(product, of_class(id), OverrideKind::Pin, except.clone()));
                self.promise.not_waiting.extend(members.into_iter().map(|user| (product.code.clone(), user)));
            }
        }
        Ok(())
    }

    fn assign_user(&mut self, case: Case<'_>, product: &Product, id: &SourceId) -> Result<(), Refused> {
        let user = case.user(id)?;
        case.may_have(product, user)?;
        if product.basis == Basis::Assigned {
            self.clear_override(case, product, id);
            let target = Target::User(id.clone());
            self.set_assignment(case, case.assignment(product, target, OverrideKind::Pin, BTreeSet::new()));
        } else {
            self.set_override(case, product, id, OverrideKind::Pin, None);
        }
        self.promise.seated.insert((product.code.clone(), id.clone()));
        Ok(())
    }

    pub(super) fn unassign(&mut self, case: Case<'_>, product: &Product, whom: &Whom) -> Result<(), Refused> {
        match whom {
            Whom::Users(users) => {
                some(users)?;
                for user in users {
                    self.unassign_user(case, product, user)?;
                }
            }
            Whom::Class { id, except } => self.unassign_class(case, product, id, except)?,
        }
        self.unassigned = Some(product.code.clone());
        Ok(())
    }

    fn unassign_user(&mut self, case: Case<'_>, product: &Product, id: &SourceId) -> Result<(), Refused> {
        let user = case.user(id)?;
        case.may_decide(product, user)?;
        self.promise.without.insert((product.code.clone(), id.clone()));
        if product.basis != Basis::Assigned {
            self.set_override(case, product, id, OverrideKind::Exclude, None);
            return Ok(());
        }
        let target = Target::User(id.clone());
        let own = case.assigned(&product.code, &target);
        let own = own.filter(|it| it.kind == OverrideKind::Pin);
        let pinned = case.baseline.overrides.get(&(product.code.clone(), id.clone()));
        let pinned = pinned.is_some_and(|it| it.kind == OverrideKind::Pin);
        let by_class = case.assigned_by_class(product, id);
        if own.is_none() && !pinned && !by_class {
            return Err(Refused::NotAssigned { product: product.code.clone(), target: case.shown.user(id) });
        }
        if pinned {
            self.clear_override(case, product, id);
        }
        match own {
            _ if by_class => {
                self.set_assignment(case, case.assignment(product, target, OverrideKind::Exclude, BTreeSet::new()));
            }
            Some(own) => self.clear_assignment(case, own),
            None => {}
        }
        Ok(())
    }

    fn unassign_class(
        &mut self,
        case: Case<'_>,
        product: &Product,
        class: &SourceId,
        except: &BTreeSet<SourceId>,
    ) -> Result<(), Refused> {
        case.may_decide_on(product)?;
        let known = case.members(product, class, &BTreeSet::new())?;
        if product.basis != Basis::Assigned {
            let exclude = OverrideKind::Exclude;
            self.set_assignment(case, case.assignment(product, of_class(class), exclude, except.clone()));
            return Ok(());
        }
        let own = case.assigned(&product.code, &of_class(class));
        let Some(own) = own.filter(|it| it.kind == OverrideKind::Pin) else {
            let target = case.shown.id(class);
            return Err(Refused::NotAssigned { product: product.code.clone(), target });
        };
        self.clear_assignment(case, own);
        // Who is left out of it keeps the seat in their own name.
        for user in except.iter().filter(|user| known.contains(*user) && !own.except.contains(*user)) {
            let target = Target::User(user.clone());
            self.set_assignment(case, case.assignment(product, target, OverrideKind::Pin, BTreeSet::new()));
        }
        Ok(())
    }

    pub(super) fn reassign(
        &mut self,
        case: Case<'_>,
        code: &ProductCode,
        from: &SourceId,
        to: &SourceId,
    ) -> Result<(), Refused> {
        let product = case.product(code)?;
        let (giver, taker) = (case.user(from)?, case.user(to)?);
        case.may_decide(product, giver)?;
        case.may_have(product, taker)?;
        let seat = case.baseline.seats.get(&(code.clone(), from.clone()));
        let seat = seat.filter(|it| !it.bridged && it.state != SeatState::Suspended);
        let none = || Refused::HasNone { product: code.clone(), user: case.shown.user(from) };
        let seat = seat.ok_or_else(none)?;
        if case.baseline.seats.contains_key(&(code.clone(), to.clone())) {
            return Err(Refused::HasSeat { product: code.clone(), user: case.shown.user(to) });
        }
        if let Pool::School(school) = &seat.pool
            && !taker.roles.iter().any(|it| it.org == *school)
        {
            return Err(Refused::OtherPool { user: case.shown.user(to), school: school.clone() });
        }
        self.unassign_user(case, product, from)?;
        self.assign_user(case, product, to)?;
        self.hand_on(case, seat, to);
        Ok(())
    }

    fn hand_on(&mut self, case: Case<'_>, from: &Seat, to: &SourceId) {
        let at = case.asked.as_of;
        let to = Seat {
            user: to.clone(),
            since: at,
            claimed_at: None,
            last_used_at: None,
            leaving: None,
            bridged: false,
            state: SeatState::Active,
            ..from.clone()
        };
        let id = |user: &SourceId| format!("{}/{}", from.product, case.shown.user(user));
        let line = case.baseline.waiting.keys().filter(|(product, user)| *product == from.product && *user != to.user);
        let why = |text: &str| Some(case.because(text));
        self.entries.push(Draft {
            before: Some(json!({ "pool": from.pool, "since": from.since })),
            reason: why("reassigned"),
            ..case.draft(Category::License, "seat", "released", id(&from.user))
        });
        self.entries.push(Draft {
            after: Some(json!({ "pool": to.pool })),
            reason: why(&format!("reassigned, ahead of {} waiting", line.count())),
            ..case.draft(Category::License, "seat", "granted", id(&to.user))
        });
        self.handed = Some(Handed { from: from.clone(), to, at });
    }

    pub(super) fn swap(
        &mut self,
        case: Case<'_>,
        user: &SourceId,
        from: &ProductCode,
        to: &ProductCode,
    ) -> Result<(), Refused> {
        let (given_up, granted) = (case.product(from)?, case.product(to)?);
        case.user(user)?;
        let has = |code: &ProductCode| case.baseline.seats.contains_key(&(code.clone(), user.clone()));
        if !has(from) {
            return Err(Refused::HasNone { product: from.clone(), user: case.shown.user(user) });
        }
        if has(to) {
            return Err(Refused::HasSeat { product: to.clone(), user: case.shown.user(user) });
        }
        self.unassign_user(case, given_up, user)?;
        self.unassigned = Some(from.clone());
        self.assign_user(case, granted, user)
    }
}

/// Somebody is named.
pub(super) fn some(users: &BTreeSet<SourceId>) -> Result<(), Refused> {
    if users.is_empty() {
        return Err(Refused::Usage("nobody is named: give at least one user"));
    }
    Ok(())
}

fn of_class(id: &SourceId) -> Target {
    Target::Class(id.clone())
}

impl Case<'_> {
    pub(super) fn assignment(
        &self,
        product: &Product,
        target: Target,
        kind: OverrideKind,
        except: BTreeSet<SourceId>,
    ) -> Assignment {
        Assignment {
            instance: self.class_of(&target).map(|it| it.instance).unwrap_or_default(),
            product: product.code.clone(),
            target,
            kind,
            except,
            actor: self.asked.actor.to_owned(),
            reason: self.asked.reason.unwrap_or_default().to_owned(),
            at: self.asked.as_of,
            until: None,
        }
    }

    fn class_of(&self, target: &Target) -> Option<&Class> {
        match target {
            Target::Class(id) => self.baseline.roster.classes.get(id),
            Target::User(_) => None,
        }
    }

    /// What was assigned, as far as it is about the class that has the id now.
    pub(super) fn assigned(&self, product: &ProductCode, target: &Target) -> Option<&Assignment> {
        let it = self.baseline.assignments.get(&(product.clone(), target.clone()))?;
        Some(it).filter(|it| it.is_about(self.class_of(target)))
    }

    /// Whether a user may be given a seat of the product at all.
    fn may_have(&self, product: &Product, user: &User) -> Result<(), Refused> {
        self.may_decide(product, user)?;
        let mut roles = user.roles.iter().map(|it| it.role);
        if product.audience != Audience::Any && !roles.any(|role| counts_for(product.audience, role)) {
            return Err(Refused::Audience { product: product.code.clone(), user: self.shown.user(&user.id) });
        }
        if !user.active {
            return Err(Refused::Inactive(self.shown.user(&user.id)));
        }
        Ok(())
    }

    /// Users of the class in a role that counts for the product; the exceptions must exist.
    fn members(
        &self,
        product: &Product,
        class: &SourceId,
        except: &BTreeSet<SourceId>,
    ) -> Result<BTreeSet<SourceId>, Refused> {
        if !self.baseline.roster.classes.contains_key(class) {
            let district = self.baseline.state.id.clone();
            return Err(Refused::NoClass { district, class: self.shown.id(class) });
        }
        for user in except {
            self.user(user)?;
        }
        let enrollments = self.baseline.roster.enrollments.values();
        let members = enrollments.filter(|it| it.class == *class && counts_for(product.audience, it.role));
        Ok(members.map(|it| it.user.clone()).filter(|user| !except.contains(user)).collect())
    }

    pub(super) fn assigned_by_class(&self, product: &Product, user: &SourceId) -> bool {
        let assigned = |class: &SourceId| {
            let it = self.assigned(&product.code, &of_class(class));
            it.is_some_and(|it| it.kind == OverrideKind::Pin && !it.except.contains(user))
        };
        self.baseline.roster.enrollments.of(user).any(|it| assigned(&it.class))
    }
}
