//! What stands in `deploy` and in the README is so: metrics, alerts with their pages, commands, settings, links.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Parser;
use rosterd::command::Cli;
use rosterd::config;
use rosterd::model::AlertKind;

use crate::support::daemon::{DAY_1, Installation, client};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The README, and every page below `deploy`.
fn pages() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    let mut folders = vec![root().join("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A fenced block of a page: its language, the line it begins on, and its text without the indentation of the fence.
struct Block {
    language: String,
    place: String,
    text: String,
}

fn blocks(path: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(path).unwrap();
    let shown = path.strip_prefix(root()).unwrap().display();
    let mut found: Vec<Block> = Vec::new();
    let mut indent = None;
    for (number, line) in text.lines().enumerate() {
        // A block may stand in a list.
        let fence = line.trim_start().strip_prefix("```");
        match (indent, fence) {
            (None, Some(language)) => {
                indent = Some(line.len() - line.trim_start().len());
                let (language, place) = (language.trim().to_owned(), format!("{shown}:{}", number + 1));
                found.push(Block { language, place, text: String::new() });
            }
            (Some(_), Some(_)) => indent = None,
            (Some(n), None) => {
                let block = found.last_mut().unwrap();
                block.text.push_str(line.get(n..).unwrap_or(line.trim_start()));
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(indent.is_none(), "{shown} ends within a block");
    found
}

/// The words of each command of a line of a shell, as far as these pages write them: quotes, comments, pipes, redirections.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let (mut word, mut quote, mut begun) = (String::new(), None, false);
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (Some(open), _) if char == open => quote = None,
            (None, '"' | '\'') => (quote, begun) = (Some(char), true),
            (None, '#') if !begun => break,
            (None, '|' | ';' | '&' | '>' | '<' | '(' | ')' | ' ' | '\t') => {
                if begun {
                    all.last_mut().unwrap().push(std::mem::take(&mut word));
                    begun = false;
                }
                match char {
                    // What a redirection goes to is no argument.
                    '>' | '<' => {
                        while chars.next_if(|it| *it == ' ' || *it == '>').is_some() {}
                        while chars.next_if(|it| !it.is_whitespace()).is_some() {}
                    }
                    ' ' | '\t' => {}
                    _ => all.push(Vec::new()),
                }
            }
            _ => {
                word.push(char);
                begun = true;
            }
        }
    }
    assert!(quote.is_none(), "a quote is open: {line}");
    if begun {
        all.last_mut().unwrap().push(word);
    }
    all
}

/// What is asked of `rosterd` by a command: after `sudo -u rosterd`, `--` of kubectl, or the service's name of compose.
fn asked(words: &[String]) -> Option<&[String]> {
    let is = |place: usize, word: &str| words.get(place).is_some_and(|it| it == word);
    let begins = |place: usize| {
        place == 0
            || is(place - 1, "--")
            || is(place - 1, "rosterd")
            || words.first().is_some_and(|it| it == "sudo")
                && !is(place - 1, "-u")
                && words[..place]
                    .iter()
                    .skip(1)
                    .all(|it| ["-u", "rosterd", "env"].contains(&it.as_str()) || it.contains('='))
    };
    let place = (0..words.len()).find(|place| is(*place, "rosterd") && begins(*place))?;
    let place = if is(place + 1, "rosterd") { place + 1 } else { place };
    Some(&words[place..])
}

/// S4.29 by way of Prometheus: each number that a chart or an alert asks for is one that the daemon tells, and each kind of
/// alert one that there is.
#[tokio::test]
async fn dashboard_and_alert_rules_ask_for_metrics_that_the_daemon_tells() {
    let installation = Installation::new("apply", "");
    let upload = installation.path("drop/upload-1").display().to_string();
    let settings = installation.settings_with("apply", &upload, "");
    installation.configure(&settings.replace("[http]\n", "[http]\nopen_metrics = true\n"));
    let daemon = installation.start(DAY_1).await;
    let told = client().get(daemon.url("/metrics")).send().await.unwrap().text().await.unwrap();
    daemon.stop().await;
    let mut known = BTreeSet::new();
    for line in told.lines() {
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' ')) else { continue };
        match kind {
            "histogram" => known.extend(["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}"))),
            _ => drop(known.insert(name.to_owned())),
        }
    }
    let mut asked_for = BTreeSet::new();
    for path in ["deploy/grafana/rosterd.json", "deploy/prometheus/alerts.yaml", "deploy/prometheus/alerts.test.yaml"] {
        let text = read(path);
        let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
        let names: BTreeSet<&str> = words.filter(|it| it.starts_with("rosterd_")).collect();
        assert!(!names.is_empty(), "{path}");
        for name in names {
            assert!(known.contains(name), "{path} asks for {name}, which is not told; these are: {known:#?}");
            asked_for.insert(name.to_owned());
        }
        for matched in text.replace('\\', "").split("kind=").skip(1) {
            let kinds = matched.trim_start_matches('~').trim_start_matches('"').split('"').next().unwrap();
            for kind in kinds.split('|') {
                assert!(AlertKind::parse(kind).is_some(), "{path} asks for alerts of the kind {kind}");
            }
        }
    }
    let unasked: Vec<_> = known.iter().filter(|it| !it.ends_with("_sum") && !it.ends_with("_count")).collect();
    let unasked: Vec<_> = unasked.into_iter().filter(|it| !asked_for.contains(*it)).collect();
    assert!(unasked.is_empty(), "on no chart and in no alert: {unasked:?}");
}

/// The numbers behind the alerts on syncs and on the catalog, when both have failed and when both are well.
#[tokio::test]
async fn a_failed_sync_and_a_refused_catalog_are_told_until_they_are_over() {
    let installation = Installation::new("apply", "");
    assert!(installation.cli(DAY_1, &["sync", "mulberry-springs"]).status.success());
    let (upload, aside) = (installation.path("drop"), installation.path("aside"));
    let (catalog, good) =
        (installation.path("catalog.toml"), std::fs::read(installation.path("catalog.toml")).unwrap());
    let token = installation.token("prometheus", &["--scope", "read"]);
    for broken in [true, false] {
        if broken {
            std::fs::rename(&upload, &aside).unwrap();
        } else {
            std::fs::rename(&aside, &upload).unwrap();
            std::fs::write(&catalog, &good).unwrap();
        }
        let synced = installation.cli(DAY_1, &["sync", "mulberry-springs"]);
        assert_eq!(synced.status.code(), Some(i32::from(broken)), "{}", String::from_utf8_lossy(&synced.stderr));
        if broken {
            // The daemon starts with the last good one.
            std::fs::write(&catalog, "[[product]]\ncode = 7\n").unwrap();
        }
        let daemon = installation.start("2025-10-06T21:00:00Z").await;
        let told = client().get(daemon.url("/metrics")).bearer_auth(&token).send().await.unwrap().text().await.unwrap();
        daemon.stop().await;
        let line = |name: &str| told.lines().find_map(|it| it.strip_prefix(name)).map(str::trim);
        let of_broken = Some(if broken { "1" } else { "0" });
        assert_eq!(line("rosterd_last_run_failed{district=\"mulberry-springs\"}"), of_broken, "{told}");
        assert_eq!(line("rosterd_catalog_refused"), of_broken, "{told}");
        let age = line("rosterd_last_run_age_seconds{district=\"mulberry-springs\"}").unwrap();
        assert!(age.parse::<u32>().unwrap() >= 3600, "{age}");
        let waiting = line("rosterd_alerts_open{district=\"mulberry-springs\",kind=\"waitlist\"}").unwrap();
        assert_ne!(waiting, "0");
    }
}

/// Whoever is woken finds a page, and no page is of an alert that is not there.
#[test]
fn every_alert_has_its_page_and_its_test() {
    let (rules, tests) = (read("deploy/prometheus/alerts.yaml"), read("deploy/prometheus/alerts.test.yaml"));
    let alerts: BTreeSet<&str> = rules.lines().filter_map(|it| it.trim().strip_prefix("- alert: ")).collect();
    let tested: BTreeSet<&str> = tests.lines().filter_map(|it| it.trim().strip_prefix("alertname: ")).collect();
    let pages: BTreeSet<String> = std::fs::read_dir(root().join("deploy/runbook"))
        .unwrap()
        .map(|it| it.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|it| it != "README")
        .collect();
    assert!(!alerts.is_empty());
    assert_eq!(alerts, pages.iter().map(String::as_str).collect());
    assert_eq!(alerts, tested, "deploy/prometheus/alerts.test.yaml names each");
    let index = read("deploy/runbook/README.md");
    for alert in alerts {
        assert!(rules.contains(&format!("/{alert}.md\n")), "{alert} links to its page");
        assert!(index.contains(&format!("({alert}.md)")), "deploy/runbook/README.md lists {alert}");
        let page = read(&format!("deploy/runbook/{alert}.md"));
        assert!(page.starts_with(&format!("# {alert}\n")), "{alert}.md begins with its name");
        for part in ["**Meaning.**", "**Users notice.**", "## First look", "## Causes", "**Over when.**"] {
            assert!(page.contains(part), "{alert}.md has no `{part}`");
        }
    }
}

#[test]
fn every_command_of_the_pages_is_one_that_there_is() {
    let mut seen = 0;
    for block in pages().iter().flat_map(|page| blocks(page)) {
        if !["console", "sh", "bash"].contains(&block.language.as_str()) {
            continue;
        }
        let text = block.text.replace("\\\n", " ");
        let prompted = block.language == "console";
        for line in text.lines() {
            let line = if prompted { line.strip_prefix("$ ").unwrap_or_default() } else { line };
            for words in commands(line) {
                let Some(words) = asked(&words) else { continue };
                if let Err(error) = Cli::try_parse_from(words) {
                    panic!("{}: {}\n{error}", block.place, words.join(" "));
                }
                seen += 1;
            }
        }
    }
    // Those in running text that are whole: a name alone, as in `rosterd verify`, may lack what it needs.
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for line in text.lines().flat_map(|it| it.split('`').skip(1).step_by(2)) {
            let whole = line.starts_with("rosterd ") && !line.contains(['…', '[']) && line.split(' ').count() > 3;
            let Some(words) = whole.then(|| commands(line).remove(0)) else { continue };
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{}: {line}\n{error}", page.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 120, "only {seen} commands were found");
}

#[test]
fn every_setting_of_the_pages_and_manifests_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let check = |place: &str, text: &str| {
        let path = folder.path().join("rosterd.toml");
        std::fs::write(&path, text).unwrap();
        if let Err(error) = config::read(&[path]) {
            panic!("{place}: {error}");
        }
    };
    let mut seen = 0;
    for block in pages().iter().flat_map(|page| blocks(page)).filter(|it| it.language == "toml") {
        check(&block.place, &block.text);
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} blocks were found");
    for path in ["deploy/compose/rosterd.toml", "deploy/kubernetes/rosterd.toml"] {
        let settings = config::read(&[root().join(path)]).unwrap();
        assert!(!settings.district.is_empty(), "{path}");
    }
    let catalog = rosterd::catalog::read(&root().join("deploy/kubernetes/catalog.toml")).unwrap();
    assert!(!catalog.subscriptions.is_empty());
    let kubernetes = config::read(&[root().join("deploy/kubernetes/rosterd.toml")]).unwrap();
    assert!(kubernetes.store.url.starts_with("postgres://"));
    // Variables of the manifests name settings that there are.
    let set = |paths: &[&str]| -> BTreeSet<String> {
        let text: String = paths.iter().map(|it| read(it)).collect();
        let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
        words.filter(|it| it.starts_with("ROSTERD__")).map(str::to_owned).collect()
    };
    let names = set(&["deploy/rosterd.service", "deploy/compose.yaml"]);
    assert_eq!(names, BTreeSet::from(["ROSTERD__HTTP__LISTEN", "ROSTERD__STORE__URL"].map(str::to_owned)));
    // The environment beats every file: an image that says where the store is would take a cluster's store from it.
    assert_eq!(set(&["deploy/Dockerfile"]), BTreeSet::from(["ROSTERD__HTTP__LISTEN".to_owned()]));
}

/// The paths that probes and checks ask for are routes that need no token.
#[test]
fn probes_ask_for_routes_that_answer_everyone() {
    use rosterd::http::routes::{Needs, ROUTES};
    let text = ["deploy/Dockerfile", "deploy/kubernetes/deployment.yaml"].map(read).concat();
    for path in ["/livez", "/readyz"] {
        assert!(text.contains(path));
        assert!(ROUTES.iter().any(|it| it.path == path && it.needs == Needs::Nothing), "{path}");
    }
    let probed = text.split("path: ").skip(1).map(|it| it.split([' ', ',']).next().unwrap());
    for path in probed {
        assert!(ROUTES.iter().any(|it| it.path == path && it.needs == Needs::Nothing), "{path}");
    }
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).map(|it| it.split(')').next().unwrap()) {
            let path = link.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            assert!(page.parent().unwrap().join(path).exists(), "{}: {link}", page.display());
        }
    }
}
