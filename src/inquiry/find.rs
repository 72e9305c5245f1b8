//! Users by name, email, id or number. Names are for who asks and may see them, and nowhere else.

use crate::model::{DistrictId, Kind, Personal, Record, User};
use crate::store::{Store, StoreError};

/// Active records of users in whom every word of `text` is found: in the name, or as the begin of email, user name, id or a
/// number; by id.
pub async fn find(store: &Store, district: &DistrictId, text: &str) -> Result<Vec<User>, StoreError> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let users = store.roster(district, Kind::Users).await?.into_iter().filter_map(|record| match record {
        Record::User(user) if matches(&user, &words) => Some(user),
        _ => None,
    });
    Ok(users.collect())
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

fn matches(user: &User, words: &[String]) -> bool {
    let User { id, given_name, family_name, email, username, student_number, state_id, .. } = user;
    let names = [given_name, family_name].map(|it| revealed(it.as_ref()).to_lowercase());
    let keys = [email, username, student_number, state_id].map(|it| revealed(it.as_ref()).to_lowercase());
    let id = id.as_str().to_lowercase();
    words.iter().all(|word| {
        names.iter().any(|name| name.contains(word.as_str()))
            || id.starts_with(word.as_str())
            || keys.iter().any(|key| key.starts_with(word.as_str()))
    })
}
