use crate::simulate::QuirkError;
use crate::simulate::Quirks;

#[test]
fn a_list_is_read_and_shown_as_it_was_written() {
    let quirks = Quirks::parse("no-total, clamp=50,,empty=users,empty=classes").unwrap();
    assert!(quirks.has("no-total") && !quirks.has("redirect"));
    assert_eq!(quirks.clamp, Some(50));
    assert!(quirks.empty.contains("users") && quirks.empty.contains("classes"));
    assert_eq!(quirks.to_string(), "no-total,clamp=50,empty=users,empty=classes");
    assert_eq!(Quirks::parse("").unwrap(), Quirks::none());
}

#[test]
fn an_unknown_name_says_the_nearest() {
    let error = Quirks::parse("no-totals").unwrap_err();
    assert_eq!(error.to_string(), "unknown quirk `no-totals`; did you mean `no-total`?");
}

#[test]
fn a_value_that_is_missing_wrong_or_too_much_says_how_it_is_written() {
    for list in ["clamp", "clamp=0", "clamp=many", "no-total=3", "district-state=gone", "empty="] {
        assert!(matches!(Quirks::parse(list), Err(QuirkError::Value { .. })), "{list}");
    }
    let error = Quirks::parse("clamp").unwrap_err();
    assert_eq!(error.to_string(), "quirk `clamp` is written `clamp=ROWS`, with a whole number from 1");
}

#[test]
fn only_keeps_the_others_to_one_district() {
    let quirks = Quirks::parse("only=here,no-total").unwrap();
    assert!(quirks.of("here").has("no-total"));
    assert!(!quirks.of("there").has("no-total"));
}

#[test]
fn every_quirk_stands_in_the_table_of_the_module() {
    let page = include_str!("../mod.rs");
    for name in Quirks::names() {
        assert!(page.contains(&format!("`{name}`")) || page.contains(&format!("`{name}=")), "{name}");
    }
}
