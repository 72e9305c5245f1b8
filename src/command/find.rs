//! `rosterd find`: users by name, email, id or number. Names are for the operator who asks, on standard output, and nowhere
//! else.

use clap::Args;
use serde::Serialize;

use crate::command::{CommandError, Session};
use crate::model::{DistrictId, Kind, Personal, Record, SourceId, User};

/// Users by name, email, id or number
#[derive(Debug, Args)]
pub(super) struct Find {
    /// Every word must be found: in the name, or as the begin of email, user name, id or a number
    #[arg(value_name = "TEXT", required = true)]
    text: Vec<String>,
    /// In one district
    #[arg(long, value_name = "D")]
    district: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
}

/// A user found.
#[derive(Debug, Serialize)]
struct Found {
    district: DistrictId,
    #[serde(flatten)]
    user: User,
}

impl Find {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let words: Vec<String> =
            self.text.iter().flat_map(|text| text.split_whitespace()).map(str::to_lowercase).collect();
        if words.is_empty() {
            return Err(CommandError::Usage("say what to look for: a name, an email, an id or a number".to_owned()));
        }
        let districts = match &self.district {
            Some(id) => vec![session.district(id).await?],
            None => session.store().districts().await?.into_iter().map(|it| it.id).collect(),
        };
        let mut found: Vec<Found> = Vec::new();
        for district in districts {
            for record in session.store().roster(&district, Kind::Users).await? {
                let Record::User(mut user) = record else { continue };
                if matches(&user, &words) {
                    user.roles.iter_mut().for_each(|role| role.word = None);
                    found.push(Found { district: district.clone(), user });
                }
            }
        }
        let more = found.len().saturating_sub(self.limit);
        found.truncate(self.limit);
        if session.output.json {
            session.output.document(&found)?;
        } else {
            session.output.table(
                &["DISTRICT", "ID", "NAME", "ROLES", "ACTIVE", "GRADES", "NUMBER", "EMAIL"],
                found.iter().map(cells).collect(),
            )?;
        }
        if more > 0 {
            crate::command::output::tell(&format!("{more} more; narrow it down, or raise --limit"));
        }
        Ok(u8::from(found.is_empty()))
    }
}

fn revealed(it: Option<&Personal>) -> &str {
    it.map(Personal::reveal).unwrap_or_default()
}

fn matches(user: &User, words: &[String]) -> bool {
    let User { id, given_name, family_name, email, username, student_number, state_id, .. } = user;
    let names = [given_name, family_name].map(|it| revealed(it.as_ref()).to_lowercase());
    let keys = [email, username, student_number, state_id].map(|it| revealed(it.as_ref()).to_lowercase());
    let id: &SourceId = id;
    let id = id.as_str().to_lowercase();
    words.iter().all(|word| {
        names.iter().any(|name| name.contains(word.as_str()))
            || id.starts_with(word.as_str())
            || keys.iter().any(|key| key.starts_with(word.as_str()))
    })
}

fn cells(it: &Found) -> Vec<String> {
    let User { id, roles, active, given_name, family_name, email, grades, student_number, .. } = &it.user;
    let mut words: Vec<String> = Vec::new();
    for role in roles {
        let word = format!("{:?}", role.role).to_lowercase();
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let name = format!("{} {}", revealed(given_name.as_ref()), revealed(family_name.as_ref()));
    vec![
        it.district.to_string(),
        id.to_string(),
        name.trim().to_owned(),
        words.join(", "),
        if *active { "yes" } else { "no" }.to_owned(),
        grades.join(", "),
        revealed(student_number.as_ref()).to_owned(),
        revealed(email.as_ref()).to_owned(),
    ]
}
