//! A small OneRoster CSV upload that a test writes row by row and changes cell by cell.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const FILES: [(&str, &str); 6] = [
    ("orgs", "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId"),
    ("academicSessions", "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear"),
    (
        "courses",
        "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes",
    ),
    (
        "classes",
        "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,\
         termSourcedIds,subjects,subjectCodes,periods",
    ),
    (
        "users",
        "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,\
         middleName,identifier,email,sms,phone,agentSourcedIds,grades,password",
    ),
    (
        "enrollments",
        "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate",
    ),
];

/// Cells by column.
type Row = BTreeMap<String, String>;

/// The files by name, each with its rows in the order they came.
#[derive(Clone)]
pub(crate) struct Upload {
    folder: PathBuf,
    files: BTreeMap<&'static str, Vec<Row>>,
}

impl Upload {
    /// A district `d` with the schools named, a school year 2025-2026 and a course, to be written into `folder`.
    pub(crate) fn new(folder: &Path, schools: &[&str]) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let files = FILES.iter().map(|(name, _)| (*name, Vec::new())).collect();
        let mut it = Self { folder: folder.to_owned(), files };
        it.put("orgs", "d", &[("name", "District"), ("type", "district")]);
        for school in schools {
            it.put("orgs", school, &[("name", school), ("type", "school"), ("parentSourcedId", "d")]);
        }
        it.session("sy", "2025-08-15", "2026-06-10");
        it.put("courses", "course", &[("title", "Course"), ("courseCode", "C"), ("orgSourcedId", "d")]);
        it
    }

    pub(crate) fn session(&mut self, id: &str, begins: &str, ends: &str) -> &mut Self {
        let cells =
            [("title", id), ("type", "schoolYear"), ("startDate", begins), ("endDate", ends), ("schoolYear", "2026")];
        self.put("academicSessions", id, &cells)
    }

    pub(crate) fn class(&mut self, id: &str, school: &str) -> &mut Self {
        let cells = [
            ("title", id),
            ("courseSourcedId", "course"),
            ("classType", "scheduled"),
            ("schoolSourcedId", school),
            ("termSourcedIds", "sy"),
        ];
        self.put("classes", id, &cells)
    }

    pub(crate) fn user(&mut self, id: &str, role: &str, school: &str) -> &mut Self {
        let cells = [
            ("enabledUser", "true"),
            ("orgSourcedIds", school),
            ("role", role),
            ("username", id),
            ("givenName", "Kim"),
            ("familyName", id),
            ("grades", if role == "student" { "03" } else { "" }),
        ];
        self.put("users", id, &cells)
    }

    pub(crate) fn enroll(&mut self, user: &str, class: &str, school: &str, role: &str) -> &mut Self {
        let cells = [("classSourcedId", class), ("schoolSourcedId", school), ("userSourcedId", user), ("role", role)];
        self.put("enrollments", &format!("e-{user}-{class}"), &cells)
    }

    /// `count` students `PREFIX-001`… of a school, each in the class.
    pub(crate) fn students(&mut self, prefix: &str, count: usize, school: &str, class: &str) -> &mut Self {
        for number in 1..=count {
            let id = format!("{prefix}-{number:03}");
            self.user(&id, "student", school).enroll(&id, class, school, "student");
        }
        self
    }

    /// Adds a row.
    pub(crate) fn put(&mut self, file: &'static str, id: &str, cells: &[(&str, &str)]) -> &mut Self {
        let mut row: Row = cells.iter().map(|(column, cell)| ((*column).to_owned(), (*cell).to_owned())).collect();
        row.insert("sourcedId".to_owned(), id.to_owned());
        self.files.get_mut(file).unwrap().push(row);
        self
    }

    /// Changes a cell of every row whose `sourcedId` is `id`.
    pub(crate) fn set(&mut self, file: &'static str, id: &str, column: &str, cell: &str) -> &mut Self {
        let rows = self.files.get_mut(file).unwrap().iter_mut().filter(|row| row["sourcedId"] == id);
        let changed = rows.map(|row| row.insert(column.to_owned(), cell.to_owned())).count();
        assert!(changed > 0, "{file} has no row {id}");
        self
    }

    /// Takes out the rows in which `column` is `cell`.
    pub(crate) fn drop_where(&mut self, file: &'static str, column: &str, cell: &str) -> &mut Self {
        let rows = self.files.get_mut(file).unwrap();
        let before = rows.len();
        rows.retain(|row| row.get(column).is_none_or(|it| it != cell));
        assert!(rows.len() < before, "{file} has no row with {column} {cell}");
        self
    }

    /// A user who is not in the export any more.
    pub(crate) fn leaves(&mut self, user: &str) -> &mut Self {
        self.drop_where("users", "sourcedId", user).drop_where("enrollments", "userSourcedId", user)
    }

    /// Every file from its last row to its first.
    pub(crate) fn reverse(&mut self) {
        self.files.values_mut().for_each(|rows| rows.reverse());
    }

    /// Writes the whole upload.
    pub(crate) fn write(&self) {
        let mut manifest = String::from("propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\n");
        for (name, head) in FILES {
            manifest.extend(["file.", name, ",bulk\n"]);
            let columns: Vec<&str> = head.split(',').collect();
            let mut writer = csv::Writer::from_path(self.folder.join(format!("{name}.csv"))).unwrap();
            writer.write_record(&columns).unwrap();
            for row in &self.files[name] {
                assert!(row.keys().all(|it| columns.contains(&it.as_str())), "{name}: {row:?}");
                writer.write_record(columns.iter().map(|it| row.get(*it).map_or("", String::as_str))).unwrap();
            }
            writer.flush().unwrap();
        }
        std::fs::write(self.folder.join("manifest.csv"), manifest).unwrap();
    }
}
