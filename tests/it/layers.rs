//! The arrows between modules, and that what decides touches nothing (architecture.md, 4.2 and 4.5).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each module with those it may use, from the bottom up.
const MAY_USE: &[(&str, &[&str])] = &[
    ("clock", &["model"]),
    ("keyed", &[]),
    ("metrics", &[]),
    ("secret", &[]),
    ("shutdown", &[]),
    ("systemd", &[]),
    ("telemetry", &[]),
    ("model", &[]),
    ("retry", &["clock"]),
    ("snapshot", &["model"]),
    ("feed", &["clock", "keyed", "model", "retry", "secret", "snapshot"]),
    ("district", &["feed", "model"]),
    ("identity", &["model"]),
    ("allocate", &["identity", "model"]),
    ("suggest", &["allocate", "identity", "model"]),
    ("catalog", &["model", "secret"]),
    ("access", &["allocate", "keyed", "model", "secret"]),
    ("plan", &["allocate", "identity", "model", "snapshot"]),
    ("guard", &["allocate", "model", "plan", "snapshot"]),
    ("audit", &["keyed", "model", "plan"]),
    ("alert", &["allocate", "audit", "model"]),
    ("notice", &["alert", "audit", "model"]),
    ("report", &["allocate", "audit", "guard", "identity", "model", "plan", "snapshot"]),
    ("settled", &["allocate", "model"]),
    (
        "store",
        &[
            "access", "allocate", "audit", "clock", "guard", "identity", "keyed", "model", "notice", "plan", "report",
            "settled",
        ],
    ),
    ("notify", &["clock", "feed", "model", "notice", "retry", "secret", "store"]),
    ("apply", &["alert", "allocate", "audit", "guard", "identity", "model", "notice", "plan", "settled", "store"]),
    ("explain", &["allocate", "apply", "audit", "model"]),
    ("reports", &["allocate", "audit", "model"]),
    ("inquiry", &["allocate", "apply", "audit", "explain", "model", "report", "reports", "store"]),
    (
        "run",
        &[
            "alert", "allocate", "apply", "audit", "clock", "district", "feed", "guard", "identity", "model", "plan",
            "secret", "settled", "snapshot", "store",
        ],
    ),
    ("decide", &["apply", "audit", "guard", "model", "plan", "run", "store"]),
    ("manual", &["alert", "allocate", "apply", "audit", "guard", "identity", "model", "plan", "run", "store"]),
    ("activity", &["apply", "audit", "guard", "model", "plan", "run", "store"]),
    ("revert", &["allocate", "apply", "audit", "guard", "model", "plan", "run", "store"]),
    ("erase", &["allocate", "apply", "audit", "guard", "model", "plan", "run", "store"]),
    ("directory", &["district", "feed", "model", "secret"]),
    ("openid", &["feed", "model", "secret"]),
    (
        "schedule",
        &[
            "activity",
            "audit",
            "catalog",
            "clock",
            "decide",
            "directory",
            "district",
            "erase",
            "feed",
            "guard",
            "inquiry",
            "manual",
            "metrics",
            "model",
            "notify",
            "report",
            "reports",
            "retry",
            "revert",
            "run",
            "secret",
            "store",
            "systemd",
        ],
    ),
    (
        "http",
        &[
            "access",
            "activity",
            "alert",
            "allocate",
            "audit",
            "catalog",
            "clock",
            "decide",
            "directory",
            "district",
            "explain",
            "guard",
            "identity",
            "inquiry",
            "keyed",
            "manual",
            "metrics",
            "model",
            "openid",
            "plan",
            "report",
            "reports",
            "revert",
            "run",
            "schedule",
            "secret",
            "snapshot",
            "store",
            "suggest",
        ],
    ),
    (
        "config",
        &[
            "access",
            "catalog",
            "district",
            "erase",
            "feed",
            "guard",
            "http",
            "model",
            "notify",
            "openid",
            "schedule",
            "store",
            "telemetry",
        ],
    ),
    ("simulate", &[]),
];

/// These stand at the top and may use everything.
const TOP: [&str; 3] = ["command", "lib", "main"];

/// Arrows that point the wrong way and are to be turned, not copied: settings live beside what they configure, and `config`
/// only assembles them (architecture.md, 4.2, rule a). An entry without its arrow fails the test too.
const TO_BE_TURNED: &[(&str, &str)] = &[("directory", "config"), ("schedule", "config")];

/// What decides: no I/O, no clock, no chance.
const PURE: [&str; 16] = [
    "access", "alert", "allocate", "apply", "audit", "catalog", "district", "explain", "guard", "identity", "model",
    "notice", "plan", "reports", "snapshot", "suggest",
];

/// Every source file below `folder`, with its text.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The product code of each module: without comments, and without what is compiled for tests only.
fn modules() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut modules: BTreeMap<String, String> = BTreeMap::new();
    for (path, text) in files {
        let below = path.strip_prefix(&root).unwrap();
        let only_tests = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
        if below.iter().any(only_tests) {
            continue;
        }
        let module = below.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code = product.lines().filter(|line| !line.trim_start().starts_with("//"));
        let into = modules.entry(module).or_default();
        into.extend(code.flat_map(|line| [line, "\n"]));
    }
    modules
}

fn words_after(code: &str, marker: &str) -> BTreeSet<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    code.split(marker).skip(1).map(word).collect()
}

#[test]
fn modules_only_use_what_lies_below_them() {
    let mut wrong = BTreeSet::new();
    let mut met = BTreeSet::new();
    for (module, code) in modules() {
        if TOP.contains(&module.as_str()) {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            wrong.insert(format!("`{module}` is not in the table: give it a row"));
            continue;
        };
        for used in words_after(&code, "crate::") {
            if let Some(known) = TO_BE_TURNED.iter().find(|(from, to)| *from == module && *to == used) {
                met.insert(*known);
            } else if used.is_empty() {
                wrong.insert(format!("`{module}` has a `use crate::{{`: one root for each `use`"));
            } else if used != module && !allowed.contains(&used.as_str()) {
                wrong.insert(format!("`{module}` uses `{used}`"));
            }
        }
    }
    wrong.extend(
        TO_BE_TURNED
            .iter()
            .filter(|it| !met.contains(it))
            .map(|it| format!("{it:?} is turned: take it out of the list")),
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The table has no circle: read from the bottom up, each row names only rows above it.
#[test]
fn the_table_of_arrows_stands_in_the_order_of_the_layers() {
    let mut below: BTreeSet<&str> = BTreeSet::from(["model"]);
    for (module, allowed) in MAY_USE {
        for used in *allowed {
            assert!(below.contains(used), "`{module}` may use `{used}`, which stands below it in the table");
        }
        below.insert(module);
    }
}

#[test]
fn what_decides_does_no_input_or_output_and_asks_no_clock_and_no_chance() {
    let outside = [
        "async fn",
        "async move",
        "async {",
        ".await",
        "sqlx::",
        "reqwest::",
        "tokio::",
        "axum::",
        "Utc::now",
        "Local::now",
        "SystemTime::now",
        "Instant::now",
        "rand::",
        "std::env",
        "std::net",
    ];
    let modules = modules();
    let mut wrong = BTreeSet::new();
    for module in PURE {
        let code = modules.get(module).unwrap_or_else(|| panic!("there is no module `{module}`"));
        wrong.extend(outside.iter().filter(|it| code.contains(**it)).map(|it| format!("`{module}` has `{it}`")));
        for used in words_after(code, "crate::") {
            // `apply` makes the values that the store writes, and so knows their types
            let apart = ["feed", "http", "store", "run", "schedule", "clock"].contains(&used.as_str());
            if apart && !matches!((module, used.as_str()), ("apply", "store") | ("district", "feed")) {
                wrong.insert(format!("`{module}` uses `{used}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Each outside door has one module that opens it (architecture.md, 4.2).
#[test]
fn databases_feeds_and_the_web_have_one_door_each() {
    let doors: [(&str, &[&str]); 6] = [
        ("sqlx::", &["store"]),
        ("reqwest::", &["feed"]),
        ("lettre::", &["notify"]),
        ("openidconnect::", &["openid"]),
        ("backoff::", &["retry"]),
        ("tokio_cron_scheduler::", &["schedule"]),
    ];
    let mut wrong = BTreeSet::new();
    for (module, code) in modules() {
        for (door, owners) in doors {
            if code.contains(door) && !owners.contains(&module.as_str()) {
                wrong.insert(format!("`{module}` uses `{door}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The files that people copy from are read by the same code as theirs.
#[test]
fn every_file_of_the_folder_config_is_read_without_a_fault() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut read = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|it| it != "toml") {
            continue;
        }
        if name.starts_with("catalog") {
            rosterd::catalog::read(&path).unwrap_or_else(|error| panic!("{error}"));
        } else {
            rosterd::config::read(&[path]).unwrap_or_else(|error| panic!("{error}"));
        }
        read.insert(name);
    }
    assert!(read.contains("rosterd.toml"), "{read:?}");
}
