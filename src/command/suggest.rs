//! `rosterd suggest`: how to get back under the limit (licensing.md, Suggestions).

use clap::Args;

use crate::command::{CommandError, Session};
use crate::model::SourceId;
use crate::suggest::{self, Shortage, Wanted};

/// How to get back under the limit, each with the seats it would free
#[derive(Debug, Args)]
pub(super) struct Suggest {
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
    /// Of one product
    #[arg(long, value_name = "P")]
    product: Option<String>,
    /// Of one school's allotment
    #[arg(long, value_name = "S")]
    school: Option<String>,
}

impl Suggest {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let district = session.district(&self.district).await?;
        let product = match &self.product {
            Some(code) => Some(session.product(code).await?),
            None => None,
        };
        let baseline = session.store().baseline(&district).await?;
        let by_hand = !session.is_fed(&district).await;
        let wanted = Wanted { product, school: self.school.as_deref().map(SourceId::new), by_hand };
        if let Some(school) = wanted.school.as_ref().filter(|id| !baseline.roster.schools.contains_key(*id)) {
            let message = format!("district `{district}` has no school `{school}`; `rosterd roster --kind schools`");
            return Err(CommandError::Usage(format!("{message} lists them")));
        }
        let found = suggest::suggest(&baseline, session.as_of(), &wanted);
        if session.output.json {
            session.output.document(&found)?;
            return Ok(0);
        }
        if found.is_empty() {
            session.output.line("nobody waits and no pool is over: there is nothing to suggest")?;
        }
        for shortage in &found {
            show(session, shortage)?;
        }
        Ok(0)
    }
}

fn show(session: &Session, it: &Shortage) -> Result<(), CommandError> {
    let place =
        it.school.as_ref().map_or_else(|| "the district's pool".to_owned(), |school| format!("school {school}"));
    let text = format!(
        "{} {}, {place}: {} over, {} waiting; short by {} seats in {}",
        it.district, it.product, it.over, it.waiting, it.short_by, it.product
    );
    session.output.line(&text)?;
    let rows = it.suggestions.iter().map(|it| {
        vec![it.rank.to_string(), it.frees.to_string(), it.seats.to_string(), it.text.clone(), it.command.clone()]
    });
    session.output.table(&["RANK", "FREES", "SEATS WAITING", "WHAT", "COMMAND"], rows.collect())
}
