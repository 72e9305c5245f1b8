//! `rosterd assign`, `unassign`, `reassign`, `swap` and `move-seats`: the manual verbs.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::command::by_hand::{OnlyPlan, users_in};
use crate::command::{CommandError, Session};
use crate::manual::{Verb, Whom};
use crate::model::SourceId;

/// A product for a user, a class or a list of users
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whom").required(true).args(["user", "class", "file"])))]
pub(super) struct Assign {
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
    /// The product
    #[arg(long, value_name = "P")]
    product: String,
    /// Users, by the source's ids
    #[arg(long, value_name = "U", num_args = 1..)]
    user: Vec<String>,
    /// A class as it changes, by the source's id
    #[arg(long, value_name = "C")]
    class: Option<String>,
    /// Users of the class that are left out
    #[arg(long, value_name = "U", num_args = 1.., requires = "class")]
    except: Vec<String>,
    /// Users listed in a file, one id a line
    #[arg(long, value_name = "F")]
    file: Option<PathBuf>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    only: OnlyPlan,
}

/// One user's seat for another user
#[derive(Debug, Args)]
pub(super) struct Reassign {
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
    /// The product
    #[arg(long, value_name = "P")]
    product: String,
    /// Who has the seat
    #[arg(long, value_name = "U")]
    from: String,
    /// Who gets it
    #[arg(long, value_name = "U")]
    to: String,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    only: OnlyPlan,
}

/// One product of a user for another
#[derive(Debug, Args)]
pub(super) struct Swap {
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
    /// The user, by the source's id
    #[arg(long, value_name = "U")]
    user: String,
    /// The product that is given up
    #[arg(long, value_name = "P")]
    from: String,
    /// The product that is granted
    #[arg(long, value_name = "P")]
    to: String,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    only: OnlyPlan,
}

/// Seats from one school's allotment to another's
#[derive(Debug, Args)]
pub(super) struct MoveSeats {
    /// The subscription
    #[arg(long, value_name = "ID")]
    subscription: String,
    /// The school they are taken from: source id, identifier or NCES number
    #[arg(long, value_name = "S")]
    from: String,
    /// The school they go to
    #[arg(long, value_name = "S")]
    to: String,
    /// How many
    #[arg(long, value_name = "N")]
    seats: u32,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    only: OnlyPlan,
}

impl Assign {
    pub(super) async fn run(&self, session: &Session, assigns: bool) -> Result<u8, CommandError> {
        let district = session.district(&self.district).await?;
        let product = self.product.as_str().into();
        let whom = self.whom()?;
        let verb = if assigns { Verb::Assign { product, whom } } else { Verb::Unassign { product, whom } };
        session.by_hand_unless(&self.only, district, &verb, Some(&self.reason)).await
    }

    fn whom(&self) -> Result<Whom, CommandError> {
        if let Some(class) = &self.class {
            let except = self.except.iter().map(SourceId::new).collect();
            return Ok(Whom::Class { id: SourceId::new(class), except });
        }
        if let Some(file) = &self.file {
            return Ok(Whom::Users(users_in(file)?));
        }
        Ok(Whom::Users(self.user.iter().map(SourceId::new).collect()))
    }
}

impl Reassign {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let district = session.district(&self.district).await?;
        let (from, to) = (self.from.as_str().into(), self.to.as_str().into());
        let verb = Verb::Reassign { product: self.product.as_str().into(), from, to };
        session.by_hand_unless(&self.only, district, &verb, self.reason.as_deref()).await
    }
}

impl Swap {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let district = session.district(&self.district).await?;
        let (from, to) = (self.from.as_str().into(), self.to.as_str().into());
        let verb = Verb::Swap { user: self.user.as_str().into(), from, to };
        session.by_hand_unless(&self.only, district, &verb, self.reason.as_deref()).await
    }
}

impl MoveSeats {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let (subscription, district) = session.subscription(&self.subscription).await?;
        let (from, to) = (self.from.clone(), self.to.clone());
        let verb = Verb::MoveSeats { subscription, from, to, seats: self.seats };
        session.by_hand_unless(&self.only, district, &verb, self.reason.as_deref()).await
    }
}
