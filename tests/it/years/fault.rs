//! What goes wrong with a feed for one night.

use std::collections::BTreeMap;

use crate::support::chance::Chance;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A needed file is not in the export (P4).
    NoUsersFile,
    /// A file has its heading and nothing else (P1, P2).
    HeaderOnly,
    /// An export cut off in the middle of a row (F36).
    CutOff,
    /// Some rows were lost.
    FewRowsLost,
    /// Half of the children were lost (P9).
    HalfLost,
    /// Rows with a word nobody knows (P11).
    BadRows,
    /// All children under new ids (P16).
    NewIds,
}

const ALL: [Fault; 7] = [
    Fault::NoUsersFile,
    Fault::HeaderOnly,
    Fault::CutOff,
    Fault::FewRowsLost,
    Fault::HalfLost,
    Fault::BadRows,
    Fault::NewIds,
];

impl Fault {
    pub(crate) fn drawn(chance: &mut Chance) -> Self {
        ALL[chance.below(ALL.len())]
    }

    /// Spoils the export.
    pub(crate) fn spoil(self, files: &mut BTreeMap<&'static str, String>, chance: &mut Chance) {
        let lost = |text: &str, chance: &mut Chance, percent: usize| -> String {
            let mut lines = text.lines();
            let head = lines.next().unwrap().to_owned();
            let kept = lines.filter(|line| !line.starts_with("child-") || !chance.percent(percent));
            std::iter::once(head).chain(kept.map(str::to_owned)).map(|line| line + "\n").collect()
        };
        let users = files["users.csv"].clone();
        match self {
            Self::NoUsersFile => {
                files.remove("users.csv");
                let manifest = files["manifest.csv"].replace("file.users,bulk", "file.users,absent");
                files.insert("manifest.csv", manifest);
            }
            Self::HeaderOnly => {
                let file = if chance.percent(50) { "users.csv" } else { "enrollments.csv" };
                let head = files[file].lines().next().unwrap().to_owned() + "\n";
                files.insert(file, head);
            }
            Self::CutOff => {
                let at = users.rfind(",student").unwrap();
                files.insert("users.csv", users.get(..at).unwrap().to_owned());
            }
            Self::FewRowsLost => {
                files.insert("users.csv", lost(&users, chance, 5));
            }
            Self::HalfLost => {
                files.insert("users.csv", lost(&users, chance, 50));
            }
            Self::BadRows => {
                let spoiled = users.lines().map(|line| {
                    let bad = line.starts_with("child-") && chance.percent(20);
                    if bad { line.replace(",true,", ",perhaps,") } else { line.to_owned() }
                });
                files.insert("users.csv", spoiled.map(|line| line + "\n").collect());
            }
            Self::NewIds => {
                let renamed = |text: &str| text.replace("child-", "pupil-");
                files.insert("users.csv", renamed(&users));
                let enrollments = renamed(&files["enrollments.csv"]);
                files.insert("enrollments.csv", enrollments);
            }
        }
    }
}
