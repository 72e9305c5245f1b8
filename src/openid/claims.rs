//! What an ID token says of a person, of which we take three things.

use std::fmt;

use openidconnect::core::CoreGenderClaim;
use openidconnect::{AdditionalClaims, IdTokenClaims};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::openid::trouble::Trouble;

/// A name is shown up to so many characters.
const LONGEST: usize = 80;

/// Somebody for whom the provider vouched.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// What the provider calls them, for ever; an email address at some.
    pub(crate) subject: String,
    /// For their own eyes; empty where the provider does not say.
    pub(crate) name: String,
    /// Whatever groups they are in.
    pub(crate) groups: Vec<String>,
}

/// The claims beside the standard ones.
#[derive(Deserialize, Serialize)]
pub(super) struct Further {
    #[serde(flatten)]
    claims: Map<String, Value>,
}

/// They say who somebody is.
impl fmt::Debug for Further {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Further")
    }
}

impl AdditionalClaims for Further {}

/// The person of a verified ID token.
pub(super) fn person(claims: &IdTokenClaims<Further, CoreGenderClaim>, groups_claim: &str) -> Result<Person, Trouble> {
    let full = claims.name().and_then(|it| it.get(None)).map(|it| it.as_str());
    let name = full.or_else(|| claims.preferred_username().map(|it| it.as_str())).unwrap_or_default();
    Ok(Person {
        subject: claims.subject().as_str().to_owned(),
        name: name.chars().filter(|it| !it.is_control()).take(LONGEST).collect(),
        groups: groups(&claims.additional_claims().claims, groups_claim)?,
    })
}

/// A list of names, or one name.
fn groups(claims: &Map<String, Value>, claim: &str) -> Result<Vec<String>, Trouble> {
    match claims.get(claim) {
        Some(Value::Array(all)) => Ok(all.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        // Entra ID's ways to say that the groups are to be asked for elsewhere.
        _ if claims.get("_claim_names").is_some_and(|it| it.get(claim).is_some())
            || claims.get("hasgroups") == Some(&Value::Bool(true)) =>
        {
            Err(Trouble::TooManyGroups(claim.to_owned()))
        }
        _ => Err(Trouble::Groups(claim.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_from_a_list_or_a_word_and_missed_with_a_reason() {
        let read = |text: &str| groups(&serde_json::from_str(text).unwrap(), "groups");
        let names = |all: &[&str]| Ok(all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(r#"{"groups":["a","b",7]}"#), names(&["a", "b"]));
        assert_eq!(read(r#"{"groups":"a"}"#), names(&["a"]));
        assert_eq!(read(r#"{"groups":[]}"#), names(&[]));
        assert_eq!(read(r#"{"roles":["a"]}"#), Err(Trouble::Groups("groups".to_owned())));
        for elsewhere in [r#"{"_claim_names":{"groups":"src1"}}"#, r#"{"hasgroups":true}"#] {
            assert_eq!(read(elsewhere), Err(Trouble::TooManyGroups("groups".to_owned())), "{elsewhere}");
        }
    }
}
