//! Stories of catalogs, good and bad.

use super::*;
use crate::model::{Overage, Seats};

const GOOD: &str = r#"
[[product]]
code = "reading"
name = "Reading A"
audience = "student"
basis = "enrolled"
grades = ["K", "1"]

[[subscription]]
id = "SUB-1"
district = "springfield"
product = "reading"
seats = 1000
starts_on = 2026-07-01
expires_on = "2027-06-30"
overage = { percent = 5, days = 30 }
allotments = [ { school = "SCH-1", seats = 400 }, { school = "SCH-2", seats = "unlimited", locked = true } ]
"#;

fn faults(text: &str) -> String {
    let lines = parse(text)
        .unwrap_err()
        .into_iter()
        .map(|it| format!("{}: {}", it.place, it.message).trim_start_matches(':').to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_key_of_the_rule_page_is_read_and_defaults_are_those_of_the_page() {
    let catalog = parse(GOOD).unwrap();
    let product = catalog.products.values().next().unwrap();
    assert_eq!((product.leaving_grace_days, product.grades.clone()), (1, vec!["KG".to_owned(), "01".to_owned()]));
    let subscription = catalog.subscriptions.values().next().unwrap();
    assert_eq!(subscription.overage, Overage::Allow { percent: 5, days: 30 });
    assert_eq!(subscription.allotments.last().unwrap().seats, Seats::Unlimited);
    assert_eq!((subscription.remediate_days, subscription.grace_days), (30, 0));
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_known_one() {
    assert_eq!(faults(&GOOD.replace("audience", "audiense")), "5: unknown key `audiense`; did you mean `audience`?");
}

#[test]
fn allotments_above_the_seats_are_refused_with_the_numbers() {
    let text = GOOD.replace("seats = 400", "seats = 1400");
    assert_eq!(faults(&text), "17: subscription `SUB-1` allots 1400 seats of 1000; lower the allotments or buy more");
}

#[test]
fn a_subscription_of_an_unknown_product_and_a_renewal_of_nothing_are_both_told() {
    let text = GOOD.replace("product = \"reading\"", "product = \"readng\"\nrenews = \"SUB-0\"");
    assert_eq!(
        faults(&text),
        "12: subscription `SUB-1` is for product `readng`, which is not in the catalog\n\
         13: subscription `SUB-1` renews `SUB-0`, which is not in the catalog"
    );
}

#[test]
fn a_bundle_of_bundles_is_refused() {
    let product = |code: &str, bundle: &str| {
        format!(
            "[[product]]\ncode = \"{code}\"\nname = \"x\"\naudience = \"any\"\nbasis = \"active\"\nbundle = [{bundle}]\n"
        )
    };
    let text = product("a", "") + &product("b", "\"a\"") + &product("c", "\"b\"");
    assert_eq!(faults(&text), "18: bundle `c` contains the bundle `b`; name its products instead");
}

const GOOD_JSON: &str = r#"{
  "product": [{ "code": "reading", "name": "Reading A", "audience": "student", "basis": "enrolled", "grades": ["K", "1"] }],
  "subscription": [{
    "id": "SUB-1", "district": "springfield", "product": "reading", "seats": 1000, "starts_on": "2026-07-01",
    "expires_on": "2027-06-30", "overage": { "percent": 5, "days": 30 },
    "allotments": [{ "school": "SCH-1", "seats": 400 }, { "school": "SCH-2", "seats": "unlimited", "locked": true }]
  }]
}"#;

fn json_faults(text: &str) -> String {
    let faults = parse_beside(text, Format::Json, Known::NONE).unwrap_err();
    faults.into_iter().map(|it| format!("{} {}", it.place, it.message)).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_document_of_a_service_is_that_of_the_file() {
    let (toml, json) = (parse(GOOD), parse_beside(GOOD_JSON, Format::Json, Known::NONE));
    assert_eq!(json.unwrap(), toml.unwrap());
}

#[test]
fn a_mistake_in_json_is_told_by_its_pointer() {
    let cases = [
        (("\"enrolled\"", "\"enroled\""), "#/product/0/basis unknown value `enroled`; did you mean `enrolled`?"),
        (
            ("\"seats\": 400", "\"seats\": 1400"),
            "#/subscription/0/allotments/0 subscription `SUB-1` allots 1400 seats of 1000; lower the allotments or buy more",
        ),
        (
            ("\"2027-06-30\"", "\"2026-06-30\""),
            "#/subscription/0/expires_on subscription `SUB-1` expires on 2026-06-30, before it starts on 2026-07-01",
        ),
        (("}]\n}", "}]\n"), "# this is not JSON (line 8, column 0)"),
    ];
    for ((old, new), says) in cases {
        assert_eq!(json_faults(&GOOD_JSON.replacen(old, new, 1)), says);
    }
    let unknown = json_faults(&GOOD_JSON.replace("\"product\": \"reading\"", "\"product\": \"reading\", \"seets\": 1"));
    assert!(unknown.starts_with("#/subscription/0") && unknown.contains("did you mean `seats`?"), "{unknown}");
}

#[test]
fn every_other_rule_is_told_with_its_place() {
    let cases = [
        (
            "basis = \"enrolled\"",
            "basis = \"role\"",
            "6: product `reading` is given by role and names none: give `roles`",
        ),
        ("name = \"Reading A\"", "name = \" \"", "4: product `reading` has no name"),
        (
            "code = \"reading\"",
            "code = \"a/b\"",
            "3: a product code is not empty and has no `/`\n12: subscription `SUB-1` is for product `reading`, which is not in the catalog",
        ),
        (
            "basis = \"enrolled\"",
            "basis = \"enrolled\"\nleaving_grace_days = 9999",
            "7: `leaving_grace_days` is 9999 days; give at most 3650",
        ),
        ("seats = 1000", "seats = 1000\ngrace_days = 4000", "14: `grace_days` is 4000 days; give at most 3650"),
        ("school = \"SCH-2\"", "school = \"SCH-1\"", "17: subscription `SUB-1` allots school `SCH-1` twice"),
        ("school = \"SCH-2\"", "school = \" \"", "17: subscription `SUB-1` allots seats to a school without a name"),
        ("seats = 1000", "seats = 1000\nrenews = \"SUB-1\"", "14: subscription `SUB-1` renews itself through `SUB-1`"),
        ("district = \"springfield\"", "district = \"Springfield!\"", "11: "),
    ];
    for (old, new, says) in cases {
        let told = faults(&GOOD.replacen(old, new, 1));
        assert!(told.starts_with(says), "{told}\n{says}");
    }
}

#[test]
fn what_vanished_can_be_renewed_and_what_is_in_force_stays_in_its_district() {
    let mut old = parse(GOOD).unwrap().subscriptions;
    let known = Known { said: &old.clone(), in_force: &BTreeMap::new() };
    let renewal = GOOD.replace("id = \"SUB-1\"", "id = \"SUB-2\"\nrenews = \"SUB-1\"");
    assert!(parse_beside(&renewal, Format::Toml, known).is_ok());
    assert!(parse_beside(&renewal, Format::Toml, Known::NONE).is_err());
    for it in old.values_mut() {
        it.district = "shelbyville".into();
    }
    let known = Known { said: &old, in_force: &old };
    let moved = parse_beside(GOOD, Format::Toml, known).unwrap_err();
    assert!(moved[0].message.contains("is in force for another district"), "{moved:?}");
}

#[test]
fn a_purchase_is_checked_like_the_document() {
    let products = parse(GOOD).unwrap().products;
    let id = SubscriptionId::from("SUB-9");
    let told = |text: &str| match purchase(text, Some(&id), &products, Known::NONE) {
        Ok(it) => format!("{} {:?}", it.id, it.seats),
        Err(faults) => format!("{} {}", faults[0].place, faults[0].message),
    };
    let good = r#"{"district":"springfield","product":"reading","seats":5,"starts_on":"2026-07-01","expires_on":"2027-06-30"}"#;
    assert_eq!(told(good), "SUB-9 Count(5)");
    assert_eq!(told(&good.replacen('{', "{\"id\":\"SUB-8\",", 1)), "#/id is another one than the address names");
    assert_eq!(told(&good.replace("5,", "-5,")), "#/seats seats cannot be negative");
    assert!(told(&good.replace("reading", "maths")).starts_with("#/product "));
    assert!(told(&good.replace("\"seats\":5,", "")).contains("missing field `seats`"));
    assert!(told("[").starts_with("# this is not JSON"));
}
