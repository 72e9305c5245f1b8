//! `rosterd enroll`, `unenroll`, `role` and `user`: records of a district that is kept by hand. A rostered district refuses
//! all of them but `user erase`, which any district knows.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use crate::command::by_hand::users_in;
use crate::command::{CommandError, Session, privacy};
use crate::manual::Verb;
use crate::model::{RoleName, SourceId};

/// Whom it is about, and why.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("users").required(true).args(["user", "file"])))]
struct Them {
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
    /// Users, by the source's id
    #[arg(long, value_name = "U", num_args = 1..)]
    user: Vec<String>,
    /// Users listed in a file, one id a line
    #[arg(long, value_name = "F")]
    file: Option<PathBuf>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Users into a class
#[derive(Debug, Args)]
pub(super) struct Enroll {
    #[command(flatten)]
    them: Them,
    /// The class, by the source's id
    #[arg(long, value_name = "C")]
    class: String,
    /// In which role
    #[arg(long, value_name = "ROLE", default_value = "student", value_parser = role)]
    role: RoleName,
}

/// Users, or everyone, out of a class; the class and the users stay
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whom").required(true).args(["user", "file", "everyone"])))]
pub(super) struct Unenroll {
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
    /// The class, by the source's id
    #[arg(long, value_name = "C")]
    class: String,
    /// Users, by the source's id
    #[arg(long, value_name = "U", num_args = 1..)]
    user: Vec<String>,
    /// Users listed in a file, one id a line
    #[arg(long, value_name = "F")]
    file: Option<PathBuf>,
    /// Everyone in the class, teachers included
    #[arg(long)]
    everyone: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Roles of users
#[derive(Debug, Subcommand)]
pub(super) enum Roles {
    /// Give users a role at a school
    Assign(RoleAt),
    /// Take a role at a school from users
    Remove(RoleAt),
}

#[derive(Debug, Args)]
pub(super) struct RoleAt {
    #[command(flatten)]
    them: Them,
    /// The role
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: RoleName,
    /// The school: source id, identifier or NCES number
    #[arg(long, value_name = "S")]
    school: String,
}

/// Users of a district
#[derive(Debug, Subcommand)]
pub(super) enum Users {
    /// Move users from one school to another; their seats go along
    Transfer(Transfer),
    /// Enable accounts
    Enable(Accounts),
    /// Disable accounts; their seats are given up
    Disable(Accounts),
    /// Take one person out of the store for good: records, versions, seats, overrides, use. The audit keeps ids only
    Erase(privacy::Erase),
}

#[derive(Debug, Args)]
pub(super) struct Transfer {
    #[command(flatten)]
    them: Them,
    /// The school they leave: source id, identifier or NCES number
    #[arg(long, value_name = "S")]
    from: String,
    /// The school they go to
    #[arg(long, value_name = "S")]
    to: String,
}

#[derive(Debug, Args)]
pub(super) struct Accounts {
    #[command(flatten)]
    them: Them,
}

fn role(text: &str) -> Result<RoleName, String> {
    let read = serde_json::from_value(serde_json::Value::from(text));
    read.map_err(|_| "expected administrator, aide, proctor, staff, student or teacher".to_owned())
}

fn users(user: &[String], file: Option<&PathBuf>) -> Result<BTreeSet<SourceId>, CommandError> {
    file.map_or_else(|| Ok(user.iter().map(SourceId::new).collect()), |file| users_in(file))
}

impl Them {
    async fn carry_out(
        &self,
        session: &Session,
        verb: impl FnOnce(BTreeSet<SourceId>) -> Verb,
    ) -> Result<u8, CommandError> {
        let district = session.district(&self.district).await?;
        let verb = verb(users(&self.user, self.file.as_ref())?);
        session.by_hand(district, &verb, self.reason.as_deref()).await
    }
}

impl Enroll {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let (class, role) = (SourceId::new(&self.class), self.role);
        self.them.carry_out(session, |users| Verb::Enroll { class, users, role }).await
    }
}

impl Unenroll {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let district = session.district(&self.district).await?;
        let users = if self.everyone { None } else { Some(users(&self.user, self.file.as_ref())?) };
        let verb = Verb::Unenroll { class: SourceId::new(&self.class), users };
        session.by_hand(district, &verb, self.reason.as_deref()).await
    }
}

impl Roles {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let (Self::Assign(it) | Self::Remove(it)) = self;
        let (role, school) = (it.role, it.school.clone());
        let gives = matches!(self, Self::Assign(_));
        let verb = |users| {
            if gives { Verb::RoleAssign { users, role, school } } else { Verb::RoleRemove { users, role, school } }
        };
        it.them.carry_out(session, verb).await
    }
}

impl Users {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        match self {
            Self::Transfer(Transfer { them, from, to }) => {
                let (from, to) = (from.clone(), to.clone());
                them.carry_out(session, |users| Verb::Transfer { users, from, to }).await
            }
            Self::Enable(Accounts { them }) => {
                them.carry_out(session, |users| Verb::SetActive { users, active: true }).await
            }
            Self::Disable(Accounts { them }) => {
                them.carry_out(session, |users| Verb::SetActive { users, active: false }).await
            }
            Self::Erase(it) => it.run(session).await,
        }
    }
}
