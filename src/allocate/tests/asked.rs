//! What is asked of the contract beside an allocation: when it ends, what comes, what seats give at a login.

use std::collections::BTreeMap;

use super::world::{World, allotment, day, product, subscription};
use crate::allocate::{Coming, Ground, Outlook, Term, gives, outlook, totals};
use crate::model::{Seats, Subscription, SubscriptionStatus};

fn seen(it: &World) -> Outlook {
    outlook(it.input()).remove(&"reading".into()).unwrap()
}

fn term(it: &mut World, date: &str) -> Term {
    it.night(date);
    seen(it).term
}

fn next(it: &mut World, product: &str, from: &str, to: &str, edit: impl FnOnce(&mut Subscription)) {
    let mut next = subscription("NEXT", product, 5);
    (next.starts_on, next.expires_on) = (day(from), day(to));
    edit(&mut next);
    it.subscription(next);
}

fn renews(it: &mut Subscription) {
    it.renews = Some("SUB".into());
}

/// S3.21, S3.22: full to the last day, then the grace, then ended.
#[test]
fn coverage_is_full_then_in_grace_then_ended() {
    let mut it = World::seats(5);
    it.sub().grace_days = 10;
    let (last, until) = (day("2027-06-30"), day("2027-07-10"));
    assert_eq!(term(&mut it, "2026-06-30"), Term::None, "not begun");
    assert_eq!(term(&mut it, "2027-06-30"), Term::Full { last });
    assert_eq!(term(&mut it, "2027-07-01"), Term::Grace { last, until });
    assert_eq!(term(&mut it, "2027-07-10"), Term::Grace { last, until });
    assert_eq!(term(&mut it, "2027-07-11"), Term::Ended { last: until });
    assert_eq!(term(&mut it, "2029-07-11"), Term::None, "lapsed");
    it.sub().status = SubscriptionStatus::Inactive;
    assert_eq!(term(&mut it, "2027-08-01"), Term::None, "deactivated, which is no end by date");
}

/// licensing.md, Alerts: what follows without a gap is counted in; what leaves a gap, is inactive, or is of another product is not, unless it
/// renews one of this.
#[test]
fn what_follows_without_a_gap_is_counted_in() {
    let last = |product: &str, from: &str, to: &str, edit: &dyn Fn(&mut Subscription)| {
        let mut it = World::seats(5);
        next(&mut it, product, from, to, edit);
        match seen(&it).term {
            Term::Full { last } => last.to_string(),
            other => format!("{other:?}"),
        }
    };
    let later = "2028-06-30";
    assert_eq!(last("reading", "2027-07-01", later, &|_| {}), later);
    assert_eq!(last("reading", "2027-01-01", later, &|_| {}), later, "overlaps");
    assert_eq!(last("reading", "2027-07-02", later, &|_| {}), "2027-06-30");
    assert_eq!(last("reading", "2027-01-01", "2027-06-01", &|_| {}), "2027-06-30", "ends before");
    assert_eq!(last("reading", "2027-07-01", later, &|it| it.status = SubscriptionStatus::Inactive), "2027-06-30");
    assert_eq!(last("reading-2", "2027-07-01", later, &|_| {}), "2027-06-30");
    assert_eq!(last("reading-2", "2027-07-01", later, &|it| it.renews = Some("SUB".into())), later);
    assert_eq!(last("reading-2", "2027-07-01", later, &|it| it.renews = Some("OTHER".into())), "2027-06-30");
}

/// S3.23: what goes on under another product has not ended, once that has begun and while it is active.
#[test]
fn what_another_product_continues_has_not_ended() {
    let term = |from: &str, status: SubscriptionStatus, edit: &dyn Fn(&mut Subscription)| {
        let mut it = World::seats(5);
        next(&mut it, "reading-2", from, "2028-06-30", |it| it.status = status);
        edit(it.catalog.subscriptions.get_mut(&"NEXT".into()).unwrap());
        term(&mut it, "2027-08-01")
    };
    let ended = Term::Ended { last: day("2027-06-30") };
    let active = SubscriptionStatus::Active;
    assert_eq!(term("2027-07-01", active, &renews), Term::None);
    assert_eq!(term("2027-07-01", active, &|_| {}), ended);
    assert_eq!(term("2027-08-01", active, &renews), Term::None, "begins today");
    assert_eq!(term("2027-08-02", active, &renews), ended);
    assert_eq!(term("2027-07-01", SubscriptionStatus::Inactive, &renews), ended);
}

/// S4.41, S4.43: the next that comes on top; a renewal is none.
#[test]
fn seats_that_come_on_top_are_told() {
    let mut it = World::seats(5);
    assert_eq!(seen(&it).coming, None);
    next(&mut it, "reading", "2026-11-01", "2027-06-30", |_| {});
    let coming = Coming { seats: Seats::Count(5), starts_on: day("2026-11-01") };
    assert_eq!(seen(&it).coming, Some(coming));
    next(&mut it, "reading", "2026-11-01", "2027-06-30", renews);
    assert_eq!(seen(&it).coming, None);
}

/// licensing.md, Alerts: allotments exceed cut seats, in full or in grace; a site license counts nothing.
#[test]
fn allotments_above_the_seats_are_told() {
    let mut it = World::seats(5);
    it.sub().grace_days = 30;
    let mut site = allotment("s3", 0);
    site.seats = Seats::Unlimited;
    it.sub().allotments = vec![allotment("s1", 2), allotment("s2", 3), site];
    assert_eq!(seen(&it).exceeded, BTreeMap::new(), "five of five");
    it.sub().seats = Seats::Count(4);
    let exceeded = BTreeMap::from([("SUB".into(), (5, 4))]);
    assert_eq!(seen(&it).exceeded, exceeded);
    it.night("2027-07-20");
    assert_eq!(seen(&it).exceeded, exceeded);
    it.night("2027-08-20");
    assert_eq!(seen(&it).exceeded, BTreeMap::new());
}

/// S3.21, S4.14, S4.34: what a login is answered, from before the first day to after the last.
#[test]
fn seats_give_what_the_contract_says_on_the_day() {
    let ground = |it: &World, date: &str| {
        let mut all = gives(&it.state, &it.catalog, &it.remembered, day(date));
        all.remove(&"reading".into()).unwrap().ground
    };
    let mut it = World::new();
    assert_eq!(ground(&it, "2026-10-05"), Ground::NotBought);
    it.subscription(Subscription { grace_days: 10, ..subscription("SUB", "reading", 5) });
    let (full, last) = (day("2027-06-30"), day("2027-07-10"));
    assert_eq!(ground(&it, "2026-06-30"), Ground::NotBegun { first: day("2026-07-01") });
    assert_eq!(ground(&it, "2026-07-01"), Ground::Full { last: full });
    assert_eq!(ground(&it, "2027-06-30"), Ground::Full { last: full });
    assert_eq!(ground(&it, "2027-07-10"), Ground::Grace { last });
    assert_eq!(ground(&it, "2027-07-11"), Ground::Expired { last });
    assert_eq!(ground(&it, "2029-07-11"), Ground::Expired { last });
    it.sub().status = SubscriptionStatus::Inactive;
    assert_eq!(ground(&it, "2026-06-30"), Ground::Inactive);
    assert_eq!(ground(&it, "2026-10-05"), Ground::Inactive);
}

/// S3.23: a login is told what it carries over on the first day, before a run has written it.
#[test]
fn what_is_carried_over_is_told_at_the_login() {
    let mut it = World::seats(5);
    it.product(product("reading-2"));
    next(&mut it, "reading-2", "2026-10-01", "2027-06-30", renews);
    let all = gives(&it.state, &it.catalog, &it.remembered, day("2026-10-05"));
    assert_eq!(all[&"reading-2".into()].carries, [("reading".into(), day("2026-10-01"))]);
    assert_eq!(all[&"reading".into()].carries, []);
}

/// S3.7: the totals of products in force are those of `rosterd licenses`.
#[test]
fn totals_are_those_in_force() {
    let mut it = World::seats(5);
    it.sub().grace_days = 10;
    it.subscription(Subscription { expires_on: day("2026-09-01"), ..subscription("MATH", "math", 7) });
    let totals = |it: &World| totals(&it.state, &it.catalog, &it.remembered, it.as_of);
    assert_eq!(totals(&it), BTreeMap::from([("reading".into(), Seats::Count(5))]));
    it.night("2027-07-05");
    it.remembered.grace.insert("SUB".into(), 3);
    assert_eq!(totals(&it), BTreeMap::from([("reading".into(), Seats::Count(3))]));
    it.night("2027-07-11");
    assert_eq!(totals(&it), BTreeMap::new());
}
