//! Which test names which requirement. `tests/COVERAGE.md` is made from the sources of the tests, and a test says when it is
//! not fresh: `ROSTERD_WRITE_COVERAGE=1 cargo test --test it coverage` writes it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A group of requirements: its letter, what it is, and the numbers in it.
struct Group {
    /// `S2.` or `P`.
    prefix: &'static str,
    title: &'static str,
    last: u32,
}

const GROUPS: &[Group] = &[
    Group { prefix: "S0.", title: "When all licenses are in use (Learning Without Tears)", last: 18 },
    Group { prefix: "S1.", title: "Unassign and reassign (Learning Without Tears)", last: 16 },
    Group { prefix: "S2.", title: "Over-allocation and its remedies (ScootPad)", last: 19 },
    Group { prefix: "S3.", title: "License management (Master Teacher)", last: 35 },
    Group { prefix: "S4.", title: "Licensing by active students (Manage1to1)", last: 48 },
    Group { prefix: "C", title: "Where the vendors' pages disagree", last: 20 },
    Group { prefix: "P", title: "What goes wrong in the wild", last: 53 },
    Group { prefix: "U", title: "What users ask other systems for", last: 25 },
    Group { prefix: "M", title: "Mistakes other importers made", last: 9 },
];

/// Requirements that are words, settings or pages, and where they stand or why nothing stands for them yet.
const ELSEWHERE: &[(&str, &str)] = &[
    ("S4.4", "by construction: no rule asks for features, buildings or devices"),
    ("S4.48", "by construction: no rule asks for a district's size"),
    ("P35", "by construction: every night reads a full snapshot, no delta"),
    ("P36", "by construction: every night reads a full snapshot, no delta"),
    ("P37", "by construction: every night reads a full snapshot, no events"),
    ("M3", "by construction: every night reads a full snapshot, no delta"),
];

/// A test by its name, and what it says.
struct Test {
    name: String,
    text: String,
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// `src/allocate/tests/laws.rs` is `allocate::tests::laws`.
fn module(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap().with_extension("");
    let mut words: Vec<String> = below.iter().map(|it| it.to_string_lossy().into_owned()).collect();
    if words.first().is_some_and(|it| it == "src") {
        words.remove(0);
    } else {
        words.drain(..2.min(words.len()));
        words.insert(0, "it".to_owned());
    }
    words.retain(|it| it != "mod");
    words.join("::")
}

/// Functions with what stands before and in them. A file outside of test folders counts from `mod tests` on.
fn tests_of(root: &Path, path: &Path) -> Vec<Test> {
    let text = std::fs::read_to_string(path).unwrap();
    let below = path.strip_prefix(root).unwrap();
    let of_tests = below.starts_with("tests") || below.iter().any(|it| it == "tests" || it == "tests.rs");
    let text = if of_tests { Some(text.as_str()) } else { text.split_once("#[cfg(test)]\nmod tests {").map(|it| it.1) };
    let Some(text) = text else { return Vec::new() };
    let module = module(root, path);
    let mut found: Vec<Test> = Vec::new();
    // The comments and attributes of the next function.
    let mut pending = String::new();
    let mut open = false;
    for line in text.lines() {
        let bare = line.trim_start();
        let starts = ["fn ", "async fn ", "pub(super) async fn ", "pub(super) fn "];
        let name = starts.iter().find_map(|word| bare.strip_prefix(word));
        let indent = line.len() - bare.len();
        if let Some(name) = name.filter(|_| indent <= 8) {
            let name: String = name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let text = format!("{}\n{line}\n", std::mem::take(&mut pending));
            found.push(Test { name: format!("{module}::{name}"), text });
            open = true;
        } else if bare.starts_with("///") || bare.starts_with("#[") {
            pending += line;
            pending.push('\n');
            open = false;
        } else if bare.is_empty() {
            if !open {
                pending.clear();
            }
        } else if open && let Some(test) = found.last_mut() {
            test.text += line;
            test.text.push('\n');
        } else {
            pending.clear();
            if let Some(test) = found.last_mut() {
                test.text += line;
                test.text.push('\n');
            }
            open = !found.is_empty();
        }
    }
    found
}

/// The codes a text names, ranges as `S1.8 to S1.10` spelled out.
fn codes(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let words: Vec<&str> =
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).filter(|it| !it.is_empty()).collect();
    for (at, word) in words.iter().enumerate() {
        let Some((prefix, number)) = code(word) else { continue };
        found.insert(format!("{prefix}{number}"));
        if words.get(at + 1) == Some(&"to")
            && let Some((other, last)) = words.get(at + 2).and_then(|it| code(it))
            && other == prefix
        {
            found.extend((number..=last).map(|it| format!("{prefix}{it}")));
        }
    }
    found
}

/// A code's group and number, if it is one of those counted.
fn code(word: &str) -> Option<(&'static str, u32)> {
    let word = word.trim_end_matches('.');
    GROUPS.iter().find_map(|group| {
        let number: u32 = word.strip_prefix(group.prefix)?.parse().ok()?;
        // P0 or U8 are no requirement, u8 and u32 are types.
        (1..=group.last).contains(&number).then_some((group.prefix, number))
    })
}

/// Everything the repository's tests cover, and the table that tells of it.
fn table() -> (String, BTreeSet<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    files.sort();
    let mut by_code: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files.iter().filter(|it| !it.ends_with("coverage.rs")) {
        for test in tests_of(root, path) {
            for code in codes(&test.text) {
                by_code.entry(code).or_default().insert(test.name.clone());
            }
        }
    }
    let mut out = String::from(
        "# What the tests cover\n\n\
         Each requirement with the tests that name it. Made from the tests; `ROSTERD_WRITE_COVERAGE=1 cargo test --test it coverage`\n\
         writes it again, and the same test without the variable fails while it is not fresh. A name that begins with `it::` is a\n\
         story of the whole program.\n",
    );
    let mut missing = BTreeSet::new();
    for group in GROUPS {
        let name = |number: u32| format!("{}{number}", group.prefix);
        let covered = (1..=group.last).filter(|it| by_code.contains_key(&name(*it))).count();
        writeln!(out, "\n## {} ({}): {covered} of {}\n", group.title, group.prefix.trim_end_matches('.'), group.last)
            .unwrap();
        out += "| code | tests |\n| --- | --- |\n";
        for number in 1..=group.last {
            let code = name(number);
            let tests = by_code.get(&code).map(|all| {
                let shown: Vec<String> = all.iter().take(4).map(|it| format!("`{it}`")).collect();
                let more = all.len().saturating_sub(4);
                if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
            });
            let elsewhere = ELSEWHERE.iter().find(|(known, _)| *known == code).map(|(_, why)| (*why).to_owned());
            let cell = tests.or(elsewhere).unwrap_or_else(|| {
                missing.insert(code.clone());
                "none yet".to_owned()
            });
            writeln!(out, "| {code} | {cell} |").unwrap();
        }
    }
    (out, missing)
}

/// The table is what the tests say.
#[test]
fn the_table_of_requirements_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/COVERAGE.md");
    let (table, missing) = table();
    if std::env::var_os("ROSTERD_WRITE_COVERAGE").is_some() {
        std::fs::write(&path, &table).unwrap();
        eprintln!("not named by any test: {missing:?}");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == table, "tests/COVERAGE.md is not fresh: ROSTERD_WRITE_COVERAGE=1 cargo test --test it coverage");
}

#[test]
fn codes_are_told_from_other_words() {
    let names = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(codes("S1.8 to S1.10, P40. u8, U8"), names(&["S1.8", "S1.9", "S1.10", "P40", "U8"]));
    assert_eq!(codes("u32 P99 S4.49 C3 SP1"), names(&["C3"]));
}
