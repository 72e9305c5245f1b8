//! The file of `seats import`: one row for each seat that someone has today.
//!
//! A header names the columns, in any order and case: `product`; at least one of `user`, `student_number`, `state_id`,
//! `username`, `email`; and, as far as known, `school`, `assigned`, `claimed`, `last_used`. Pure, and nothing of the file but
//! names of columns is ever quoted, since its cells are people's data.

use chrono::NaiveTime;
use chrono_tz::Tz;

use crate::model::{Date, Personal, Timestamp};

/// One seat as the file tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Where it stands, from 1.
    pub(super) line: u64,
    /// The product's code.
    pub(super) product: String,
    /// The source's id.
    pub(super) user: Option<Personal>,
    /// A strong key.
    pub(super) student_number: Option<Personal>,
    /// A strong key.
    pub(super) state_id: Option<Personal>,
    /// A weak key.
    pub(super) username: Option<Personal>,
    /// The weakest key.
    pub(super) email: Option<Personal>,
    /// A school's source id, identifier or NCES number.
    pub(super) school: Option<String>,
    /// Since when the seat is had.
    pub(super) assigned: Option<Timestamp>,
    /// First use.
    pub(super) claimed: Option<Timestamp>,
    /// Last use.
    pub(super) last_used: Option<Timestamp>,
}

/// A file that was read to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SeatFile {
    /// In the order of the file.
    pub(super) rows: Vec<Row>,
    /// Names of columns that say nothing to us.
    pub(super) ignored: Vec<String>,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {problem}; correct it and import the file again, nothing of it was imported", place(.column.as_deref()))]
pub struct BadFile {
    /// From 1, the header included.
    pub line: u64,
    /// The column's name as we call it.
    pub column: Option<String>,
    /// What is wrong.
    pub problem: &'static str,
}

fn place(column: Option<&str>) -> String {
    column.map(|name| format!(", column `{name}`")).unwrap_or_default()
}

/// The columns, with the names that exports give them; lower case, letters alone.
const COLUMNS: [(&str, &[&str]); 10] = [
    ("product", &["product", "productcode"]),
    ("user", &["user", "userid", "usersourcedid", "sourcedid", "cleverid"]),
    ("student_number", &["studentnumber", "studentid", "localid"]),
    ("state_id", &["stateid", "statestudentid"]),
    ("username", &["username", "login"]),
    ("email", &["email", "emailaddress"]),
    ("school", &["school", "schoolid", "schoolsourcedid", "pool", "building"]),
    ("assigned", &["assigned", "assignedat", "assignedon", "assigneddate", "since"]),
    ("claimed", &["claimed", "claimedat", "claimedon", "claimeddate", "firstused", "activated"]),
    ("last_used", &["lastused", "lastusedat", "lastusedon", "lastlogin"]),
];

const KEYS: [&str; 5] = ["user", "student_number", "state_id", "username", "email"];

/// Reads the file. Dates are dates in `zone`, and none may lie after `now`.
pub(super) fn read(bytes: &[u8], zone: Tz, now: Timestamp) -> Result<SeatFile, BadFile> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let mut records = reader.records().map(|record| {
        record.map_err(|error| BadFile {
            line: error.position().map_or(1, csv::Position::line),
            column: None,
            problem: "this is not text in UTF-8",
        })
    });
    let empty = || BadFile { line: 1, column: None, problem: "the file is empty; it needs a header" };
    let header = records.next().ok_or_else(empty)??;
    let (columns, ignored) = columns(&header)?;
    let mut rows = Vec::new();
    for record in records {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().all(str::is_empty) {
            continue;
        }
        if record.len() != header.len() {
            let problem = "the row has more or fewer fields than the header";
            return Err(BadFile { line, column: None, problem });
        }
        rows.push(row(&Cells { record: &record, columns: &columns, line, zone, now })?);
    }
    Ok(SeatFile { rows, ignored })
}

/// Which field of a row each of our columns is, and the names that are none of ours.
type Columns = (Vec<(&'static str, usize)>, Vec<String>);

fn columns(header: &csv::StringRecord) -> Result<Columns, BadFile> {
    let wrong = |column: &str, problem| BadFile { line: 1, column: Some(column.to_owned()), problem };
    let (mut found, mut ignored): Columns = (Vec::new(), Vec::new());
    for (at, name) in header.iter().enumerate() {
        let bare: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        match COLUMNS.iter().find(|(_, names)| names.contains(&bare.as_str())) {
            Some((ours, _)) if found.iter().any(|(known, _)| known == ours) => {
                return Err(wrong(ours, "the column stands there twice"));
            }
            Some((ours, _)) => found.push((ours, at)),
            None => ignored.push(name.to_owned()),
        }
    }
    let has = |column: &str| found.iter().any(|(known, _)| *known == column);
    if !has("product") {
        return Err(wrong("product", "the header lacks this column"));
    }
    if !KEYS.into_iter().any(has) {
        let problem =
            "the header names no column that says who: `user`, `student_number`, `state_id`, `username` or `email`";
        return Err(BadFile { line: 1, column: None, problem });
    }
    Ok((found, ignored))
}

/// One row while it is read.
struct Cells<'a> {
    record: &'a csv::StringRecord,
    columns: &'a [(&'static str, usize)],
    line: u64,
    zone: Tz,
    now: Timestamp,
}

impl Cells<'_> {
    fn text(&self, column: &str) -> Option<&str> {
        let (_, at) = self.columns.iter().find(|(known, _)| *known == column)?;
        self.record.get(*at).filter(|cell| !cell.is_empty())
    }

    fn personal(&self, column: &str) -> Option<Personal> {
        self.text(column).map(Personal::new)
    }

    fn wrong(&self, column: &str, problem: &'static str) -> BadFile {
        BadFile { line: self.line, column: Some(column.to_owned()), problem }
    }

    /// An instant, or the beginning of a day in the district.
    fn instant(&self, column: &str) -> Result<Option<Timestamp>, BadFile> {
        let Some(text) = self.text(column) else { return Ok(None) };
        let of_day = |day: Date| Timestamp::first_at(day, NaiveTime::MIN, self.zone);
        let read = Timestamp::parse(text).ok().or_else(|| text.parse::<Date>().ok().map(of_day));
        let Some(at) = read else {
            let problem = "this is neither a date such as 2025-09-01 nor an instant such as 2025-09-01T08:00:00Z";
            return Err(self.wrong(column, problem));
        };
        if at > self.now {
            return Err(self.wrong(column, "this lies in the future"));
        }
        Ok(Some(at))
    }
}

fn row(cells: &Cells<'_>) -> Result<Row, BadFile> {
    let Some(product) = cells.text("product") else { return Err(cells.wrong("product", "the cell is empty")) };
    if !KEYS.into_iter().any(|key| cells.text(key).is_some()) {
        let problem = "nothing in the row says whose seat it is";
        return Err(BadFile { line: cells.line, column: None, problem });
    }
    Ok(Row {
        line: cells.line,
        product: product.to_owned(),
        user: cells.personal("user"),
        student_number: cells.personal("student_number"),
        state_id: cells.personal("state_id"),
        username: cells.personal("username"),
        email: cells.personal("email"),
        school: cells.text("school").map(str::to_owned),
        assigned: cells.instant("assigned")?,
        claimed: cells.instant("claimed")?,
        last_used: cells.instant("last_used")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<SeatFile, BadFile> {
        let now = Timestamp::parse("2025-10-06T07:00:00Z").unwrap();
        read(text.as_bytes(), "America/Chicago".parse().unwrap(), now)
    }

    #[test]
    fn columns_stand_in_any_order_and_dates_are_days_of_the_district() {
        let text = "\u{feff}Assigned Date,Given name,PRODUCT,Student Number\n2025-09-01,Ann,math,4711\n\n";
        let file = of(text).unwrap();
        assert_eq!(file.ignored, ["Given name"]);
        let [row] = &file.rows[..] else { panic!("one row") };
        assert_eq!((row.line, row.product.as_str()), (2, "math"));
        assert_eq!(row.student_number, Some(Personal::new("4711")));
        assert_eq!(row.assigned, Some(Timestamp::parse("2025-09-01T05:00:00Z").unwrap()));
        assert_eq!((row.claimed, row.user.as_ref()), (None, None));
    }

    #[test]
    fn what_is_wrong_is_said_with_line_and_column_and_without_the_value() {
        let told = |text: &str| of(text).unwrap_err().to_string();
        for (text, says) in [
            ("", "line 1: the file is empty"),
            ("product,product,user\n", "line 1, column `product`: the column stands there twice"),
            ("user,school\n", "line 1, column `product`: the header lacks"),
            ("product,school\n", "line 1: the header names no column that says who"),
            ("product,user\nmath,U1\nmath\n", "line 3: the row has more or fewer fields"),
            ("product,user\n,U1\n", "line 2, column `product`: the cell is empty"),
            ("product,user\nmath,\n", "line 2: nothing in the row says whose seat"),
            ("product,user,assigned\nmath,U1,1.9.2025\n", "line 2, column `assigned`: this is neither a date"),
            ("product,user,claimed\nmath,U1,2025-10-07\n", "line 2, column `claimed`: this lies in the future"),
        ] {
            let told = told(text);
            assert!(told.contains(says) && told.contains("nothing of it was imported"), "{told}");
            assert!(!told.contains("1.9.2025"), "{told}");
        }
        let now = Timestamp::parse("2025-10-06T07:00:00Z").unwrap();
        let latin = read(b"product,user\nmath,J\xf6rg\n", chrono_tz::UTC, now).unwrap_err();
        assert_eq!((latin.line, latin.problem), (2, "this is not text in UTF-8"));
    }
}
