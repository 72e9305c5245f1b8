//! Districts of any size from a seed: students, teachers, classes and enrollments as 1 : 0.075 : 0.25 : 6, schools of about
//! 500, and nights that change a given share of the students. The same seed gives the same bytes.

use std::collections::BTreeMap;
use std::path::Path;

use super::SimulateError;
use super::package;
use super::package::PackageFile;
use super::package::Rows;
use super::package::owned;
use super::table::CsvSet;
use super::table::FILES;
use super::table::Table;

/// What to generate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct District {
    /// Name of the district in a world: a-z, 0-9 and `-`.
    pub id: String,
    /// Another seed, another district.
    pub seed: u64,
    /// Students of the first night; at least one is made.
    pub students: usize,
    /// Students that change each night, of 10,000.
    pub changed_per_10_000: u64,
}

/// One night of a generated district.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    id: String,
    schools: Vec<School>,
    teachers: usize,
    students: BTreeMap<usize, Student>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct School {
    /// First grade and number of grades, as places in [`GRADES`].
    first_grade: usize,
    grades: usize,
    classes: usize,
    first_teacher: usize,
    teachers: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Student {
    school: usize,
    grade: usize,
    given: usize,
    family: usize,
    /// Place of the first class among the school's classes; the others follow it.
    first_class: usize,
    classes: usize,
}

const GRADES: [&str; 13] = ["KG", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"];

const SUBJECTS: [&str; 6] = ["Mathematics", "Reading", "Science", "Social Studies", "Art", "Physical Education"];

/// Names of nobody: plants and minerals, and household words.
const GIVEN: [&str; 40] = [
    "Acacia", "Alder", "Anise", "Aspen", "Basil", "Birch", "Bryony", "Cedar", "Clover", "Cobalt", "Coral", "Cypress",
    "Dahlia", "Elder", "Fennel", "Fern", "Flint", "Garnet", "Ginger", "Hazel", "Heath", "Indigo", "Juniper", "Larch",
    "Linden", "Lupine", "Maple", "Marigold", "Myrtle", "Nettle", "Olive", "Onyx", "Opal", "Pepper", "Quartz", "Rowan",
    "Saffron", "Sorrel", "Tansy", "Yarrow",
];

const FAMILY: [&str; 30] = [
    "Appleyard",
    "Bellwether",
    "Candlewick",
    "Dovecote",
    "Everglade",
    "Fiddlehead",
    "Gooseberry",
    "Hollowbrook",
    "Inglenook",
    "Jamjar",
    "Kettlewell",
    "Lanternlight",
    "Mossback",
    "Nutmeg",
    "Oatfield",
    "Puddlefoot",
    "Quickstep",
    "Riverbed",
    "Saltmarsh",
    "Teapot",
    "Underhill",
    "Velvetleaf",
    "Wheelbarrow",
    "Xylograph",
    "Yewtree",
    "Zephyrwood",
    "Quillfeather",
    "Thistledown",
    "Marzipan",
    "Larkspur",
];

const HEADERS: [(&str, &str); 6] = [
    ("orgs", "name,type,identifier,parentSourcedId"),
    ("academicSessions", "title,type,startDate,endDate,parentSourcedId,schoolYear"),
    ("courses", "schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes"),
    (
        "classes",
        "title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods",
    ),
    (
        "users",
        "enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password",
    ),
    ("enrollments", "classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate"),
];

const ABSENT: [&str; 7] =
    ["categories", "classResources", "courseResources", "demographics", "lineItems", "resources", "results"];

/// The generator's chance: splitmix64.
#[derive(Debug, Clone)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 where the bound is 0.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }
}

impl District {
    /// A district that changes one student of a hundred each night.
    pub fn new(id: &str, seed: u64, students: usize) -> District {
        District { id: id.to_owned(), seed, students, changed_per_10_000: 100 }
    }

    /// The roster of a night, from 1: the first is as generated, each later one changes the one before. As many join as
    /// leave; others move to another school, change a class or change their name.
    pub fn night(&self, night: u32) -> Roster {
        let mut roster = self.first_night();
        let mut next_serial = self.students.max(1);
        for later in 2..=night {
            let mut chance = Chance(self.seed ^ u64::from(later).wrapping_mul(0xd6e8_feb8_6659_fd93));
            roster.change(&mut chance, self.changed_per_10_000, &mut next_serial);
        }
        roster
    }

    fn first_night(&self) -> Roster {
        let mut chance = Chance(self.seed);
        let students = self.students.max(1);
        let schools = students.div_ceil(500);
        let (classes, teachers) = ((students / 4).max(schools), (students * 3).div_ceil(40).max(schools));
        let mut roster = Roster { id: self.id.clone(), schools: Vec::new(), teachers, students: BTreeMap::new() };
        for at in 0..schools {
            let share = |of: usize| of * (at + 1) / schools - of * at / schools;
            let (first_grade, grades) = match (schools, at % 3) {
                (1, _) => (0, 13),
                (_, 0) => (0, 6),
                (_, 1) => (6, 3),
                _ => (9, 4),
            };
            roster.schools.push(School {
                first_grade,
                grades,
                classes: share(classes),
                first_teacher: teachers * at / schools,
                teachers: share(teachers),
            });
        }
        for serial in 0..students {
            let school = serial * schools / students;
            let student = roster.new_student(&mut chance, school, serial);
            roster.students.insert(serial, student);
        }
        roster
    }
}

impl Roster {
    /// Students of this night.
    pub fn students(&self) -> usize {
        self.students.len()
    }

    /// Teachers of this night.
    pub fn teachers(&self) -> usize {
        self.teachers
    }

    /// Classes of this night.
    pub fn classes(&self) -> usize {
        self.schools.iter().map(|school| school.classes).sum()
    }

    /// Enrollments of this night, the teachers' included.
    pub fn enrollments(&self) -> usize {
        self.classes() + self.students.values().map(|student| student.classes).sum::<usize>()
    }

    /// Writes the OneRoster 1.1 CSV files into a folder, row by row.
    pub fn write_folder(&self, target: &Path) -> Result<(), SimulateError> {
        package::write_folder(self.package(), target)
    }

    /// Writes the OneRoster 1.1 CSV files into a zip, row by row.
    pub fn write_zip(&self, target: &Path) -> Result<(), SimulateError> {
        package::write_zip(self.package(), target)
    }

    pub(crate) fn to_set(&self) -> CsvSet {
        let mut set = CsvSet::default();
        for file in self.package() {
            let table = Table { header: file.header, rows: file.rows.collect() };
            match file.name.strip_suffix(".csv") {
                Some("manifest") | None => set.manifest = table,
                Some(name) => drop(set.tables.insert(name.to_owned(), table)),
            }
        }
        set
    }

    pub(crate) fn package(&self) -> Vec<PackageFile<'_>> {
        let mut files = Vec::new();
        for (name, columns) in HEADERS {
            let header = "sourcedId,status,dateLastModified".split(',').chain(columns.split(','));
            let rows: Rows<'_> = match name {
                "orgs" => Box::new(self.orgs()),
                "academicSessions" => Box::new(sessions()),
                "courses" => Box::new(courses()),
                "classes" => Box::new(self.class_rows()),
                "users" => Box::new(self.users()),
                _ => Box::new(self.enrollment_rows()),
            };
            files.push(PackageFile { name: format!("{name}.csv"), header: header.map(str::to_owned).collect(), rows });
        }
        let header = owned(&["propertyName", "value"]);
        files.push(PackageFile { name: "manifest.csv".to_owned(), header, rows: Box::new(manifest()) });
        files
    }

    fn new_student(&self, chance: &mut Chance, school: usize, serial: usize) -> Student {
        let mut student = Student {
            school,
            grade: 0,
            given: chance.below(GIVEN.len()),
            family: chance.below(FAMILY.len()),
            first_class: 0,
            classes: 0,
        };
        self.place(chance, &mut student, school, serial);
        student
    }

    /// Puts a student into a grade and the classes of a school: 6, for every fourth 5.
    fn place(&self, chance: &mut Chance, student: &mut Student, school: usize, serial: usize) {
        let Some(at) = self.schools.get(school) else { return };
        let place = chance.below(at.grades);
        student.school = school;
        student.grade = at.first_grade + place;
        student.first_class = at.classes * place / at.grades + chance.below(at.classes.div_ceil(at.grades));
        student.classes = if serial.is_multiple_of(4) { 5 } else { 6 }.min(at.classes);
    }

    fn change(&mut self, chance: &mut Chance, per_10_000: u64, next_serial: &mut usize) {
        for serial in self.students.keys().copied().collect::<Vec<_>>() {
            if chance.next() % 10_000 >= per_10_000 {
                continue;
            }
            let Some(mut student) = self.students.remove(&serial) else { continue };
            match chance.below(8) {
                0 | 1 => {
                    let joined = self.new_student(chance, student.school, *next_serial);
                    self.students.insert(*next_serial, joined);
                    *next_serial += 1;
                    continue;
                }
                2 if self.schools.len() > 1 => {
                    let school = (student.school + 1 + chance.below(self.schools.len() - 1)) % self.schools.len();
                    self.place(chance, &mut student, school, serial);
                }
                2..=4 => student.family = (student.family + 1 + chance.below(FAMILY.len() - 1)) % FAMILY.len(),
                _ => student.first_class += 1,
            }
            self.students.insert(serial, student);
        }
    }

    fn school_id(at: usize) -> String {
        format!("SCH-{:04}", at + 1)
    }

    fn orgs(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        let district = [owned(&["DISTRICT", "", "", &format!("Generated District {}", self.id), "district", "G0", ""])];
        let schools = (0..self.schools.len()).map(|at| {
            let name = format!("{} School {}", FAMILY.get(at % FAMILY.len()).unwrap_or(&""), at + 1);
            owned(&[&Self::school_id(at), "", "", &name, "school", &format!("G{}", at + 1), "DISTRICT"])
        });
        district.into_iter().chain(schools)
    }

    fn class_rows(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        self.schools.iter().enumerate().flat_map(|(at, school)| {
            (0..school.classes).map(move |class| {
                let place = school.first_grade + class * school.grades / school.classes.max(1);
                let grade = GRADES.get(place).copied().unwrap_or("");
                let subject = SUBJECTS.get(class % SUBJECTS.len()).copied().unwrap_or("");
                let (id, title) = (class_id(at, class), format!("{subject} {grade}, group {}", class + 1));
                let (course, school) = (course_id(grade, subject), Self::school_id(at));
                owned(&[&id, "", "", &title, grade, &course, &id, "scheduled", "", &school, "T-1,T-2", subject, "", ""])
            })
        })
    }

    fn users(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        let teachers = self.schools.iter().enumerate().flat_map(move |(at, school)| {
            (school.first_teacher..school.first_teacher + school.teachers).map(move |teacher| {
                let id = format!("T-{:06}", teacher + 1);
                self.user(&id, "teacher", &Self::school_id(at), teacher * 7, teacher * 11, "")
            })
        });
        let students = self.students.iter().map(move |(serial, student)| {
            let grade = GRADES.get(student.grade).copied().unwrap_or("");
            let school = Self::school_id(student.school);
            self.user(&student_id(*serial), "student", &school, student.given, student.family, grade)
        });
        teachers.chain(students)
    }

    fn user(&self, id: &str, role: &str, org: &str, given: usize, family: usize, grade: &str) -> Vec<String> {
        let given = GIVEN.get(given % GIVEN.len()).copied().unwrap_or("");
        let family = FAMILY.get(family % FAMILY.len()).copied().unwrap_or("");
        let username = format!("{given}.{id}").to_lowercase();
        let email = format!("{username}@{}.example", self.id);
        let cells =
            [id, "", "", "true", org, role, &username, "", given, family, "", id, &email, "", "", "", grade, ""];
        owned(&cells)
    }

    fn enrollment_rows(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        let teachers = self.schools.iter().enumerate().flat_map(|(at, school)| {
            (0..school.classes).map(move |class| {
                let teacher = format!("T-{:06}", school.first_teacher + class % school.teachers.max(1) + 1);
                enrollment(&teacher, at, class, "teacher", "true")
            })
        });
        let students = self.students.iter().flat_map(move |(serial, student)| {
            let count = self.schools.get(student.school).map_or(1, |school| school.classes.max(1));
            (0..student.classes).map(move |more| {
                let class = (student.first_class + more) % count;
                enrollment(&student_id(*serial), student.school, class, "student", "")
            })
        });
        teachers.chain(students)
    }
}

fn student_id(serial: usize) -> String {
    format!("S-{:08}", serial + 1)
}

fn class_id(school: usize, class: usize) -> String {
    format!("CLS-{:04}-{:04}", school + 1, class + 1)
}

fn course_id(grade: &str, subject: &str) -> String {
    let short: String = subject.chars().filter(char::is_ascii_uppercase).collect();
    let place = SUBJECTS.iter().position(|known| *known == subject).unwrap_or(0);
    format!("CRS-{grade}-{short}{place}")
}

fn enrollment(user: &str, school: usize, class: usize, role: &str, primary: &str) -> Vec<String> {
    let class = class_id(school, class);
    let id = format!("{user}-{class}");
    owned(&[&id, "", "", &class, &Roster::school_id(school), user, role, primary, "", ""])
}

fn courses() -> impl Iterator<Item = Vec<String>> {
    GRADES.iter().flat_map(|grade| {
        SUBJECTS.iter().map(move |subject| {
            let (id, title) = (course_id(grade, subject), format!("{subject} {grade}"));
            owned(&[&id, "", "", "SY-2026", &title, &id, grade, "DISTRICT", subject, ""])
        })
    })
}

fn sessions() -> impl Iterator<Item = Vec<String>> {
    [
        owned(&["SY-2026", "", "", "2025-2026", "schoolYear", "2025-08-15", "2026-06-10", "", "2026"]),
        owned(&["T-1", "", "", "Fall", "term", "2025-08-15", "2026-01-17", "SY-2026", "2026"]),
        owned(&["T-2", "", "", "Spring", "term", "2026-01-17", "2026-06-10", "SY-2026", "2026"]),
    ]
    .into_iter()
}

fn manifest() -> impl Iterator<Item = Vec<String>> {
    let mut rows = vec![owned(&["manifest.version", "1.0"]), owned(&["oneroster.version", "1.1"])];
    rows.extend(FILES.map(|file| owned(&[&format!("file.{file}"), "bulk"])));
    rows.extend(ABSENT.map(|file| owned(&[&format!("file.{file}"), "absent"])));
    rows.push(owned(&["source.systemName", "rosterd generator"]));
    rows.push(owned(&["source.systemCode", "rosterd-generator"]));
    rows.into_iter()
}
