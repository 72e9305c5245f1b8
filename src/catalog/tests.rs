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
    let lines = parse(text).unwrap_err().into_iter().map(|it| format!("{}: {}", it.line, it.message));
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
