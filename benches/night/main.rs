//! What a night costs beside downloading it: `cargo bench --bench night` (`-- 10000 100000` for other sizes, `-- 100000
//! --postgres URL` for the same beside it in an empty database there, `--rounds N`, `--districts N` for so many of each size, without the scripts, `--delay
//! MILLISECONDS` for a slow source, `--keep` to leave the installation for looking at its pages).
//!
//! Processor seconds of whole processes, medians, rosterd and the baselines in turn on the same pages from a server on
//! loopback. rosterd works with its checks, plan, guard, allocation of three products, transaction and audit; curl reads the
//! same pages to nowhere; the scripts (`baselines.py`) read them from plain files.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking and prints its table"
)]

#[expect(dead_code, reason = "`benches/load` uses the rest")]
mod cost;
mod district;
mod installation;
mod server;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cost::{Cost, median};
use district::{COLLECTIONS, District};
use installation::Installation;
use server::{PAGE, Pages};

struct Asked {
    sizes: Vec<usize>,
    rounds: usize,
    districts: usize,
    delay: Duration,
    postgres: Option<String>,
    scripts: bool,
    keep: bool,
}

fn asked() -> Asked {
    let mut it = Asked {
        sizes: Vec::new(),
        rounds: 5,
        districts: 1,
        delay: Duration::ZERO,
        postgres: None,
        scripts: true,
        keep: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--rounds" => it.rounds = words.next().and_then(|it| it.parse().ok()).unwrap(),
            "--districts" => it.districts = words.next().and_then(|it| it.parse().ok()).unwrap(),
            "--delay" => it.delay = Duration::from_millis(words.next().and_then(|it| it.parse().ok()).unwrap()),
            "--postgres" => it.postgres = words.next(),
            "--no-scripts" => it.scripts = false,
            "--keep" => it.keep = true,
            "--bench" => {}
            _ => it.sizes.push(word.parse().unwrap_or_else(|_| panic!("`{word}` is no number of students"))),
        }
    }
    if it.sizes.is_empty() {
        it.sizes = vec![10_000, 100_000];
    }
    it
}

fn downloaded(it: &Installation, pages: &Pages, times: usize) -> Cost {
    let list = it.path("curl.txt");
    let mut lines = String::new();
    let all: Vec<_> = pages.paths().collect();
    for path in std::iter::repeat_n(&all, times).flatten() {
        write!(lines, "url = \"{}{path}\"\noutput = \"/dev/null\"\n", it.server.url).unwrap();
    }
    std::fs::write(&list, lines).unwrap();
    let (cost, status) = cost::of(Command::new("curl").args(["--silent", "--fail", "--compressed", "-K"]).arg(&list));
    assert!(status.success(), "curl: {status}");
    cost
}

/// The pages as plain files, for the scripts.
fn write_pages(district: &District, folder: &Path) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
    std::fs::create_dir_all(folder).unwrap();
    for collection in COLLECTIONS {
        for offset in (0..district.count(collection)).step_by(PAGE) {
            std::fs::write(
                folder.join(format!("{collection}-{offset:09}.json")),
                district.page(collection, offset, PAGE),
            )
            .unwrap();
        }
    }
}

struct Scripts {
    script: PathBuf,
    names: Vec<&'static str>,
}

impl Scripts {
    /// Those this machine can run; says which it cannot.
    fn found() -> Self {
        let works = |code: &str| {
            let mut command = Command::new("python3");
            command.args(["-c", code]).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|it| it.success())
        };
        let mut names = Vec::new();
        for (name, code) in [("python", "import sqlite3"), ("duckdb", "import duckdb")] {
            if works(code) {
                names.push(name);
            } else {
                println!("(no baseline `{name}`: `python3 -c '{code}'` fails here)");
            }
        }
        Self { script: Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/night/baselines.py"), names }
    }

    fn run(&self, name: &str, pages: &Path, database: &Path) -> Cost {
        let (cost, status) = cost::of(Command::new("python3").arg(&self.script).arg(name).arg(pages).arg(database));
        assert!(status.success(), "{name}: {status}");
        cost
    }
}

/// The rows of the first night as CSV, for `sqlite3 .import`.
fn import(district: &District, folder: &Path) -> Option<Cost> {
    let known = Command::new("sqlite3").arg("--version").stdout(Stdio::null()).status();
    if !known.is_ok_and(|it| it.success()) {
        println!("(no baseline `sqlite3 .import`: there is no sqlite3 here)");
        return None;
    }
    let mut commands = String::from(".mode csv\n");
    for collection in COLLECTIONS {
        let path = folder.join(format!("{collection}.csv"));
        let mut text = String::from("id,body\n");
        for number in 0..district.count(collection) {
            let row = district.row(collection, number);
            writeln!(text, "{number},\"{}\"", row.replace('"', "\"\"")).unwrap();
        }
        std::fs::write(&path, text).unwrap();
        writeln!(commands, ".import {} {collection}", path.display()).unwrap();
    }
    let script = folder.join("import.sql");
    std::fs::write(&script, commands).unwrap();
    let mut command = Command::new("sqlite3");
    command.arg(folder.join("import.db")).stdin(std::fs::File::open(&script).unwrap());
    let (cost, status) = cost::of(&mut command);
    assert!(status.success(), "sqlite3: {status}");
    Some(cost)
}

/// A sync over `PostgreSQL`, with what its server took.
fn both_sides(it: &mut Installation, status: &str) -> Cost {
    let before = cost::of_postgres();
    let client = it.sync(status);
    let server = cost::of_postgres() - before;
    Cost { cpu: client.cpu + server, server, ..client }
}

/// What the nights of one installation cost.
#[derive(Default)]
struct Nights {
    first: Cost,
    quiet: Vec<Cost>,
    changed: Vec<Cost>,
}

fn line(what: &str, it: Cost, beside: &[(&str, Cost)]) {
    let ratios: Vec<String> = beside
        .iter()
        .map(|(name, other)| {
            if other.cpu > it.cpu {
                format!("{name} takes {:.1} times that", other.cpu / it.cpu)
            } else {
                format!("{:.2} × {name}", it.cpu / other.cpu)
            }
        })
        .collect();
    let server = if it.server > 0.0 { format!(" (server {:.2})", it.server) } else { String::new() };
    println!("| {what} | {:.2}{server} | {:.2} | {:.0} | {} |", it.cpu, it.wall, it.memory, ratios.join("; "));
}

fn measure(students: usize, asked: &Asked) {
    let scratch = tempfile::tempdir().unwrap();
    let installation = |postgres| Installation::new(students, asked.districts, asked.delay, postgres, "");
    let mut it = installation(None);
    let before = asked.sizes.iter().take_while(|it| **it != students).count();
    let days = u64::try_from(before * (asked.rounds * 2 + 1)).unwrap();
    let there = asked.postgres.as_deref().map(|url| installation(Some(url)).later(days));
    let mut there = there.map(|it| (it, Nights::default()));
    let district = District::new(students, 0);
    let pages = Arc::new(Pages::of(&district));
    let megabytes = |bytes: usize| bytes / 1_000_000;
    println!(
        "\n**{students} students** in each of {}, {} rows, {} MB of JSON, {} MB compressed\n",
        asked.districts,
        district.rows(),
        megabytes(pages.plain),
        megabytes(pages.compressed)
    );
    it.server.show(Arc::clone(&pages));
    let first = it.sync("applied");
    if let Some((it, nights)) = &mut there {
        it.server.show(Arc::clone(&pages));
        nights.first = both_sides(it, "applied");
    }
    let (mut quiet, mut curl_quiet) = (Vec::new(), Vec::new());
    for _ in 0..asked.rounds {
        quiet.push(it.sync("unchanged"));
        if let Some((it, nights)) = &mut there {
            nights.quiet.push(both_sides(it, "unchanged"));
        }
        curl_quiet.push(downloaded(&it, &pages, asked.districts));
    }
    drop(pages);
    let (mut changed, mut curl) = (Vec::new(), Vec::new());
    let scripts = if asked.scripts && asked.districts == 1 {
        Scripts::found()
    } else {
        Scripts { script: PathBuf::new(), names: Vec::new() }
    };
    let mut by_script: Vec<(&str, Cost, Vec<Cost>)> = Vec::new();
    let files = scratch.path().join("pages");
    if !scripts.names.is_empty() {
        write_pages(&district, &files);
        by_script.extend(
            scripts
                .names
                .iter()
                .map(|name| (*name, scripts.run(name, &files, &scratch.path().join(format!("{name}.db"))), Vec::new())),
        );
    }
    for night in 1..=asked.rounds {
        let district = District::new(students, night);
        let pages = Arc::new(Pages::of(&district));
        it.server.show(Arc::clone(&pages));
        changed.push(it.sync("applied"));
        if let Some((it, nights)) = &mut there {
            it.server.show(Arc::clone(&pages));
            nights.changed.push(both_sides(it, "applied"));
        }
        curl.push(downloaded(&it, &pages, asked.districts));
        if !by_script.is_empty() {
            write_pages(&district, &files);
        }
        for (name, _, nights) in &mut by_script {
            nights.push(scripts.run(name, &files, &scratch.path().join(format!("{name}.db"))));
        }
    }
    let imported = if asked.districts == 1 { import(&district, scratch.path()) } else { None };
    let (curl_quiet, curl) = (median(curl_quiet), median(curl));
    println!("| job | CPU s | wall s | memory, MB | beside |");
    println!("| --- | ---: | ---: | ---: | --- |");
    let (quiet, changed) = (median(quiet), median(changed));
    line("night without changes", quiet, &[("curl", curl_quiet)]);
    let by: Vec<(&str, Cost)> = std::iter::once(("curl", curl))
        .chain(by_script.iter().map(|(name, _, nights)| (*name, median(nights.clone()))))
        .collect();
    line("night with 0.5 % changes", changed, &by);
    line("first load", first, &imported.map(|it| ("sqlite3 .import", it)).into_iter().collect::<Vec<_>>());
    if let Some((_, nights)) = there {
        line("PostgreSQL: night without changes", median(nights.quiet), &[("SQLite", quiet)]);
        line("PostgreSQL: night with 0.5 % changes", median(nights.changed), &[("SQLite", changed)]);
        line("PostgreSQL: first load", nights.first, &[("SQLite", first)]);
    }
    line("curl --compressed to nowhere", curl, &[]);
    for (name, first, nights) in &by_script {
        line(&format!("{name}, night with 0.5 %"), median(nights.clone()), &[]);
        line(&format!("{name}, first load"), *first, &[]);
    }
    if let Some(it) = imported {
        line("sqlite3 .import", it, &[]);
    }
    if asked.keep {
        println!("\nthe installation is left in {}", it.kept().display());
    }
}

fn main() {
    let asked = asked();
    println!("CPU seconds of whole processes, median of {}; store: SQLite unless said", asked.rounds);
    for students in &asked.sizes {
        measure(*students, &asked);
    }
}
