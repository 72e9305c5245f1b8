//! Users by name, email, id or number. Names are for who asks and may see them, and nowhere else.

use memchr::memmem::Finder;

use crate::model::{DistrictId, Personal, SourceId, User};
use crate::store::{Store, StoreError};

/// Before each of a user's keys: no word that somebody looks for has it.
const KEY: char = '\u{1}';

/// What every active user of a district is found by, one after another in one text.
pub struct Names {
    text: String,
    /// Each user, with where what they are found by ends.
    users: Vec<(SourceId, usize)>,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Names").field(&self.users.len()).finish()
    }
}

impl Names {
    /// Those of a district.
    pub async fn read(store: &Store, district: &DistrictId) -> Result<Self, StoreError> {
        let mut all = Self { text: String::new(), users: Vec::new() };
        store.each_user(district, |user| all.push(&user)).await?;
        Ok(all)
    }

    fn push(&mut self, user: &User) {
        self.text.push_str(&found_by(user));
        self.users.push((user.id.clone(), self.text.len()));
    }

    /// Users in whom every word of `text` is found, by id; see [`find`].
    pub fn find<'a>(&'a self, text: &str) -> impl Iterator<Item = &'a SourceId> {
        let words = Words::of(text);
        // One walk for the first word over all, and a look at each user in whom it may be.
        let first = words.0.first().map(|(anywhere, _)| anywhere.clone());
        let begin = |place: usize| place.checked_sub(1).and_then(|it| self.users.get(it)).map_or(0, |(_, end)| *end);
        let mut next: usize = 0;
        std::iter::from_fn(move || {
            loop {
                if let Some(first) = &first {
                    let at = begin(next) + first.find(self.text.as_bytes().get(begin(next)..)?)?;
                    next += self.users.get(next..)?.partition_point(|(_, end)| *end <= at);
                }
                let (id, end) = self.users.get(next)?;
                let by = self.text.get(begin(next)..*end)?;
                next += 1;
                if words.are_in(by) {
                    return Some(id);
                }
            }
        })
    }
}

/// Active records of users in whom every word of `text` is found: in the name, or as the begin of email, user name, id or a
/// number; by id.
pub async fn find(store: &Store, district: &DistrictId, text: &str) -> Result<Vec<User>, StoreError> {
    let words = Words::of(text);
    let mut found = Vec::new();
    store.each_user(district, |user| found.extend(words.are_in(&found_by(&user)).then_some(user))).await?;
    Ok(found)
}

/// Names, then keys, all in small letters.
fn found_by(user: &User) -> String {
    let User { id, given_name, family_name, email, username, student_number, state_id, .. } = user;
    let mut text = format!("{} {}", revealed(given_name.as_ref()), revealed(family_name.as_ref())).to_lowercase();
    let keys = [email, username, student_number, state_id].map(|it| revealed(it.as_ref()));
    for key in std::iter::once(id.as_str()).chain(keys) {
        text.push(KEY);
        text.push_str(&key.to_lowercase());
    }
    text
}

/// What is looked for: each word anywhere in a name, or where a key begins.
struct Words(Vec<(Finder<'static>, Finder<'static>)>);

impl Words {
    fn of(text: &str) -> Self {
        let word = |it: &str| {
            let it = it.to_lowercase();
            (Finder::new(&it).into_owned(), Finder::new(&format!("{KEY}{it}")).into_owned())
        };
        Self(text.split_whitespace().map(word).collect())
    }

    fn are_in(&self, by: &str) -> bool {
        let (names, keys) = by.split_at(by.find(KEY).unwrap_or(by.len()));
        self.0.iter().all(|(anywhere, at_begin)| {
            anywhere.find(names.as_bytes()).is_some() || at_begin.find(keys.as_bytes()).is_some()
        })
    }
}

/// Given and family name.
pub fn full_name(user: &User) -> String {
    let name = format!("{} {}", revealed(user.given_name.as_ref()), revealed(user.family_name.as_ref()));
    name.trim().to_owned()
}

/// Each role once.
pub fn role_words(user: &User) -> String {
    let mut words: Vec<String> = Vec::new();
    for role in &user.roles {
        let word = format!("{:?}", role.role).to_lowercase();
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(", ")
}

fn revealed(it: Option<&Personal>) -> &str {
    it.map(Personal::reveal).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_any_part_of_it_and_a_key_by_its_begin() {
        let user: User = serde_json::from_str(
            r#"{"id":"U-1","active":true,"given_name":"Zoë","family_name":"van Dijk","email":"zoe@oak.example","student_number":"0042"}"#,
        )
        .unwrap();
        let by = found_by(&user);
        let found = |text: &str| Words::of(text).are_in(&by);
        assert!(["zoë", "ZOË dijk", "dij", "u-1", "zoe@oak", "004", "van 0042", ""].into_iter().all(found));
        // The same of all at once, whoever stands before or after.
        let mut names = Names { text: String::new(), users: Vec::new() };
        for id in ["a", "b", "c"] {
            names.push(&User { id: id.into(), ..user.clone() });
        }
        let ids = |text: &str| names.find(text).map(SourceId::as_str).collect::<Vec<_>>();
        assert_eq!((ids("zoë 004"), ids("b"), ids("")), (vec!["a", "b", "c"], vec!["b"], vec!["a", "b", "c"]));
        assert_eq!(ids("zoë 42"), Vec::<&str>::new());
        // Neither within a key, nor across a name and a key, nor from one name to the next.
        assert!(!["oak.example", "42", "-1", "dijku", "zoëvan", "zoe dirk"].into_iter().any(found));
    }
}
