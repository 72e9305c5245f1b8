//! `rosterd find`: users by name, email, id or number. Names are for the operator who asks, on standard output, and nowhere
//! else.

use clap::Args;
use serde::Serialize;

use crate::command::{CommandError, Session};
use crate::inquiry;
use crate::model::{DistrictId, Personal, User};

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
        let text = self.text.join(" ");
        if text.trim().is_empty() {
            return Err(CommandError::Usage("say what to look for: a name, an email, an id or a number".to_owned()));
        }
        let districts = match &self.district {
            Some(id) => vec![session.district(id).await?],
            None => session.store().districts().await?.into_iter().map(|it| it.id).collect(),
        };
        let mut found: Vec<Found> = Vec::new();
        for district in districts {
            for mut user in inquiry::find(session.store(), &district, &text).await? {
                user.roles.iter_mut().for_each(|role| role.word = None);
                found.push(Found { district: district.clone(), user });
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

fn cells(it: &Found) -> Vec<String> {
    let user = &it.user;
    let revealed = |it: &Option<Personal>| it.as_ref().map(Personal::reveal).unwrap_or_default().to_owned();
    vec![
        it.district.to_string(),
        user.id.to_string(),
        inquiry::full_name(user),
        inquiry::role_words(user),
        if user.active { "yes" } else { "no" }.to_owned(),
        user.grades.join(", "),
        revealed(&user.student_number),
        revealed(&user.email),
    ]
}
