use crate::simulate::oauth1::Nonces;
use crate::simulate::oauth1::Refusal;
use crate::simulate::oauth1::Signed;
use crate::simulate::oauth1::base_string;
use crate::simulate::oauth1::signature;
use crate::simulate::oauth1::verify;

const URI: &str = "https://sis.example.org/ims/oneroster/v1p1/users";

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn query() -> Vec<(String, String)> {
    pairs(&[("limit", "2"), ("offset", "0"), ("filter", "role='student' AND status='active'")])
}

fn header(method: &str, signature: &str) -> String {
    let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!(
        "oauth_consumer_key=\"roster-key\", oauth_nonce=\"abc123\", oauth_signature_method=\"{method}\", \
         oauth_timestamp=\"1700000000\", oauth_version=\"1.0\", oauth_signature=\"{signature}\""
    )
}

fn check(query: &[(String, String)], header: &str, now: u64, nonces: &mut Nonces) -> Result<(), Refusal> {
    verify(Signed { method: "GET", uri: URI, query, header }, "roster-key", "s3cr/t+1", now, nonces)
}

const SHA1: &str = "ajxWEwiBzPuHq6V2ouW93tts83Y=";
const SHA256: &str = "uNya2Q1uEoIf6QbpeS+pbebSCW5AecqM3IEwq+e6LT8=";

#[test]
fn the_vector_with_a_token_of_the_protocol_page_holds() {
    let all = pairs(&[
        ("file", "vacation.jpg"),
        ("size", "original"),
        ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
        ("oauth_token", "nnch734d00sl2jdk"),
        ("oauth_nonce", "kllo9940pd9333jh"),
        ("oauth_timestamp", "1191242096"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_version", "1.0"),
    ]);
    let base = base_string("GET", "http://photos.example.net/photos", &all);
    let signed = signature("HMAC-SHA1", &base, "kd94hf93k423kf44", "pfkkdhi9sl3r4s00");
    assert_eq!(signed.as_deref(), Some("tR3+Ty81lMeYAr/Fid0kMTYa/WM="));
}

#[test]
fn the_roster_vectors_of_the_protocol_page_are_accepted() {
    for (method, signature) in [("HMAC-SHA1", SHA1), ("HMAC-SHA256", SHA256)] {
        assert_eq!(check(&query(), &header(method, signature), 1_700_000_000, &mut Nonces::default()), Ok(()));
    }
}

#[test]
fn a_query_that_differs_from_the_signed_one_is_refused() {
    let mut longer = query();
    longer.push(("sort".to_owned(), "sourcedId".to_owned()));
    let mut other = query();
    other[1].1 = "2".to_owned();
    for tampered in [longer, other, Vec::new()] {
        let refused = check(&tampered, &header("HMAC-SHA1", SHA1), 1_700_000_000, &mut Nonces::default());
        assert!(matches!(refused, Err(Refusal::Signature(_))));
    }
}

#[test]
fn a_nonce_is_good_once() {
    let mut nonces = Nonces::default();
    assert_eq!(check(&query(), &header("HMAC-SHA1", SHA1), 1_700_000_000, &mut nonces), Ok(()));
    assert_eq!(check(&query(), &header("HMAC-SHA256", SHA256), 1_700_000_010, &mut nonces), Err(Refusal::Replay));
}

#[test]
fn a_timestamp_may_be_five_minutes_off_and_no_more() {
    for (now, expected) in [
        (1_700_000_300, Ok(())),
        (1_699_999_700, Ok(())),
        (1_700_000_301, Err(Refusal::Timestamp)),
        (1_699_999_699, Err(Refusal::Timestamp)),
    ] {
        assert_eq!(check(&query(), &header("HMAC-SHA1", SHA1), now, &mut Nonces::default()), expected);
    }
}

#[test]
fn an_unknown_key_or_method_is_refused() {
    let other = header("HMAC-SHA1", SHA1).replace("roster-key", "other-key");
    assert_eq!(check(&query(), &other, 1_700_000_000, &mut Nonces::default()), Err(Refusal::Key));
    let plain = header("PLAINTEXT", SHA1);
    assert_eq!(check(&query(), &plain, 1_700_000_000, &mut Nonces::default()), Err(Refusal::Method));
}
