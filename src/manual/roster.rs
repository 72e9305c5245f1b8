//! Enrollments, roles and accounts of a district that is kept by hand (S0.3, S1.2, S2.8, S2.14, S3.15, S3.24 to S3.26): changes
//! of records that a person decides, with the seats that follow as after a sync. Nothing is deleted: what ends is archived, and
//! what comes back is restored.

use std::collections::BTreeSet;

use crate::model::{Class, Enrollment, EnrollmentKey, Period, Record, Role, RoleName, RosterRecord, SourceId, User};
use crate::plan::Change;

use super::assign::some;
use super::effect::Effect;
use super::permit::Who;
use super::{Case, Refused, splits};

/// Enrolls users in a class from today on; who is enrolled already stays so.
pub(super) fn enroll(
    case: Case<'_>,
    effect: &mut Effect,
    class: &SourceId,
    users: &BTreeSet<SourceId>,
    role: RoleName,
) -> Result<(), Refused> {
    some(users)?;
    let class = case.class(class)?;
    let (today, end_dates) = (case.today(), case.baseline.state.end_dates);
    for user in users {
        let user = case.kept_by_hand(user)?;
        let key = EnrollmentKey { user: user.id.clone(), class: class.id.clone(), role };
        let before = case.baseline.roster.enrollments.get(&key);
        let runs = |it: &Period| {
            it.begin.is_none_or(|begin| begin <= today) && it.end.is_none_or(|end| end_dates.covers(end, today))
        };
        if before.is_some_and(|it| it.periods.is_empty() || it.periods.iter().any(runs)) {
            continue;
        }
        let mut after = before.cloned().unwrap_or_else(|| Enrollment {
            user: key.user,
            class: key.class,
            school: class.school.clone(),
            role,
            primary: None,
            periods: Vec::new(),
        });
        after.periods.push(Period { begin: Some(today), end: None });
        effect.change(case, before, Some(after));
    }
    Ok(())
}

/// Ends the enrollments of users in a class, or of everyone in it. The class stays, and so do the users (S2.14).
pub(super) fn unenroll(
    case: Case<'_>,
    effect: &mut Effect,
    class: &SourceId,
    users: Option<&BTreeSet<SourceId>>,
) -> Result<(), Refused> {
    let class = case.class(class)?;
    for user in users.into_iter().flatten() {
        case.kept_by_hand(user)?;
    }
    let in_class: Vec<&Enrollment> =
        case.baseline.roster.enrollments.values().filter(|it| it.class == class.id).collect();
    if let Some(users) = users {
        some(users)?;
        let stranger = users.iter().find(|user| !in_class.iter().any(|it| it.user == **user));
        if let Some(user) = stranger {
            return Err(Refused::NotEnrolled { user: case.shown.user(user), class: case.shown.id(&class.id) });
        }
    }
    for it in in_class.into_iter().filter(|it| users.is_none_or(|users| users.contains(&it.user))) {
        effect.change(case, Some(it), None);
    }
    Ok(())
}

/// Gives users a role at a school, or takes it from them (S3.24). Nobody is left without any role.
pub(super) fn roles(
    case: Case<'_>,
    effect: &mut Effect,
    users: &BTreeSet<SourceId>,
    (role, school): (RoleName, &str),
    gives: bool,
) -> Result<(), Refused> {
    some(users)?;
    let org = splits::school(case, school)?;
    each(case, effect, users, |user| {
        let same = |it: &Role| it.role == role && it.org == org;
        if !gives {
            user.roles.retain(|it| !same(it));
        } else if !user.roles.iter().any(same) {
            let primary = user.roles.is_empty();
            user.roles.push(Role { role, org: org.clone(), primary, word: None });
        }
        !user.roles.is_empty()
    })
}

/// Moves users from one school to another; a seat goes along without a gap (S3.26).
pub(super) fn transfer(
    case: Case<'_>,
    effect: &mut Effect,
    users: &BTreeSet<SourceId>,
    (from, to): (&str, &str),
) -> Result<(), Refused> {
    some(users)?;
    let (from, to) = (splits::school(case, from)?, splits::school(case, to)?);
    for user in users {
        if !case.user(user)?.roles.iter().any(|it| it.org == from) {
            return Err(Refused::NotAtSchool { user: case.shown.user(user), school: case.shown.id(&from) });
        }
    }
    each(case, effect, users, |user| {
        let mut roles: Vec<Role> = Vec::new();
        for it in std::mem::take(&mut user.roles) {
            let it = if it.org == from { Role { org: to.clone(), ..it } } else { it };
            match roles.iter_mut().find(|known| known.role == it.role && known.org == it.org) {
                Some(known) => known.primary |= it.primary,
                None => roles.push(it),
            }
        }
        user.roles = roles;
        true
    })
}

/// Enables or disables accounts; a disabled one gives its seats up (S4.46).
pub(super) fn set_active(
    case: Case<'_>,
    effect: &mut Effect,
    users: &BTreeSet<SourceId>,
    active: bool,
) -> Result<(), Refused> {
    some(users)?;
    each(case, effect, users, |user| {
        user.active = active;
        true
    })
}

/// Changes each user; `edit` says whether the user may be so.
fn each(
    case: Case<'_>,
    effect: &mut Effect,
    users: &BTreeSet<SourceId>,
    edit: impl Fn(&mut User) -> bool,
) -> Result<(), Refused> {
    for id in users {
        let before = case.kept_by_hand(id)?;
        let mut after = before.clone();
        if !edit(&mut after) {
            return Err(Refused::LastRole(case.shown.user(id)));
        }
        effect.change(case, Some(before), Some(after));
    }
    Ok(())
}

impl Effect {
    /// Notes a change of a record, if it is one. A removal is evidence: the person says so.
    fn change<T: RosterRecord>(&mut self, case: Case<'_>, before: Option<&T>, after: Option<T>) {
        let after = after.map(|mut it| {
            it.normalize();
            it.into_record()
        });
        let before = before.cloned().map(T::into_record);
        let archived = after.as_ref().is_some_and(|it: &Record| case.baseline.is_archived(it));
        self.changes.extend(Change::between(before, after, archived, true));
    }
}

impl<'a> Case<'a> {
    fn class(&self, id: &SourceId) -> Result<&'a Class, Refused> {
        let district = &self.baseline.state.id;
        self.may(Who::Student)?;
        let unknown = || Refused::NoClass { district: district.clone(), class: self.shown.id(id) };
        self.baseline.roster.classes.get(id).ok_or_else(unknown)
    }

    /// A user whose record may be changed here.
    fn kept_by_hand(&self, id: &SourceId) -> Result<&'a User, Refused> {
        let user = self.user(id)?;
        self.may(Who::of_user(user))?;
        Ok(user)
    }
}
