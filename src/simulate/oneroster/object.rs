//! One row of a CSV table as OneRoster's JSON, in 1.1 or 1.2.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Version;
use super::roles;
use crate::simulate::http::encode;
use crate::simulate::quirks::Quirks;
use crate::simulate::table::CsvSet;
use crate::simulate::table::Table;

/// What a record without a date says; bulk files leave it blank.
pub(crate) const UNDATED: &str = "2025-08-01T00:00:00.000Z";

/// Writes the objects of one table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) version: Version,
    pub(crate) set: &'a CsvSet,
    /// Absolute address of the endpoint's base, for `href`.
    pub(crate) base: &'a str,
    pub(crate) quirks: &'a Quirks,
}

/// A row on its way into an object.
struct Draft<'a> {
    writer: Writer<'a>,
    table: &'a Table,
    row: &'a [String],
    fields: Map<String, Value>,
}

/// Endpoint and 1.1's reference type of a target.
const TARGETS: [(&str, &str); 6] = [
    ("orgs", "org"),
    ("academicSessions", "academicSession"),
    ("courses", "course"),
    ("classes", "class"),
    ("users", "user"),
    ("enrollments", "enrollment"),
];

/// The field names of a table's objects, for `fields`.
pub(crate) fn field_names(version: Version, table: &str) -> Vec<&'static str> {
    let own = match (table, version) {
        ("orgs", _) => "name type identifier parent children",
        ("academicSessions", _) => "title startDate endDate type schoolYear parent children",
        ("courses", _) => "title courseCode schoolYear grades subjects subjectCodes org resources",
        ("classes", _) => {
            "title school classCode classType location grades subjects subjectCodes course terms periods resources"
        }
        ("users", Version::V1p1) => {
            "username enabledUser givenName familyName middleName role orgs userIds identifier email sms phone agents grades password"
        }
        ("users", Version::V1p2) => {
            "username enabledUser givenName familyName middleName roles primaryOrg userIds identifier email sms phone agents grades \
             password userMasterIdentifier preferredFirstName preferredMiddleName preferredLastName pronouns userProfiles resources"
        }
        _ => "user class school role primary beginDate endDate",
    };
    "sourcedId status dateLastModified metadata".split(' ').chain(own.split_whitespace()).collect()
}

impl Writer<'_> {
    /// The object of a row of the named table.
    pub(crate) fn object(&self, name: &str, table: &Table, row: &[String]) -> Value {
        let mut draft = Draft { writer: *self, table, row, fields: Map::new() };
        draft.common();
        match name {
            "orgs" => draft.org(),
            "academicSessions" => draft.session(),
            "courses" => draft.course(),
            "classes" => draft.class(),
            "users" => draft.user(),
            _ => draft.enrollment(),
        }
        if self.quirks.has("extra-fields") {
            draft.fields.insert("metadata".to_owned(), json!({ "vendor.note": "extra" }));
            draft.fields.insert("x_vendorField".to_owned(), json!({ "nested": [1, null, "two"] }));
        }
        Value::Object(draft.fields)
    }

    fn reference(&self, target: &str, id: &str) -> Value {
        let kind = TARGETS.iter().find(|(endpoint, _)| *endpoint == target).map_or("", |(_, kind)| *kind);
        json!({ "href": format!("{}/{target}/{}", self.base, encode(id)), "sourcedId": id, "type": kind })
    }

    fn boolean(&self, text: &str) -> Value {
        let truth = text.eq_ignore_ascii_case("true");
        if self.quirks.has("bool-json") {
            json!(truth)
        } else if self.quirks.has("bool-int") {
            json!(u8::from(truth))
        } else {
            json!(if truth { "true" } else { "false" })
        }
    }
}

impl Draft<'_> {
    fn cell(&self, column: &str) -> &str {
        self.table.cell(self.row, column)
    }

    fn put(&mut self, field: &str, value: Value) {
        self.fields.insert(field.to_owned(), value);
    }

    /// A text that must be there, empty or not.
    fn text(&mut self, field: &str, column: &str) {
        let value = json!(self.cell(column));
        self.put(field, value);
    }

    /// A text that is left out when empty.
    fn optional(&mut self, field: &str, column: &str) {
        if !self.cell(column).is_empty() {
            self.text(field, column);
        }
    }

    fn items(&self, column: &str) -> Vec<String> {
        self.cell(column).split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    fn list(&mut self, field: &str) {
        let value = json!(self.items(field));
        self.put(field, value);
    }

    fn reference(&mut self, field: &str, column: &str, target: &str) {
        if !self.cell(column).is_empty() {
            let value = self.writer.reference(target, self.cell(column));
            self.put(field, value);
        }
    }

    fn references(&mut self, field: &str, column: &str, target: &str) {
        let list: Vec<_> = self.items(column).iter().map(|id| self.writer.reference(target, id)).collect();
        self.put(field, Value::Array(list));
    }

    /// The objects of a table whose parent this one is.
    fn children(&mut self, target: &str) {
        let Some(table) = self.writer.set.table(target) else { return };
        let id = self.cell("sourcedId");
        let of = table.rows.iter().filter(|row| table.cell(row, "parentSourcedId") == id);
        let list: Vec<_> = of.map(|row| self.writer.reference(target, table.cell(row, "sourcedId"))).collect();
        self.put("children", Value::Array(list));
    }

    fn common(&mut self) {
        self.text("sourcedId", "sourcedId");
        let status = if self.cell("status").is_empty() { "active" } else { self.cell("status") };
        let status = json!(status);
        self.put("status", status);
        let dated = if self.cell("dateLastModified").is_empty() { UNDATED } else { self.cell("dateLastModified") };
        let dated = json!(dated);
        self.put("dateLastModified", dated);
    }

    fn org(&mut self) {
        self.text("name", "name");
        self.text("type", "type");
        self.text("identifier", "identifier");
        self.reference("parent", "parentSourcedId", "orgs");
        self.children("orgs");
    }

    fn session(&mut self) {
        for field in ["title", "type", "startDate", "endDate", "schoolYear"] {
            self.text(field, field);
        }
        self.reference("parent", "parentSourcedId", "academicSessions");
        self.children("academicSessions");
    }

    fn course(&mut self) {
        self.text("title", "title");
        self.text("courseCode", "courseCode");
        self.reference("schoolYear", "schoolYearSourcedId", "academicSessions");
        self.reference("org", "orgSourcedId", "orgs");
        for field in ["grades", "subjects", "subjectCodes"] {
            self.list(field);
        }
    }

    fn class(&mut self) {
        self.text("title", "title");
        self.text("classType", "classType");
        self.optional("classCode", "classCode");
        self.optional("location", "location");
        for field in ["grades", "subjects", "subjectCodes", "periods"] {
            self.list(field);
        }
        self.reference("course", "courseSourcedId", "courses");
        self.reference("school", "schoolSourcedId", "orgs");
        self.references("terms", "termSourcedIds", "academicSessions");
    }

    fn user(&mut self) {
        for field in ["username", "givenName", "familyName"] {
            self.text(field, field);
        }
        for field in ["middleName", "identifier", "email", "sms", "phone", "password"] {
            self.optional(field, field);
        }
        let enabled = self.writer.boolean(self.cell("enabledUser"));
        self.put("enabledUser", enabled);
        let ids = user_ids(self.cell("userIds"));
        self.put("userIds", ids);
        self.list("grades");
        self.references("agents", "agentSourcedIds", "users");
        match self.writer.version {
            Version::V1p1 => {
                self.text("role", "role");
                self.references("orgs", "orgSourcedIds", "orgs");
            }
            Version::V1p2 => {
                let held = roles::of_row(self.writer.set, self.table, self.row);
                let role = |role: &roles::Role| {
                    let org = self.writer.reference("orgs", &role.org);
                    json!({ "roleType": "primary", "role": role.role, "org": org })
                };
                let list: Vec<_> = held.iter().map(role).collect();
                if let Some(first) = held.first() {
                    let primary = self.writer.reference("orgs", &first.org);
                    self.put("primaryOrg", primary);
                }
                self.put("roles", Value::Array(list));
                self.put("userProfiles", json!([]));
            }
        }
    }

    fn enrollment(&mut self) {
        self.reference("user", "userSourcedId", "users");
        self.reference("class", "classSourcedId", "classes");
        self.reference("school", "schoolSourcedId", "orgs");
        let role = roles::of_enrollment(self.writer.version, self.cell("role"));
        self.put("role", json!(role));
        if !self.cell("primary").is_empty() {
            let primary = self.writer.boolean(self.cell("primary"));
            self.put("primary", primary);
        }
        self.optional("beginDate", "beginDate");
        self.optional("endDate", "endDate");
    }
}

/// `{type:identifier}` items of a cell.
fn user_ids(cell: &str) -> Value {
    let item = |item: &str| {
        let item = item.trim().trim_start_matches('{').trim_end_matches('}');
        let (kind, identifier) = item.split_once(':')?;
        Some(json!({ "type": kind, "identifier": identifier }))
    };
    Value::Array(cell.split("},").filter_map(item).collect())
}
