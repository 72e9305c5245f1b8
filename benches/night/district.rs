//! A district of any size from a number, as a OneRoster 1.1 server tells of it: 1 : 0.075 : 0.25 : 6 students, teachers, classes
//! and enrollments, in rows of about 690, 690, 820 and 620 bytes.

use std::fmt::Write as _;

/// What a row is padded with: fields that rosterd does not keep.
const PHONE: &str = "+1-555-0100-000000";

/// An id as most sources make them, which no compression makes much of.
fn guid(of: &str, number: usize) -> String {
    let mut state = of
        .bytes()
        .fold(u64::try_from(number).unwrap() + 1, |state, byte| state.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut word = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    let (one, other) = (word(), word());
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        one >> 32,
        one >> 16 & 0xffff,
        one & 0xffff,
        other >> 48,
        other & 0xffff_ffff_ffff
    )
}

/// Rows of each collection, in the order in which a client asks for them.
pub(crate) struct District {
    students: usize,
    night: usize,
}

/// The collections, and how the list in a page is called.
pub(crate) const COLLECTIONS: [&str; 6] = ["orgs", "academicSessions", "courses", "classes", "users", "enrollments"];

impl District {
    /// On night 0 everyone came; on every later one another half percent of users and enrollments is changed.
    pub(crate) fn new(students: usize, night: usize) -> Self {
        Self { students, night }
    }

    fn schools(&self) -> usize {
        (self.students / 600).max(2)
    }

    fn teachers(&self) -> usize {
        self.students * 75 / 1000
    }

    fn classes(&self) -> usize {
        self.students / 4
    }

    /// How many rows a collection has.
    pub(crate) fn count(&self, collection: &str) -> usize {
        match collection {
            "orgs" => self.schools() + 1,
            "academicSessions" => 3,
            "courses" => 40,
            "classes" => self.classes(),
            "users" => self.students + self.teachers(),
            _ => self.students * 6,
        }
    }

    /// All rows together.
    pub(crate) fn rows(&self) -> usize {
        COLLECTIONS.iter().map(|it| self.count(it)).sum()
    }

    /// How often row `number` has changed by tonight: each night takes the next of two hundred.
    fn version(&self, number: usize) -> usize {
        let first = (number * 7919) % 200;
        (1..=self.night).filter(|night| (night - 1) % 200 == first).count()
    }

    /// Row `number` of a collection.
    pub(crate) fn row(&self, collection: &str, number: usize) -> String {
        match collection {
            "orgs" => Self::org(number),
            "academicSessions" => session(number),
            "courses" => course(number),
            "classes" => self.class(number),
            "users" => self.user(number),
            _ => self.enrollment(number),
        }
    }

    fn org(number: usize) -> String {
        if number == 0 {
            return r#"{"sourcedId":"district","status":"active","dateLastModified":"2026-08-01T00:00:00.000Z","name":"Bench District","type":"district","identifier":"1"}"#.to_owned();
        }
        format!(
            r#"{{"sourcedId":"school-{number:05}","status":"active","dateLastModified":"2026-08-01T00:00:00.000Z","name":"School {number}","type":"school","identifier":"{number}","parent":{{"href":"https://bench.example/ims/oneroster/v1p1/orgs/district","sourcedId":"district","type":"org"}}}}"#
        )
    }

    fn class(&self, number: usize) -> String {
        let (school, id) = (number % self.schools() + 1, guid("class", number));
        let mut row = format!(
            r#"{{"sourcedId":"{id}","status":"active","dateLastModified":"2026-08-01T00:00:00.000Z","metadata":{{"note":"{PHONE}{PHONE}{PHONE}"}},"title":"Class {number}","classCode":"{number}","classType":"scheduled","location":"Room {}","grades":["0{}"],"subjects":["Mathematics"],"course":{{"href":"https://bench.example/ims/oneroster/v1p1/courses/course-{:03}","sourcedId":"course-{:03}","type":"course"}},"school":{{"href":"https://bench.example/ims/oneroster/v1p1/orgs/school-{school:05}","sourcedId":"school-{school:05}","type":"org"}},"terms":[{{"href":"https://bench.example/ims/oneroster/v1p1/academicSessions/year","sourcedId":"year","type":"academicSession"}}]"#,
            number % 90,
            number % 9 + 1,
            number % 40,
            number % 40,
        );
        pad(&mut row, 820)
    }

    fn user(&self, number: usize) -> String {
        let version = self.version(number);
        let teacher = number >= self.students;
        let (school, id) = (number % self.schools() + 1, guid("user", number));
        let (word, grade) =
            if teacher { ("teacher", String::new()) } else { ("student", format!("\"0{}\"", number % 9 + 1)) };
        let mut row = format!(
            r#"{{"sourcedId":"{id}","status":"active","dateLastModified":"2026-08-01T00:00:00.000Z","enabledUser":"true","orgs":[{{"href":"https://bench.example/ims/oneroster/v1p1/orgs/school-{school:05}","sourcedId":"school-{school:05}","type":"org"}}],"role":"{word}","username":"user{number}v{version}","userIds":[{{"type":"StateID","identifier":"S{number:08}"}}],"givenName":"Given{number}","familyName":"Family{number}","identifier":"{number}","email":"user{number}@bench.example","sms":"{PHONE}","phone":"{PHONE}","grades":[{grade}]"#
        );
        pad(&mut row, 690)
    }

    /// A student has six, in classes of their school. Where it changed it is in another class.
    fn enrollment(&self, number: usize) -> String {
        let (student, place) = (number / 6, number % 6);
        let (schools, version) = (self.schools(), self.version(number));
        let per_school = (self.classes() / schools).max(1);
        let class = ((student / schools + place * 7 + version * 13) % per_school) * schools + student % schools;
        let class = guid("class", class % self.classes());
        let (id, student) = (guid("enrollment", number), guid("user", student));
        let mut row = format!(
            r#"{{"sourcedId":"{id}","status":"active","dateLastModified":"2026-08-01T00:00:00.000Z","user":{{"href":"https://bench.example/ims/oneroster/v1p1/users/{student}","sourcedId":"{student}","type":"user"}},"class":{{"href":"https://bench.example/ims/oneroster/v1p1/classes/{class}","sourcedId":"{class}","type":"class"}},"school":{{"href":"https://bench.example/ims/oneroster/v1p1/orgs/school-00001","sourcedId":"school-00001","type":"org"}},"role":"student","primary":"false","beginDate":"2026-08-17""#
        );
        pad(&mut row, 620)
    }

    /// A page of gzip: `{"users":[…]}`.
    pub(crate) fn page(&self, collection: &str, offset: usize, limit: usize) -> String {
        let end = self.count(collection).min(offset + limit);
        let mut text = String::with_capacity((end.saturating_sub(offset)) * 700 + 32);
        write!(text, "{{\"{collection}\":[").unwrap();
        for number in offset..end {
            if number > offset {
                text.push(',');
            }
            text.push_str(&self.row(collection, number));
        }
        text.push_str("]}");
        text
    }
}

/// Closes a row with a field of as many letters as it lacks.
fn pad(row: &mut String, length: usize) -> String {
    let lacks = length.saturating_sub(row.len() + 16);
    write!(
        row,
        ",\"x-padding\":\"{}\"}}",
        "the quick brown fox ".repeat(lacks / 20 + 1).get(..lacks).unwrap_or_default()
    )
    .unwrap();
    std::mem::take(row)
}

fn session(number: usize) -> String {
    let (id, kind, begin, end, parent) = [
        ("year", "schoolYear", "2026-08-17", "2027-06-05", String::new()),
        (
            "fall",
            "term",
            "2026-08-17",
            "2026-12-18",
            r#","parent":{"sourcedId":"year","type":"academicSession"}"#.to_owned(),
        ),
        (
            "spring",
            "term",
            "2027-01-05",
            "2027-06-05",
            r#","parent":{"sourcedId":"year","type":"academicSession"}"#.to_owned(),
        ),
    ][number]
        .clone();
    format!(
        r#"{{"sourcedId":"{id}","status":"active","dateLastModified":"2026-08-01T00:00:00.000Z","title":"{id}","type":"{kind}","startDate":"{begin}","endDate":"{end}","schoolYear":"2027"{parent}}}"#
    )
}

fn course(number: usize) -> String {
    format!(
        r#"{{"sourcedId":"course-{number:03}","status":"active","dateLastModified":"2026-08-01T00:00:00.000Z","title":"Course {number}","courseCode":"C{number}","org":{{"sourcedId":"district","type":"org"}}}}"#
    )
}
