//! Whom a district asks for help: the vendor's own words, shown where people read of trouble (S0.16 to S0.18, S1.16).

use serde::Deserialize;

/// `[support]` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Support {
    /// Whom to call and when, in as many lines as it takes. Hours name their zone in full (`America/Chicago`).
    pub text: String,
    /// Guides and forms.
    pub links: Vec<Link>,
}

/// One guide.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What it is.
    pub title: String,
    /// Where it is: `https://`, `http://`, `mailto:` or `tel:`.
    pub url: String,
}

const SCHEMES: [&str; 4] = ["https://", "http://", "mailto:", "tel:"];

impl Support {
    /// Checks what can be checked alone; the message names the key.
    pub fn check(&self) -> Result<(), String> {
        for (n, link) in self.links.iter().enumerate() {
            let place = format!("`support.links[{n}]`");
            if link.title.trim().is_empty() {
                return Err(format!("{place} has no `title`: say what is there, for instance \"Activation guide\""));
            }
            // A page must not carry a link that runs something.
            if !SCHEMES.iter().any(|it| link.url.starts_with(it)) {
                return Err(format!("{place}: `url` begins with none of {}", SCHEMES.join(" ")));
            }
        }
        Ok(())
    }

    /// The lines of the text, without empty ones at either end.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.trim().lines().map(str::trim_end)
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty() && self.links.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_what_it_is_and_runs_nothing() {
        let with = |title: &str, url: &str| Support {
            links: vec![Link { title: title.to_owned(), url: url.to_owned() }],
            ..Support::default()
        };
        assert_eq!(with("Guide", "https://help.example.com/guide.pdf").check(), Ok(()));
        assert_eq!(with("Call us", "tel:+13125550100").check(), Ok(()));
        for (title, url, named) in [("", "https://a.example", "title"), ("Guide", "javascript:alert(1)", "url")] {
            let refused = with(title, url).check().unwrap_err();
            assert!(refused.contains("support.links[0]") && refused.contains(named), "{refused}");
        }
    }
}
