//! OpenID Connect: who somebody is, as the provider of an organization says (OpenID Connect Core 1.0, code flow with PKCE). What
//! such a person may do is for `http` to say.

mod claims;
mod discovered;
mod provider;
mod trouble;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use crate::feed::is_private;
use crate::secret::Secret;

pub(crate) use discovered::{Discovered, probe};
pub(crate) use trouble::Trouble;

/// Minutes a session may last at most: half a day, as one with a token.
const LONGEST: u32 = 12 * 60;

/// `[http.oidc]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The provider, as its discovery document calls it.
    pub issuer: String,
    /// What the provider knows this installation by.
    pub client_id: String,
    /// What proves it; a public client has none.
    pub client_secret: Option<Secret>,
    /// Where browsers reach the dashboard.
    pub public_url: String,
    /// The claim of the ID token that lists a person's groups.
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// Asked for beside `openid` and `profile`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// More certificate authorities, PEM.
    pub ca_file: Option<PathBuf>,
    /// What stands on the button.
    #[serde(default = "label")]
    pub label: String,
    /// How long a session lasts.
    #[serde(default = "session_minutes")]
    pub session_minutes: u32,
    /// Who may what.
    #[serde(default)]
    pub group: Vec<Group>,
}

/// `[[http.oidc.group]]`: what the members of a group may do. Who is in several may do what each of them gives, where it gives it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The group, as the claim names it.
    pub id: String,
    /// Scopes as of tokens.
    pub scopes: Vec<String>,
    /// In these districts; empty for all.
    #[serde(default)]
    pub districts: Vec<String>,
}

fn groups_claim() -> String {
    "groups".to_owned()
}

fn label() -> String {
    "Sign in with your organization".to_owned()
}

fn session_minutes() -> u32 {
    LONGEST
}

impl Settings {
    /// Checks what can be checked alone, the words of scopes left out; the message names the key.
    pub fn check(&self) -> Result<(), String> {
        for (key, text) in [("issuer", &self.issuer), ("public_url", &self.public_url)] {
            address(text).map_err(|problem| format!("`http.oidc.{key}` {problem}"))?;
        }
        if Url::parse(&self.public_url).is_ok_and(|it| it.path() != "/") {
            return Err("`http.oidc.public_url` is more than an origin: leave its path out".to_owned());
        }
        let words = [("client_id", &self.client_id), ("groups_claim", &self.groups_claim), ("label", &self.label)];
        if let Some((key, _)) = words.into_iter().find(|(_, text)| text.trim().is_empty()) {
            return Err(format!("`http.oidc.{key}` is empty"));
        }
        if !(1..=LONGEST).contains(&self.session_minutes) {
            return Err(format!("`http.oidc.session_minutes` is not from 1 to {LONGEST}"));
        }
        if self.group.is_empty() {
            return Err(
                "[[http.oidc.group]] is missing and nobody could sign in: add one with `id` and `scopes`".to_owned()
            );
        }
        let mut seen = BTreeSet::new();
        for group in &self.group {
            if group.id.trim().is_empty() {
                return Err(
                    "[[http.oidc.group]] has an empty `id`: write the group as the provider names it".to_owned()
                );
            }
            if !seen.insert(&group.id) {
                return Err(format!("http.oidc.group `{}` is there twice", group.id));
            }
            if group.scopes.is_empty() {
                return Err(format!("http.oidc.group `{}`: `scopes` is empty; its members could do nothing", group.id));
            }
        }
        Ok(())
    }

    /// The groups with the districts that they name.
    pub fn districts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.group.iter().flat_map(|it| it.districts.iter().map(move |district| (it.id.as_str(), district.as_str())))
    }

    /// Whether browsers reach the dashboard by https.
    pub(crate) fn is_secure(&self) -> bool {
        self.public_url.starts_with("https:")
    }

    /// Where the provider sends people back to.
    fn back(&self) -> String {
        format!("{}/sign-in/oidc/back", self.public_url.trim_end_matches('/'))
    }
}

/// An address to which codes and tokens may go.
fn address(text: &str) -> Result<(), &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL; write it whole, with https://")?;
    if !is_private(&url) {
        return Err("is not https; plain http is for this machine alone");
    }
    let more = url.query().is_some() || url.fragment().is_some();
    if more || !url.username().is_empty() || url.password().is_some() {
        return Err("holds a `?`, a `#` or a user name: leave them out");
    }
    Ok(())
}

/// What is agreed on for one sign-in, so that nobody else's answer is taken for it.
pub(crate) struct Words {
    /// Comes back with the code.
    pub(crate) state: String,
    /// Comes back in the ID token.
    pub(crate) nonce: String,
    /// Proves to the provider that who has the code began the sign-in (RFC 7636): 43 to 128 unreserved characters.
    pub(crate) verifier: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: &str = "issuer = \"https://id.example.com\"\nclient_id = \"rosterd\"\npublic_url = \"https://rosterd.example.com/\"\n\
                        [[group]]\nid = \"operators\"\nscopes = [\"read\"]\n";

    fn checked(text: &str) -> Result<Settings, String> {
        let settings: Settings = toml::from_str(text).map_err(|error| error.to_string())?;
        settings.check().map(|()| settings)
    }

    #[test]
    fn a_provider_and_one_group_are_enough() {
        let settings = checked(WELL).unwrap();
        assert_eq!((settings.groups_claim.as_str(), settings.session_minutes), ("groups", 720));
        assert_eq!(settings.back(), "https://rosterd.example.com/sign-in/oidc/back");
        assert!(settings.is_secure());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_key() {
        for (from, to, said) in [
            ("https://id", "http://id", "`http.oidc.issuer` is not https"),
            ("https://id.example.com", "id.example.com", "`http.oidc.issuer` is not a URL"),
            ("https://rosterd", "http://rosterd", "`http.oidc.public_url` is not https"),
            ("https://rosterd", "https://me@rosterd", "`http.oidc.public_url` holds"),
            (".com/\"", ".com/app\"", "`http.oidc.public_url` is more than an origin"),
            ("\"rosterd\"", "\"\"", "`http.oidc.client_id` is empty"),
            ("client_id", "session_minutes = 721\nclient_id", "`http.oidc.session_minutes`"),
            ("\"operators\"", "\"\"", "has an empty `id`"),
            ("[\"read\"]", "[]", "`operators`: `scopes` is empty"),
            (
                "[[group]]",
                "[[group]]\nid = \"operators\"\nscopes = [\"sync\"]\n[[group]]",
                "`operators` is there twice",
            ),
        ] {
            let error = checked(&WELL.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(said), "{said}: {error}");
        }
        let none = WELL.split("[[group]]").next().unwrap();
        assert!(checked(none).unwrap_err().contains("[[http.oidc.group]] is missing"));
    }

    #[test]
    fn on_this_machine_plain_http_will_do() {
        let here = WELL.replace("https://id.example.com", "http://127.0.0.1:9");
        let settings = checked(&here.replace("https://rosterd.example.com/", "http://localhost:8787")).unwrap();
        assert_eq!(settings.back(), "http://localhost:8787/sign-in/oidc/back");
        assert!(!settings.is_secure());
    }
}
