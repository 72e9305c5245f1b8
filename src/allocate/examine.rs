//! One user and one product, link by link (licensing.md, Explain). Nothing is derived a second time: each verdict is the one
//! that allocation itself asks for.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{
    Audience, Basis, Date, OverrideKind, Product, ProductCode, ReleaseReason, RoleName, SourceId, User, Waiting,
};

use super::Input;
use super::capacity::{self, Coverage, range};
use super::classes::Attendance;
use super::dates;
use super::demand::{Demand, Rule as Conditions, Subject, View, counts_for, role_word};
use super::district::District;
use super::order::{Claim, Order, Tier};
use super::person::{by_person, with_other_accounts};

/// What allocation sees of one user and product.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// Whether the user wants a seat.
    pub demand: Demand,
    /// A pin or an exclude of the user.
    pub decided: Option<OverrideKind>,
    /// Each condition that the product makes of the user, with what it saw.
    pub conditions: Vec<Condition>,
    /// Each enrollment of the user, with what it gives.
    pub classes: Vec<ClassSeen>,
    /// The combined license through which the user has the product (S3.6).
    pub bundle: Option<ProductCode>,
    /// What the contract gives today.
    pub coverage: Coverage,
    /// Who waits in front of the user, by the rule that puts them there.
    pub ahead: Vec<Ahead>,
}

/// A condition of a product on a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Condition {
    /// `account`, `audience`, `roles`, `grades`, `schools`, `assigned`, `opened`.
    pub condition: &'static str,
    /// Any of these will do.
    pub wanted: Vec<String>,
    /// What the user has.
    pub saw: Vec<String>,
    /// Whether it is met.
    pub met: bool,
}

/// When an enrollment is, seen from today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "EnrollmentStanding")]
pub enum Standing {
    /// Begun and not ended, or in a short break.
    Running,
    /// It begins later.
    NotBegun,
    /// Its dates have passed.
    Ended,
    /// Its school year is over.
    YearOver,
    /// The roster has not the class.
    NoClass,
}

/// One enrollment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClassSeen {
    /// The class.
    pub class: SourceId,
    /// The user's role in it.
    pub role: RoleName,
    /// Begun, ended or neither.
    pub standing: Standing,
    /// The first day of the class.
    pub begins: Option<Date>,
    /// The first day after its last.
    pub until: Option<Date>,
    /// The subjects of the class and its course.
    pub subjects: Vec<String>,
    /// Whether it gives a seat of the product.
    pub counts: bool,
    /// Why it does not.
    pub reason: Option<ReleaseReason>,
}

/// The rule of the published order by which somebody stands ahead (licensing.md, step 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A person pinned them.
    Pinned,
    /// They had a seat that ended by lost demand or expiry.
    Returning,
    /// They wait longer.
    WaitingLonger,
    /// The product's `order` names their grade or school first.
    Order,
    /// The fixed shuffle among equals.
    Shuffle,
}

/// Those whom one rule puts ahead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ahead {
    /// The rule.
    pub rule: Rule,
    /// How many.
    pub count: usize,
    /// Who, in the order of the line; at most [`Ahead::NAMED`].
    pub users: Vec<SourceId>,
}

impl Ahead {
    /// How many are named.
    pub const NAMED: usize = 20;
}

/// Looks at one user and product as the roster, the catalog and what people decided have them.
pub fn examine<'a>(input: Input<'a>, product: &'a Product, id: &SourceId) -> Examined {
    let district = District::new(input);
    let rule = Conditions::new(input, &district, product);
    let mut it = Examined {
        demand: Demand::None(ReleaseReason::Tombstone),
        decided: rule.decided(id),
        conditions: Vec::new(),
        classes: Vec::new(),
        bundle: bundle(input, product, id),
        coverage: capacity::of(input, &product.code).coverage,
        ahead: ahead(input, &district, &rule, product, id),
    };
    let Some((user, present)) = district.user(id) else { return it };
    let (view, enrollments) = if present {
        (View::Present, district.enrollments_of(id))
    } else {
        (View::PutBack, district.enrollments_put_back(id))
    };
    let subject = Subject::new(user, &enrollments, view);
    it.demand = match rule.demand(subject) {
        wanted if wanted.keeps() && it.bundle.is_some() => Demand::None(ReleaseReason::Bundled),
        demand => demand,
    };
    it.conditions = conditions(&rule, product, subject);
    it.classes = enrollments.iter().map(|it| class(&district, &rule, subject, it)).collect();
    it
}

/// The combined license that the user, or another account of the same person, has a seat of.
fn bundle(input: Input<'_>, product: &Product, user: &SourceId) -> Option<ProductCode> {
    let mut accounts = std::collections::BTreeSet::from([user.clone()]);
    if by_person(product) {
        with_other_accounts(&mut accounts, input.persons);
    }
    let holds = |code: &ProductCode| accounts.iter().any(|it| input.seats.contains_key(&(code.clone(), it.clone())));
    let mut bundles = input.catalog.products.values().filter(|it| it.bundle.contains(&product.code));
    bundles.find(|it| it.code != product.code && holds(&it.code)).map(|it| it.code.clone())
}

fn conditions<'a>(rule: &Conditions<'a, '_>, product: &'a Product, subject: Subject<'a, '_>) -> Vec<Condition> {
    let user = subject.user;
    let list = |it: &[String]| it.to_vec();
    let words = |word: &str| vec![word.to_owned()];
    let yes = |met: bool| words(if met { "yes" } else { "no" });
    let mut all = vec![
        Condition {
            condition: "account",
            wanted: words("active"),
            saw: words(if subject.active { "active" } else { "disabled" }),
            met: subject.active,
        },
        Condition {
            condition: "audience",
            wanted: audience(product.audience),
            saw: roles(user),
            met: rule.meets_audience(subject.roles),
        },
    ];
    let mut asks = |condition, wanted: Vec<String>, saw, met| {
        if !wanted.is_empty() {
            all.push(Condition { condition, wanted, saw, met });
        }
    };
    asks("roles", list(&product.roles), roles(user), rule.meets_roles(user));
    asks("grades", list(&product.grades), list(&user.grades), rule.meets_grades(user));
    let schools = user.roles.iter().map(|it| it.org.to_string()).collect();
    asks("schools", list(&product.schools), schools, rule.meets_schools(user));
    if product.basis == Basis::Assigned {
        let assigned = rule.assigned(subject);
        asks("assigned", yes(true), yes(assigned), assigned);
    }
    if product.basis == Basis::FirstUse {
        let opened = rule.has_opened(&user.id);
        asks("opened", yes(true), yes(opened), opened);
    }
    all
}

fn audience(of: Audience) -> Vec<String> {
    let all = [
        RoleName::Student,
        RoleName::Teacher,
        RoleName::Aide,
        RoleName::Administrator,
        RoleName::Proctor,
        RoleName::Staff,
    ];
    all.into_iter().filter(|role| counts_for(of, *role)).map(|role| role_word(role).to_owned()).collect()
}

/// A user's roles, each with the source's own word where it has another.
fn roles(user: &User) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for role in &user.roles {
        let own = role.word.as_ref().map(|word| format!(" ({word})")).unwrap_or_default();
        let word = format!("{}{own}", role_word(role.role));
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

fn class<'a>(
    district: &District<'a>,
    rule: &Conditions<'a, '_>,
    subject: Subject<'a, '_>,
    attendance: &Attendance<'a>,
) -> ClassSeen {
    let gives = rule.enrollment(attendance, subject);
    let mut seen = ClassSeen {
        class: attendance.enrollment.class.clone(),
        role: attendance.role,
        standing: Standing::NoClass,
        begins: None,
        until: None,
        subjects: Vec::new(),
        counts: gives.keeps(),
        reason: match gives {
            Demand::None(reason) => Some(reason),
            Demand::Pinned | Demand::Wanted | Demand::Lasts | Demand::Opened => None,
        },
    };
    let Some((_, class)) = district.classes.of(attendance) else { return seen };
    if class.present || subject.view == View::PutBack {
        seen.standing = match attendance.standing {
            dates::Standing::Running => Standing::Running,
            dates::Standing::NotBegun => Standing::NotBegun,
            dates::Standing::Ended => Standing::Ended,
            dates::Standing::YearOver(_) => Standing::YearOver,
        };
    }
    (seen.begins, seen.until) = class.span.days();
    let of_course = district.course(class).map(|it| it.subjects.as_slice()).unwrap_or_default();
    seen.subjects = class.class.subjects.iter().chain(of_course).cloned().collect();
    seen.subjects.sort();
    seen.subjects.dedup();
    seen
}

/// Who waits in front of `user`, by the first rule of the order that tells the two apart.
fn ahead<'a>(
    input: Input<'a>,
    district: &District<'a>,
    conditions: &Conditions<'a, '_>,
    product: &'a Product,
    user: &SourceId,
) -> Vec<Ahead> {
    let order = Order::new(&input.state.id, district, product, input.as_of);
    let tier = |id: &SourceId, place: &Waiting| -> Option<Tier> {
        let (ended, since) = (input.ended.get(&(product.code.clone(), id.clone())), place.since);
        // The line may be as long as the district: who somebody is counts for few of them.
        if product.order.is_empty() && !conditions.may_pin(id) {
            return Some(order.tier(Claim { accounts: &[], pinned: false, ended, since }));
        }
        let (user, _) = district.user(id)?;
        let enrollments = district.enrollments_of(id);
        let demand = conditions.demand(Subject::new(user, &enrollments, View::Present));
        Some(order.tier(Claim { accounts: &[user], pinned: demand == Demand::Pinned, ended, since }))
    };
    let Some(own) = input.waiting.get(&(product.code.clone(), user.clone())) else { return Vec::new() };
    let mine = tier(user, own);
    let mut before: Vec<(&SourceId, &Waiting)> =
        range(input.waiting, &product.code).filter(|(_, it)| it.position < own.position).collect();
    before.sort_by_key(|(_, it)| it.position);
    let mut rules: BTreeMap<Rule, Vec<SourceId>> = BTreeMap::new();
    for (id, place) in before {
        let rule = match (tier(id, place), mine) {
            (Some(other), Some(mine)) => first_difference(other, mine),
            (None, _) | (_, None) => Rule::WaitingLonger,
        };
        rules.entry(rule).or_default().push(id.clone());
    }
    let told = |(rule, mut users): (Rule, Vec<SourceId>)| {
        let count = users.len();
        users.truncate(Ahead::NAMED);
        Ahead { rule, count, users }
    };
    rules.into_iter().map(told).collect()
}

fn first_difference(one: Tier, other: Tier) -> Rule {
    if one.0 != other.0 {
        Rule::Pinned
    } else if one.1 != other.1 {
        Rule::Returning
    } else if one.2 != other.2 {
        Rule::WaitingLonger
    } else if one.3 != other.3 {
        Rule::Order
    } else {
        Rule::Shuffle
    }
}
