//! `rosterd explain`: why a user has a product or has it not.

use clap::Args;

use crate::command::{CommandError, Session};
use crate::explain::{self, Marks};
use crate::inquiry::{self, WhoAndWhat};
use crate::model::SourceId;

/// Why a user has a product or has it not: the whole chain, the first broken link, who must act
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
    /// The user, by the source's id; `rosterd find` tells it
    #[arg(long, value_name = "U")]
    user: String,
    /// One product; without it all products the district has
    #[arg(long, value_name = "P")]
    product: Option<String>,
}

impl Explain {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let district = session.district(&self.district).await?;
        let product = match &self.product {
            Some(code) => Some(session.product(code).await?),
            None => None,
        };
        let user = SourceId::new(self.user.as_str());
        let asked = WhoAndWhat { district: &district, user: &user, product: product.as_ref(), as_of: session.as_of() };
        let answers = inquiry::explain(session.store(), asked).await?;
        if session.output.json {
            match (&product, answers.first()) {
                (Some(_), Some(one)) => session.output.document(one)?,
                (Some(_) | None, _) => session.output.document(&answers)?,
            }
            return Ok(0);
        }
        let marks = if session.output.terminal { Marks::SIGNS } else { Marks::WORDS };
        for answer in &answers {
            session.output.line(&explain::text(answer, marks))?;
        }
        Ok(0)
    }
}
