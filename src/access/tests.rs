use super::*;
use crate::model::{Catalog, Date, DistrictState, EndDates, ProductCode, Remembered, SourceId, Timestamp};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn state() -> DistrictState {
    DistrictState {
        id: "oak".into(),
        time_zone: chrono_tz::America::Los_Angeles,
        end_dates: EndDates::Exclusive,
        revision: 7,
        audit_seq: 0,
        audit_head: String::new(),
        source: None,
        allocated_at: Some(at("2026-06-30T09:00:00Z")),
    }
}

fn product(code: &str, rest: &serde_json::Value) -> crate::model::Product {
    let mut it = json!({ "code": code, "name": code.to_uppercase(), "audience": "student", "basis": "enrolled",
        "count_by": "account", "roles": [], "grades": [], "schools": [], "subjects": [], "courses": [],
        "educator_access": false, "bundle": [], "leaving_grace_days": 1, "after_last_day": "keep", "order": [] });
    it.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    serde_json::from_value(it).unwrap()
}

fn subscription(id: &str, product: &str, rest: &serde_json::Value) -> crate::model::Subscription {
    let mut it = json!({ "id": id, "district": "oak", "product": product, "seats": 10, "starts_on": "2025-07-01",
        "expires_on": "2026-06-30", "grace_days": 0, "renews": null, "status": "active", "licensed_to": null,
        "created_on": null, "overage": "block", "on_shrink": "keep", "remediate_days": 30, "alert_remaining": null,
        "allotments": [] });
    it.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    serde_json::from_value(it).unwrap()
}

fn catalog(products: Vec<crate::model::Product>, subscriptions: Vec<crate::model::Subscription>) -> Catalog {
    Catalog {
        products: products.into_iter().map(|it| (it.code.clone(), it)).collect(),
        subscriptions: subscriptions.into_iter().map(|it| (it.id.clone(), it)).collect(),
    }
}

fn index(catalog: Catalog, users: &[&str], seats: &[(&str, &str)]) -> Index {
    let persons = BTreeMap::from([("pat-1".into(), "pat-1".into()), ("pat-2".into(), SourceId::from("pat-1"))]);
    let mut builder = Builder::new(state(), catalog, Remembered::default(), persons);
    let mut users = users.to_vec();
    users.sort_unstable();
    for id in users {
        builder.user(id);
    }
    for (product, user) in seats {
        builder.seat(&ProductCode::from(*product), user);
    }
    builder.finish()
}

fn told(index: &Index, day: &str, user: &str, product: &str) -> (Verdict, Reason) {
    let answer = index.answer(&index.today(date(day)), &user.into(), &product.into()).unwrap();
    (answer.access, answer.reason)
}

/// S3.21, S4.14, S4.34: what a seat gives changes with the day alone.
#[test]
fn a_seat_gives_yes_then_grace_then_nothing_by_the_day_alone() {
    let bought = subscription("A", "math", &json!({ "grace_days": 30 }));
    let oak = index(catalog(vec![product("math", &json!({}))], vec![bought]), &["ann"], &[("math", "ann")]);
    for (day, expected) in [
        ("2025-06-30", (Verdict::No, Reason::NotBegun)),
        ("2025-07-01", (Verdict::Yes, Reason::Seat)),
        ("2026-06-30", (Verdict::Yes, Reason::Seat)),
        ("2026-07-01", (Verdict::Grace, Reason::Seat)),
        ("2026-07-30", (Verdict::Grace, Reason::Seat)),
        ("2026-07-31", (Verdict::No, Reason::Expired)),
    ] {
        assert_eq!(told(&oak, day, "ann", "math"), expected, "{day}");
    }
}

/// The day is the district's: Los Angeles is seven hours behind in June, and an answer is never cached into the next day.
#[test]
fn an_answer_is_cached_no_longer_than_the_day_in_the_districts_zone() {
    let oak = index(Catalog::default(), &[], &[]);
    assert_eq!(oak.day(at("2026-07-01T06:59:59Z")), date("2026-06-30"));
    assert_eq!(oak.cache_seconds(at("2026-07-01T06:59:00Z"), 300), 60);
    assert_eq!(oak.cache_seconds(at("2026-07-01T07:00:00Z"), 300), 300);
    let (before, after) = (oak.today(date("2026-06-30")), oak.today(date("2026-07-01")));
    assert!(oak.version(&before) < oak.version(&after));
}

/// S3.6: whoever has the bundle has its parts; a bundle that ended does not hide that a part is waited for.
#[test]
fn the_seat_of_a_bundle_gives_each_of_its_parts() {
    let products = vec![
        product("both", &json!({ "bundle": ["math", "reading"] })),
        product("math", &json!({})),
        product("reading", &json!({})),
    ];
    let bought = vec![
        subscription("A", "both", &json!({})),
        subscription("B", "reading", &json!({ "expires_on": "2027-06-30" })),
    ];
    let oak = index(catalog(products, bought), &["ann", "ben"], &[("both", "ann")]);
    let answers = oak.answers(&oak.today(date("2026-06-30")), &"ann".into());
    let yes = answers.iter().filter(|it| it.access == Verdict::Yes).map(|it| it.product.as_str());
    assert_eq!(yes.collect::<Vec<_>>(), ["both", "math", "reading"]);
    assert!(answers.iter().all(|it| it.product.as_str() == "both" || it.bundle == Some("both".into())));
    assert_eq!(told(&oak, "2026-06-30", "ben", "math"), (Verdict::No, Reason::NotEligible));
    assert_eq!(told(&oak, "2026-07-01", "ann", "reading"), (Verdict::No, Reason::NotEligible));
    assert_eq!(told(&oak, "2026-07-01", "ann", "math"), (Verdict::No, Reason::Expired));
}

/// S2.15: accounts of one person share a seat where the product counts persons.
#[test]
fn linked_accounts_share_a_seat_only_where_persons_are_counted() {
    let products = vec![product("math", &json!({ "count_by": "person" })), product("reading", &json!({}))];
    let bought = vec![subscription("A", "math", &json!({})), subscription("B", "reading", &json!({}))];
    let oak = index(catalog(products, bought), &["pat-1", "pat-2"], &[("math", "pat-1"), ("reading", "pat-1")]);
    assert_eq!(told(&oak, "2026-06-30", "pat-2", "math"), (Verdict::Yes, Reason::Seat));
    assert_eq!(told(&oak, "2026-06-30", "pat-2", "reading"), (Verdict::No, Reason::NotEligible));
}

/// S3.23: a renewal under another product is there from its first minute, before a run has carried the seats over; after
/// that run only the new seats count.
#[test]
fn a_renewal_under_another_product_is_uninterrupted() {
    let products = vec![product("math", &json!({})), product("math-2", &json!({}))];
    let next = json!({ "renews": "A", "starts_on": "2026-07-01", "expires_on": "2027-06-30" });
    let terms = catalog(products, vec![subscription("A", "math", &json!({})), subscription("B", "math-2", &next)]);
    let mut oak = index(terms, &["ann"], &[("math", "ann")]);
    assert_eq!(told(&oak, "2026-06-30", "ann", "math-2"), (Verdict::No, Reason::NotBegun));
    assert_eq!(told(&oak, "2026-07-01", "ann", "math-2"), (Verdict::Yes, Reason::Seat));
    oak.state.allocated_at = Some(at("2026-07-01T09:00:00Z"));
    assert_eq!(told(&oak, "2026-07-01", "ann", "math-2"), (Verdict::No, Reason::NotEligible));
}

/// S3.32, S3.35: each refusal says why.
#[test]
fn whoever_has_no_seat_is_told_why() {
    let products = vec![
        product("app", &json!({ "basis": "first_use" })),
        product("math", &json!({})),
        product("new", &json!({})),
        product("off", &json!({})),
    ];
    let bought = vec![
        subscription("A", "app", &json!({})),
        subscription("B", "math", &json!({})),
        subscription("C", "off", &json!({ "status": "inactive" })),
    ];
    let mut builder = Builder::new(state(), catalog(products, bought), Remembered::default(), BTreeMap::new());
    builder.user("ann");
    builder.seat(&"math".into(), "gone");
    builder.waits(&"math".into(), "ann");
    builder.held("new");
    let oak = builder.finish();
    for (user, product, expected) in [
        ("ann", "math", Reason::Waiting),
        ("ann", "app", Reason::NotOpened),
        ("ann", "off", Reason::Inactive),
        ("ann", "new", Reason::NotLicensed),
        ("nobody", "math", Reason::UnknownUser),
        ("new", "math", Reason::Held),
    ] {
        assert_eq!(told(&oak, "2026-06-30", user, product), (Verdict::No, expected), "{user} {product}");
    }
    assert_eq!(told(&oak, "2026-06-30", "gone", "math"), (Verdict::Yes, Reason::Seat), "a leaving seat gives access");
    assert_eq!(oak.answer(&oak.today(date("2026-06-30")), &"ann".into(), &"none".into()), None);
}

/// A file says the same as an answer, on each of its days.
#[test]
fn a_snapshot_says_what_the_answers_say_also_after_midnight() {
    let products = vec![product("both", &json!({ "bundle": ["math"] })), product("math", &json!({}))];
    let bought = vec![
        subscription("A", "both", &json!({ "grace_days": 1 })),
        subscription("B", "math", &json!({ "expires_on": "2027-06-30" })),
    ];
    let users = ["ann", "ben", "cat", "dan"];
    let oak =
        index(catalog(products, bought), &users, &[("both", "ann"), ("math", "ben"), ("both", "cat"), ("math", "cat")]);
    let document = snapshot(&oak, at("2026-06-30T20:00:00Z"), 4).unwrap();
    let read: serde_json::Value = serde_json::from_str(&document).unwrap();
    for ahead in 0..4 {
        let day = date("2026-06-30") + chrono::Days::new(ahead);
        for (user, product) in users.iter().flat_map(|user| ["both", "math"].map(|product| (user, product))) {
            let set =
                read["seats"][usize::try_from(read["users"][user].as_u64().unwrap()).unwrap()].as_array().unwrap();
            let given = set.iter().map(|key| &read["products"][key.as_str().unwrap()]);
            let said =
                given.filter(|it| it["product"] == product).map(|it| it["days"][day.to_string()].as_str().unwrap());
            let answer = oak.answer(&oak.today(day), &(*user).into(), &product.into()).unwrap();
            assert_eq!(said.max().unwrap_or("no"), answer.access.as_str(), "{user} {product} {day}");
        }
    }
    // `printf '{}' | openssl dgst -sha256 -hmac key`
    assert_eq!(sign("{}", b"key"), "{}\na777724d943eb48dc69bca8a4a6d57a04db3f9ec7e1de4e581e860265bdf3032\n");
}

proptest! {
    /// However rows come, each user has exactly the seats that were told.
    #[test]
    fn the_index_holds_exactly_what_it_was_told(
        users in proptest::collection::btree_set("[a-e]{1,3}", 0..30),
        seats in proptest::collection::vec(("[a-e]{1,3}", 0_usize..4), 0..60),
    ) {
        let codes = ["a", "b", "c", "d"];
        let products = codes.map(|code| product(code, &json!({}))).to_vec();
        let bought = codes.map(|code| subscription(code, code, &json!({}))).to_vec();
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let told_seats: Vec<(&str, &str)> = seats.iter().map(|(user, place)| (codes[*place], user.as_str())).collect();
        let oak = index(catalog(products, bought), &users, &told_seats);
        for user in users.iter().copied().chain(seats.iter().map(|(user, _)| user.as_str())) {
            for code in codes {
                let has = told_seats.contains(&(code, user));
                prop_assert_eq!(told(&oak, "2026-06-30", user, code).0 == Verdict::Yes, has);
            }
        }
    }
}
