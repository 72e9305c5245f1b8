use axum::http::HeaderMap;
use axum::http::Method;
use bytes::Bytes;
use serde_json::Value;

use crate::simulate::clever::paging::BadRange;
use crate::simulate::clever::paging::Range;
use crate::simulate::clever::paging::links;
use crate::simulate::http::Call;

const IDS: [&str; 5] = ["a1", "a2", "a3", "a4", "a5"];

fn call(query: &str) -> Call {
    Call::new(Method::GET, "/v3.0/users", query, HeaderMap::new(), Bytes::new())
}

/// The page's ids and its links as `rel uri`.
fn page(query: &str) -> (Vec<&'static str>, Vec<String>) {
    let call = call(query);
    let cut = Range::read(&call).unwrap().cut(&IDS);
    let ids = &IDS[cut.start..cut.end];
    let links = links(&call, &cut, ids, "");
    let text = |link: &Value| format!("{} {}", link["rel"].as_str().unwrap(), link["uri"].as_str().unwrap());
    (ids.to_vec(), links.as_array().unwrap().iter().map(text).collect())
}

#[test]
fn the_first_page_links_itself_and_the_next_with_the_parameters_kept() {
    let (ids, links) = page("limit=2&role=student");
    assert_eq!(ids, ["a1", "a2"]);
    assert_eq!(
        links,
        ["self /v3.0/users?limit=2&role=student", "next /v3.0/users?limit=2&role=student&starting_after=a2"]
    );
}

#[test]
fn a_later_page_links_the_previous_before_the_next() {
    let (ids, links) = page("limit=2&starting_after=a2");
    assert_eq!(ids, ["a3", "a4"]);
    assert_eq!(
        links,
        [
            "self /v3.0/users?limit=2&starting_after=a2",
            "prev /v3.0/users?limit=2&ending_before=a3",
            "next /v3.0/users?limit=2&starting_after=a4"
        ]
    );
}

#[test]
fn the_last_page_has_no_next() {
    let (ids, links) = page("limit=2&starting_after=a4");
    assert_eq!((ids.len(), links.len()), (1, 2));
    let (ids, links) = page("limit=5");
    assert_eq!((ids.len(), links.len()), (5, 1), "a full page is the last one too when nothing follows");
}

#[test]
fn ending_before_gives_the_rows_just_before_ascending() {
    assert_eq!(page("limit=2&ending_before=a5").0, ["a3", "a4"]);
    assert_eq!(page("limit=2&ending_before=a2").0, ["a1"]);
}

#[test]
fn a_cursor_that_was_never_issued_is_only_compared() {
    assert_eq!(page("limit=2&starting_after=a25").0, ["a3", "a4"]);
    assert_eq!(page("starting_after=zz").0, Vec::<&str>::new());
}

#[test]
fn a_limit_is_from_one_to_ten_thousand() {
    assert_eq!(Range::read(&call("limit=10001")), Err(BadRange::TooLarge));
    assert_eq!(Range::read(&call("limit=0")), Err(BadRange::NotANumber));
    assert_eq!(Range::read(&call("limit=ten")), Err(BadRange::NotANumber));
    assert_eq!(Range::read(&call("limit=10000")).unwrap().limit, 10_000);
    assert_eq!(Range::read(&call("")).unwrap().limit, 100);
}
