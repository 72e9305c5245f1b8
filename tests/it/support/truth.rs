//! The hidden true school: what the feed tells of, well or badly. The oracle asks it who ought to have a seat.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::{Datelike, Days, NaiveDate};

use super::chance::Chance;

/// Grades 1 to 3 are taught in the first school, 4 to 6 in the second.
const LAST_GRADE: u32 = 6;
const BEGINNERS: usize = 7;
const SUBJECTS: [&str; 2] = ["math", "reading"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Child {
    pub(crate) grade: u32,
    /// 1 or 2; a few go to the other school than their grade's.
    pub(crate) school: u32,
    pub(crate) active: bool,
    pub(crate) subjects: BTreeSet<&'static str>,
    name: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Truth {
    /// Of the school year that the export shows: the year it begins in.
    pub(crate) year: i32,
    pub(crate) children: BTreeMap<String, Child>,
    /// Children who left and may come back.
    pub(crate) former: BTreeMap<String, Child>,
    /// Those the source says are deleted, for the rest of the school year.
    deleted: BTreeSet<String>,
    /// Grades whose teacher has a second one beside them.
    co_taught: BTreeSet<u32>,
    next: u32,
}

fn school_of(grade: u32) -> u32 {
    if grade <= 3 { 1 } else { 2 }
}

impl Truth {
    pub(crate) fn new(year: i32, chance: &mut Chance) -> Self {
        let mut it = Self {
            year,
            children: BTreeMap::new(),
            former: BTreeMap::new(),
            deleted: BTreeSet::new(),
            co_taught: BTreeSet::from([2]),
            next: 1,
        };
        for grade in 1..=LAST_GRADE {
            for _ in 0..BEGINNERS {
                it.arrive(grade, chance);
            }
        }
        it
    }

    fn arrive(&mut self, grade: u32, chance: &mut Chance) {
        let id = format!("child-{:05}", self.next);
        let name = self.next;
        self.next += 1;
        let mut subjects = BTreeSet::from(SUBJECTS);
        if chance.percent(10) {
            subjects.remove("reading");
        }
        self.children.insert(id, Child { grade, school: school_of(grade), active: true, subjects, name });
    }

    pub(crate) fn first_day(&self) -> NaiveDate {
        NaiveDate::from_ymd_opt(self.year, 8, 17).unwrap()
    }

    /// Exclusive, as OneRoster means it.
    pub(crate) fn last_day(&self) -> NaiveDate {
        NaiveDate::from_ymd_opt(self.year + 1, 6, 6).unwrap()
    }

    /// What happens on a day. The export of the night after tells of it.
    pub(crate) fn day(&mut self, day: NaiveDate, chance: &mut Chance) {
        if (day.month(), day.day()) == (8, 3) && day.year() > self.year {
            self.rollover(day.year(), chance);
            return;
        }
        let in_school = self.first_day() <= day && day < self.last_day();
        let busy = if in_school { 25 } else { 4 };
        while chance.percent(busy) {
            self.event(chance);
        }
    }

    fn rollover(&mut self, year: i32, chance: &mut Chance) {
        self.year = year;
        self.deleted.clear();
        self.children.retain(|_, child| child.grade < LAST_GRADE);
        self.former.retain(|_, child| child.grade < LAST_GRADE);
        for child in self.children.values_mut().chain(self.former.values_mut()) {
            child.grade += 1;
            child.school = school_of(child.grade);
        }
        for _ in 0..BEGINNERS + chance.below(3) {
            self.arrive(1, chance);
        }
        let grade = u32::try_from(chance.below(6)).unwrap() + 1;
        if !self.co_taught.remove(&grade) {
            self.co_taught.insert(grade);
        }
    }

    pub(crate) fn event(&mut self, chance: &mut Chance) {
        let ids: Vec<String> = self.children.keys().cloned().collect();
        let Some(id) = chance.one_of(&ids).cloned() else { return self.arrive(1, chance) };
        match chance.below(12) {
            0..=2 => {
                let grade = u32::try_from(chance.below(6)).unwrap() + 1;
                self.arrive(grade, chance);
            }
            // Who simply is not there any more.
            3 | 4 => {
                let child = self.children.remove(&id).unwrap();
                self.former.insert(id, child);
            }
            // Who is said to be deleted.
            5 => {
                let child = self.children.remove(&id).unwrap();
                self.deleted.insert(id.clone());
                self.former.insert(id, child);
            }
            // Who comes back.
            6 => {
                let gone: Vec<String> = self.former.keys().cloned().collect();
                if let Some(id) = chance.one_of(&gone) {
                    let child = self.former.remove(id).unwrap();
                    self.deleted.remove(id);
                    self.children.insert(id.clone(), child);
                }
            }
            7 => {
                let child = self.children.get_mut(&id).unwrap();
                child.school = 3 - child.school;
            }
            8 => {
                let child = self.children.get_mut(&id).unwrap();
                child.active = !child.active;
            }
            9 | 10 => {
                let child = self.children.get_mut(&id).unwrap();
                let subject = SUBJECTS[chance.below(2)];
                if !child.subjects.remove(subject) {
                    child.subjects.insert(subject);
                }
            }
            _ => self.children.get_mut(&id).unwrap().name += 1000,
        }
    }

    /// Whether a child is in a class that has begun and not ended.
    pub(crate) fn attends(&self, id: &str, day: NaiveDate) -> bool {
        let in_class = self.children.get(id).is_some_and(|child| child.active && !child.subjects.is_empty());
        in_class && self.first_day() <= day && day < self.last_day()
    }

    pub(crate) fn teachers() -> impl Iterator<Item = String> {
        (1..=LAST_GRADE).map(|grade| format!("teacher-{grade}")).chain(["teacher-7".to_owned()])
    }

    pub(crate) fn classes(&self) -> Vec<String> {
        let year = self.year;
        (1..=LAST_GRADE).flat_map(|grade| SUBJECTS.map(|subject| format!("c-{year}-{grade}-{subject}"))).collect()
    }

    /// The export: file name and text.
    pub(crate) fn export(&self) -> BTreeMap<&'static str, String> {
        let year = self.year;
        let orgs = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n\
             dist,,,Simulated Schools,district,,\ns1,,,First School,school,1,dist\ns2,,,Second School,school,2,dist\n";
        let sessions = format!(
            "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear\n\
             sy-{year},,,Year,schoolYear,{year}-08-17,{next}-06-06,,{next}\n\
             sem1-{year},,,Fall,semester,{year}-08-17,{year}-12-19,sy-{year},{next}\n\
             sem2-{year},,,Spring,semester,{next}-01-05,{next}-06-06,sy-{year},{next}\n",
            next = year + 1
        );
        let courses = "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes\n\
             math,,,,Math,M,,dist,Math,\nreading,,,,Reading,R,,dist,Reading,\n";
        let mut classes =
            "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods\n"
                .to_owned();
        let mut users =
            "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password\n"
                .to_owned();
        let mut enrollments =
            "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
                .to_owned();
        for grade in 1..=LAST_GRADE {
            let school = school_of(grade);
            writeln!(users, "teacher-{grade},,,true,s{school},teacher,t{grade},,T,Teacher,,,,,,,,").unwrap();
            for subject in SUBJECTS {
                let class = format!("c-{year}-{grade}-{subject}");
                let terms = format!("\"sem1-{year},sem2-{year}\"");
                writeln!(classes, "{class},,,Class,0{grade},{subject},{grade},scheduled,,s{school},{terms},,,")
                    .unwrap();
                writeln!(enrollments, "e-{class}-t,,,{class},s{school},teacher-{grade},teacher,true,,").unwrap();
                if self.co_taught.contains(&grade) {
                    writeln!(enrollments, "e-{class}-7,,,{class},s{school},teacher-7,teacher,false,,").unwrap();
                }
            }
        }
        writeln!(users, "teacher-7,,,true,\"s1,s2\",teacher,t7,,T,Teacher,,,,,,,,").unwrap();
        for (id, child) in &self.children {
            let Child { grade, school, active, subjects, name } = child;
            writeln!(users, "{id},,,{active},s{school},student,u{id},,Kim,Name{name},,,,,,,0{grade},").unwrap();
            for subject in subjects {
                writeln!(enrollments, "e-{year}-{id}-{subject},,,c-{year}-{grade}-{subject},s{school},{id},student,,,")
                    .unwrap();
            }
        }
        for id in &self.deleted {
            writeln!(users, "{id},tobedeleted,,false,s1,student,u{id},,Kim,Gone,,,,,,,01,").unwrap();
        }
        let manifest = "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\nfile.academicSessions,bulk\n\
             file.classes,bulk\nfile.courses,bulk\nfile.enrollments,bulk\nfile.orgs,bulk\nfile.users,bulk\n";
        BTreeMap::from([
            ("orgs.csv", orgs.to_owned()),
            ("academicSessions.csv", sessions),
            ("courses.csv", courses.to_owned()),
            ("classes.csv", classes),
            ("users.csv", users),
            ("enrollments.csv", enrollments),
            ("manifest.csv", manifest.to_owned()),
        ])
    }

    /// The catalog of the school year: renewed every summer, with seats near what is wanted, cut or topped up in winter.
    pub(crate) fn catalog(day: NaiveDate, chance: &mut Chance) -> String {
        let mut text = String::from(
            "[[product]]\ncode = \"reading\"\nname = \"Reading\"\naudience = \"student\"\nbasis = \"enrolled\"\n\
             educator_access = true\ngrades = [\"01\", \"02\", \"03\", \"04\"]\norder = [\"01\"]\n\
             [[product]]\ncode = \"device\"\nname = \"Device\"\naudience = \"student\"\nbasis = \"active\"\n\
             [[product]]\ncode = \"studio\"\nname = \"Studio\"\naudience = \"educator\"\nbasis = \"role\"\nroles = [\"teacher\"]\n\
             [[product]]\ncode = \"club\"\nname = \"Club\"\naudience = \"student\"\nbasis = \"assigned\"\n",
        );
        let begins = if day.month() >= 6 { day.year() } else { day.year() - 1 };
        for year in begins - 1..=begins {
            // The numbers of a year are drawn from the year alone, so that the year before is told as it was.
            let mut of_year = Chance::new(u64::try_from(year).unwrap() * 31);
            for (product, near) in [("reading", 24), ("device", 40), ("studio", 6), ("club", 8)] {
                let mut seats = near + of_year.below(7);
                if year == begins && chance.percent(30) {
                    seats = seats.saturating_sub(3).max(1);
                }
                let split = if product == "reading" {
                    format!(
                        "allotments = [ {{ school = \"s1\", seats = {} }}, {{ school = \"2\", seats = {} }} ]\n",
                        seats / 2,
                        seats / 4
                    )
                } else {
                    String::new()
                };
                let overage = if product == "device" { "overage = { percent = 5, days = 20 }\n" } else { "" };
                let renews = if year == begins && year % 7 != 0 {
                    format!("renews = \"{product}-{}\"\n", year - 1)
                } else {
                    String::new()
                };
                let starts = NaiveDate::from_ymd_opt(year, 7, 1).unwrap();
                let expires = NaiveDate::from_ymd_opt(year + 1, 6, 30).unwrap();
                // Every seventh year the order comes late.
                let starts = if year % 7 == 0 { starts + Days::new(50) } else { starts };
                write!(
                    text,
                    "[[subscription]]\nid = \"{product}-{year}\"\ndistrict = \"sim\"\nproduct = \"{product}\"\nseats = {seats}\n\
                     starts_on = {starts}\nexpires_on = {expires}\ngrace_days = 20\n{split}{overage}{renews}"
                )
                .unwrap();
            }
        }
        text
    }
}
