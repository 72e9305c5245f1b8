//! `rosterd report`: license claims, assignment history, activity, compliance, combined licenses.

use clap::{Args, ValueEnum};

use crate::command::{CommandError, Session};
use crate::inquiry;
use crate::report::csv;
use crate::reports::{Report as Which, Sheet};

/// Reports of a district: claims, history, activity, compliance, combined
#[derive(Debug, Args)]
pub(super) struct Report {
    /// claims: when each seat was assigned, claimed, last used; history: every change of a seat; activity: assigned seats that
    /// are active, inactive or never used; compliance: each product against its contract; combined: who has which part of a
    /// combined license
    #[arg(value_name = "NAME", value_parser = which)]
    name: Which,
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
    /// Of one product
    #[arg(long, value_name = "P")]
    product: Option<String>,
    /// How; --json is the same as json
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Csv,
    Json,
}

fn which(text: &str) -> Result<Which, String> {
    Which::parse(text).ok_or_else(|| {
        let names = Which::ALL.map(Which::as_str).join(", ");
        format!("expected one of: {names}")
    })
}

impl Report {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let district = session.district(&self.district).await?;
        let product = match &self.product {
            Some(code) => Some(session.product(code).await?),
            None => None,
        };
        let as_of = session.as_of();
        let sheet = inquiry::report(session.store(), &district, self.name, product.as_ref(), as_of).await?;
        match self.format {
            Format::Csv => csv(session, &sheet)?,
            Format::Json => session.output.document(&sheet.objects())?,
            Format::Text if session.output.json => session.output.document(&sheet.objects())?,
            Format::Text => {
                let heading: Vec<String> = sheet.columns.iter().map(|it| it.replace('_', " ").to_uppercase()).collect();
                let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
                session.output.table(&heading, sheet.cells().collect())?;
            }
        }
        Ok(0)
    }
}

fn csv(session: &Session, sheet: &Sheet) -> Result<(), CommandError> {
    session.output.line(&csv::line(sheet.columns.iter().copied()))?;
    for row in sheet.cells() {
        session.output.line(&csv::line(row.iter().map(String::as_str)))?;
    }
    Ok(())
}
