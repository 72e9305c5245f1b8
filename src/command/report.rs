//! `rosterd report`: license claims, assignment history, activity, compliance, combined licenses.

use clap::{Args, ValueEnum};

use crate::command::{CommandError, Session, runs::safe_cell};
use crate::inquiry;
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
    let broken = || CommandError::Failed("the report cannot be written as CSV".to_owned());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(sheet.columns).map_err(|_| broken())?;
    for row in sheet.cells() {
        writer.write_record(row.iter().map(|cell| safe_cell(cell))).map_err(|_| broken())?;
    }
    let bytes = writer.into_inner().map_err(|_| broken())?;
    session.output.line(String::from_utf8_lossy(&bytes).trim_end())
}
