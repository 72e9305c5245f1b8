//! `rosterd roster`: the active records of a district, one a line.

use clap::Args;

use crate::command::{CommandError, Session};
use crate::model::{Kind, Record};

/// Active records of a district, sorted by id
#[derive(Debug, Args)]
pub(super) struct Roster {
    /// The district
    #[arg(long, value_name = "D")]
    district: String,
    /// schools, sessions, courses, classes, users or enrollments
    #[arg(long, value_parser = kind)]
    kind: Kind,
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::from_plural(text)
        .ok_or_else(|| "expected schools, sessions, courses, classes, users or enrollments".to_owned())
}

impl Roster {
    pub(super) async fn run(&self, session: &Session) -> Result<u8, CommandError> {
        let district = session.district(&self.district).await?;
        let records = session.store().roster(&district, self.kind).await?;
        if session.output.json {
            for record in &records {
                session.output.line(&record.roster_line()?)?;
            }
            return Ok(0);
        }
        let header: &[&str] = match self.kind {
            Kind::Schools => &["ID", "TYPE", "NAME", "IDENTIFIER", "PARENT"],
            Kind::Sessions => &["ID", "TYPE", "TITLE", "STARTS", "ENDS"],
            Kind::Courses => &["ID", "TITLE", "CODE", "GRADES"],
            Kind::Classes => &["ID", "TITLE", "SCHOOL", "GRADES", "SUBJECTS"],
            Kind::Users => &["ID", "NAME", "ROLES", "ACTIVE", "GRADES"],
            Kind::Enrollments => &["USER", "CLASS", "ROLE", "PERIODS"],
        };
        session.output.table(header, records.iter().map(cells).collect())?;
        Ok(0)
    }
}

fn cells(record: &Record) -> Vec<String> {
    fn shown<T: ToString>(value: Option<&T>) -> String {
        value.map(ToString::to_string).unwrap_or_default()
    }
    match record {
        Record::School(it) => vec![
            it.id.to_string(),
            it.org_type.clone(),
            it.name.clone(),
            shown(it.identifier.as_ref()),
            shown(it.parent.as_ref()),
        ],
        Record::Session(it) => vec![
            it.id.to_string(),
            it.session_type.clone(),
            it.title.clone(),
            shown(it.starts_on.as_ref()),
            shown(it.ends_on.as_ref()),
        ],
        Record::Course(it) => {
            vec![it.id.to_string(), it.title.clone(), shown(it.code.as_ref()), it.grades.join(" ")]
        }
        Record::Class(it) => vec![
            it.id.to_string(),
            it.title.clone(),
            shown(it.school.as_ref()),
            it.grades.join(" "),
            it.subjects.join(", "),
        ],
        Record::User(it) => {
            let names = [&it.given_name, &it.family_name].into_iter().flatten().map(crate::model::Personal::reveal);
            let roles = it.roles.iter().map(|role| format!("{:?}", role.role).to_lowercase());
            let roles: std::collections::BTreeSet<String> = roles.collect();
            vec![
                it.id.to_string(),
                names.collect::<Vec<_>>().join(" "),
                roles.into_iter().collect::<Vec<_>>().join(" "),
                if it.active { "yes" } else { "no" }.to_owned(),
                it.grades.join(" "),
            ]
        }
        Record::Enrollment(it) => {
            let day = |day: Option<crate::model::Date>| day.map_or_else(|| "…".to_owned(), |day| day.to_string());
            let periods = it.periods.iter().map(|period| format!("{} to {}", day(period.begin), day(period.end)));
            vec![
                it.user.to_string(),
                it.class.to_string(),
                format!("{:?}", it.role).to_lowercase(),
                periods.collect::<Vec<_>>().join(", "),
            ]
        }
    }
}
