//! `rosterd override` and `rosterd access`: local decisions on one user.

use clap::{ArgGroup, Args, Subcommand};

use crate::command::by_hand::OnlyPlan;
use crate::command::{CommandError, Session};
use crate::manual::Verb;
use crate::model::{Date, OverrideKind};

/// Local decisions on one user and product
#[derive(Debug, Subcommand)]
pub(super) enum Override {
    /// Pin a user to a product, or exclude them from it
    Set(Set),
    /// Take a pin or an exclude away
    Clear(Clear),
}

/// A pin or an exclude
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("kind").required(true).args(["pin", "exclude"])))]
pub(super) struct Set {
    #[command(flatten)]
    of: Of,
    /// The user wants a seat whatever the product's rule says
    #[arg(long)]
    pin: bool,
    /// The user wants none whatever the product's rule says
    #[arg(long)]
    exclude: bool,
    /// Last day it holds, in the district's time zone
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
}

/// Nothing local any more
#[derive(Debug, Args)]
pub(super) struct Clear {
    #[command(flatten)]
    of: Of,
}

#[derive(Debug, Args)]
struct Of {
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
    /// The user, by the source's id
    #[arg(long, value_name = "U")]
    user: String,
    /// The product
    #[arg(long, value_name = "P")]
    product: String,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    only: OnlyPlan,
}

/// Educator access
#[derive(Debug, Subcommand)]
pub(super) enum Access {
    /// Switch one educator's access to a product ON or OFF
    Set(AccessSet),
}

/// ON or OFF
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("access").required(true).args(["on", "off"])))]
pub(super) struct AccessSet {
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
    /// The educator, by the source's id
    #[arg(long, value_name = "U")]
    educator: String,
    /// The product
    #[arg(long, value_name = "P")]
    product: String,
    /// Their classes count
    #[arg(long)]
    on: bool,
    /// Their classes do not count
    #[arg(long)]
    off: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    only: OnlyPlan,
}

impl Override {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let (of, verb) = match self {
            Self::Set(Set { of, pin, exclude: _, until }) => {
                let kind = if *pin { OverrideKind::Pin } else { OverrideKind::Exclude };
                let (product, user) = (of.product.as_str().into(), of.user.as_str().into());
                (of, Verb::OverrideSet { product, user, kind, until: *until })
            }
            Self::Clear(Clear { of }) => {
                let (product, user) = (of.product.as_str().into(), of.user.as_str().into());
                (of, Verb::OverrideClear { product, user })
            }
        };
        let district = session.district(&of.district).await?;
        session.by_hand_unless(&of.only, district, &verb, Some(&of.reason)).await
    }
}

impl Access {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let Self::Set(it) = self;
        let (product, educator) = (it.product.as_str().into(), it.educator.as_str().into());
        let district = session.district(&it.district).await?;
        let verb = Verb::AccessSet { product, educator, on: it.on };
        session.by_hand_unless(&it.only, district, &verb, it.reason.as_deref()).await
    }
}
