//! `rosterd doctor`: finds the mistakes of an installation, each with its remedy.

mod notices;
mod place;
mod sign_in;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::catalog::{self, Source, unknown_schools};
use crate::clock;
use crate::command::output::{Output, Tone};
use crate::command::{CommandError, Common};
use crate::config::{self, Settings};
use crate::directory::Directory;
use crate::feed;
use crate::model::{Catalog, DistrictId};
use crate::run;
use crate::schedule::catalog::Look;
use crate::store::{Queue, Store};
use crate::suggest;

/// Checks an installation: configuration, store, clock, catalog, recipients, sign-in, feeds
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Leave the feeds, the mail server, webhooks and the sign-in provider alone
    #[arg(long)]
    offline: bool,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warning,
    Failing,
}

/// One thing looked at.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    check: &'static str,
    subject: String,
    state: State,
    /// What is wrong and what to do about it; empty where all is well.
    message: String,
}

struct Findings(Vec<Finding>);

impl Findings {
    fn note(&mut self, check: &'static str, subject: &str, state: State, message: impl Into<String>) {
        self.0.push(Finding { check, subject: subject.to_owned(), state, message: message.into() });
    }

    fn ok(&mut self, check: &'static str, subject: &str) {
        self.note(check, subject, State::Ok, "");
    }

    fn result(&mut self, check: &'static str, subject: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.ok(check, subject),
            Err(message) => self.note(check, subject, State::Failing, message),
        }
    }
}

impl Doctor {
    pub(super) async fn run(&self, common: &Common) -> Result<u8, CommandError> {
        let out = Output::new(common.json);
        let mut findings = Findings(Vec::new());
        match config::read(&common.config) {
            Ok(settings) => self.examine(&settings, &mut findings).await,
            Err(error) => findings.note("configuration", "files", State::Failing, error.to_string()),
        }
        let failing = findings.0.iter().any(|it| it.state == State::Failing);
        if common.json {
            out.document(&findings.0)?;
        } else {
            for it in &findings.0 {
                let (tone, word) = match it.state {
                    State::Ok => (Tone::Good, "ok"),
                    State::Warning => (Tone::Attention, "warning"),
                    State::Failing => (Tone::Bad, "FAILING"),
                };
                out.line(&format!("{:<9} {} {}", out.tone(tone, word), it.check, it.subject))?;
                if !it.message.is_empty() {
                    out.line(&format!("          {}", it.message))?;
                }
            }
        }
        Ok(u8::from(failing))
    }

    async fn examine(&self, settings: &Settings, findings: &mut Findings) {
        files(settings, findings);
        secrets(settings, findings);
        policies(settings, findings);
        place::examine(settings, findings).await;
        let catalog = contract(settings, findings);
        let (store, queue) = store(settings, findings).await;
        if let Some(store) = &store {
            last_look(settings, store, self.offline, findings).await;
        }
        if let (Some(store), Some(catalog)) = (&store, &catalog) {
            allotments(store, catalog, findings).await;
        }
        if let Some(store) = &store {
            surplus(store, findings).await;
            retention(store, settings, findings).await;
        }
        notices::examine(settings, store.as_ref(), self.offline, findings).await;
        sign_in::examine(settings, store.as_ref(), self.offline, findings).await;
        if !self.offline {
            feeds(settings, queue.as_ref(), findings).await;
        }
        if let Some(queue) = queue {
            queue.close().await;
        }
        if let Some(store) = store {
            store.close().await;
        }
    }
}

/// Rows that should have been deleted two days ago (T45).
async fn retention(store: &Store, settings: &Settings, findings: &mut Findings) {
    let Some(before) = settings.privacy.due_before(clock::real_now()) else {
        let kept =
            "archived rows are kept for ever: set `privacy.archived_days` to what your policy says (16 CFR 312.10)";
        return findings.note("privacy", "retention", State::Warning, kept);
    };
    match store.versions_before(before.plus(-chrono::TimeDelta::hours(48))).await {
        Ok(0) => findings.ok("privacy", "retention"),
        Ok(n) => {
            let overdue = format!(
                "{n} versions of records are more than two days past `privacy.archived_days`: the daemon deletes them every day, \
                 start it with `rosterd run` and read its log"
            );
            findings.note("privacy", "retention", State::Warning, overdue);
        }
        Err(error) => findings.note("privacy", "retention", State::Failing, error.to_string()),
    }
}

fn files(settings: &Settings, findings: &mut Findings) {
    if settings.files.is_empty() {
        let message = format!(
            "no configuration file: the built-in defaults are in force and there is no district; write {} or name one with \
             --config",
            config::DEFAULT_FILES.join(" or ")
        );
        findings.note("configuration", "files", State::Warning, message);
    }
    for path in &settings.files {
        findings.ok("configuration", &path.display().to_string());
    }
    if !settings.guard.enabled {
        let message =
            "`guard.enabled` is false: nothing is held, whatever a feed sends; take the line out after the rehearsal";
        findings.note("guard", "enabled", State::Warning, message);
    }
}

/// Students whom teachers add beside the feed are in nobody's roster (S2.18).
fn policies(settings: &Settings, findings: &mut Findings) {
    let rostered = settings.district.iter().filter(|it| !it.is_by_hand());
    for it in rostered.filter(|it| it.teachers_may_create_students()) {
        let message = "`teachers_may_create_students` is true and the district is rostered: a student whom a teacher adds is not \
                       in the feed and has no seat; take the line out";
        findings.note("district", &it.id, State::Warning, message);
    }
}

fn secrets(settings: &Settings, findings: &mut Findings) {
    let of_districts = settings
        .district
        .iter()
        .flat_map(|it| it.feed.secrets().into_iter().map(move |(key, secret)| (format!("{}: {key}", it.id), secret)));
    let apps = settings.apps();
    let of_apps = apps
        .iter()
        .flat_map(|it| it.secrets().into_iter().map(move |(key, secret)| (format!("{}: {key}", it.id()), secret)));
    let of_catalog = settings.catalog.token.iter().map(|token| ("catalog: token".to_owned(), token));
    let of_notify = settings.notify.secrets();
    let of_changes = settings.changes.secret().map(|it| ("changes: webhook_secret".to_owned(), it));
    let of_access = settings.access.snapshot_key.iter().map(|it| ("access: snapshot_key".to_owned(), it));
    let of_others = of_changes.into_iter().chain(of_access).chain(settings.http.secret());
    let all = of_districts.chain(of_apps).chain(of_catalog).chain(of_notify).chain(of_others);
    for (subject, secret) in all {
        place::secret(&subject, secret, findings);
        if let Err(error) = secret.reveal(crate::secret::process_environment) {
            findings.note("secret", &subject, State::Failing, error.to_string());
        } else if secret.is_plain() {
            let message = "stands in the configuration in plain text; use { env = \"NAME\" } or { file = \"PATH\" }";
            findings.note("secret", &subject, State::Warning, message);
        } else {
            findings.ok("secret", &subject);
        }
    }
}

fn contract(settings: &Settings, findings: &mut Findings) -> Option<Catalog> {
    let path = match settings.catalog.source() {
        Some(Source::File(path)) => path,
        // What it answers is asked for where the store is at hand.
        Some(Source::Service { .. }) => return None,
        None => {
            let subject = settings.catalog.path.display().to_string();
            let message =
                "there is no catalog: rosters are synced, and no one has a seat; write it, or set `catalog.path`";
            findings.note("catalog", &subject, State::Warning, message);
            return None;
        }
    };
    let subject = path.display().to_string();
    let catalog = match catalog::read(path) {
        Ok(catalog) => catalog,
        Err(error) => {
            findings.note("catalog", &subject, State::Failing, error.to_string());
            return None;
        }
    };
    findings.ok("catalog", &subject);
    let known: BTreeSet<DistrictId> = settings.district.iter().map(crate::district::District::id).collect();
    if settings.apps().is_empty() {
        for it in catalog.subscriptions.values().filter(|it| !known.contains(&it.district)) {
            let message = format!(
                "is for district `{}`, which is not configured: it waits until it is; check the spelling",
                it.district
            );
            findings.note("subscription", it.id.as_str(), State::Warning, message);
        }
    }
    Some(catalog)
}

/// The service is asked once; how the last look ended, and what vanished, is told of a file too.
async fn last_look(settings: &Settings, store: &Store, offline: bool, findings: &mut Findings) {
    let catalog = &settings.catalog;
    if let Some(Source::Service { url, token }) = catalog.source() {
        let ca_file = catalog.ca_file.as_deref();
        let (timeout_seconds, allow_insecure) = (catalog.timeout_seconds, catalog.allow_insecure);
        let service = feed::Service { url, token, ca_file, timeout_seconds, allow_insecure };
        if !offline {
            let asked = service.fetch(None, crate::secret::process_environment).await;
            findings.result("catalog", &service.shown(), asked.map(|_| ()).map_err(|error| error.to_string()));
        }
    }
    let look = store.catalog_look().await.ok().flatten();
    let look = look.and_then(|it| serde_json::from_str::<Look>(&it.outcome).ok());
    let held = look.as_ref().map(|it| it.held.clone()).unwrap_or_default();
    if let Some(Look { at, error: Some(error), .. }) = look {
        let message = format!("the last look, at {at}, failed and the catalog before it stays in force: {error}");
        findings.note("catalog", "last look", State::Failing, message);
    }
    for it in held {
        let groups: Vec<String> =
            it.holds.iter().map(|hold| format!("{} of {} ({})", hold.count, hold.of, hold.group)).collect();
        let message = format!(
            "the last look did not take the catalog: it would end {} seats in `{}`; read `rosterd catalog plan`, then mend it or accept it",
            groups.join(", "),
            it.district
        );
        findings.note("catalog", "last look", State::Failing, message);
    }
    for (district, subscription, since) in store.vanished().await.unwrap_or_default() {
        let message = format!(
            "of `{district}` vanished from the catalog since {since} and keeps its last state: put it back, or say its end with \
             `status = \"inactive\"` or `expires_on`"
        );
        findings.note("subscription", subscription.as_str(), State::Warning, message);
    }
}

async fn store(settings: &Settings, findings: &mut Findings) -> (Option<Store>, Option<Queue>) {
    let shown = settings.store.shown();
    let opened = Store::open(&settings.store).await;
    let store = match opened {
        Ok(store) => store,
        Err(error) => {
            findings.note("store", &shown, State::Failing, error.to_string());
            return (None, None);
        }
    };
    findings.ok("store", &shown);
    let queue = Queue::open(&settings.store).await;
    if let Err(error) = &queue {
        findings.note("queue", &shown, State::Failing, error.to_string());
    }
    if let Some(path) = settings.store.url.strip_prefix("sqlite:") {
        findings.result("disk", path, room_beside(Path::new(path)));
    }
    let now = clock::real_now();
    match store.latest_at().await {
        Ok(Some(last)) if last > now => {
            let message = format!(
                "the store's last entry is of {last}, and the clock says {now}: set the clock right, or this store was used \
                 with a later --now"
            );
            findings.note("clock", "machine", State::Failing, message);
        }
        Ok(_) => findings.ok("clock", "machine"),
        Err(error) => findings.note("clock", "machine", State::Failing, error.to_string()),
    }
    (Some(store), queue.ok())
}

/// Writes 16 MiB beside the store and takes them away again.
fn room_beside(store: &Path) -> Result<(), String> {
    let probe = store.with_extension(format!("probe-{}", std::process::id()));
    let written = std::fs::write(&probe, vec![0_u8; 16 << 20]);
    let removed = std::fs::remove_file(&probe);
    written.and(removed).map_err(|error| {
        format!("cannot write 16 MiB beside the store: {}; make room, or let this user write there", error.kind())
    })
}

/// Allotments must name schools that the roster has; without a roster there is nothing to compare with yet.
async fn allotments(store: &Store, catalog: &Catalog, findings: &mut Findings) {
    for subscription in catalog.subscriptions.values() {
        let Ok(baseline) = store.baseline(&subscription.district).await else { continue };
        for school in unknown_schools(subscription, &baseline.roster) {
            let message = format!(
                "allots seats to school `{school}`, which the roster of `{}` does not have: use its source id, identifier or \
                 NCES number",
                subscription.district
            );
            findings.note("subscription", subscription.id.as_str(), State::Failing, message);
        }
    }
}

/// More seats in use than students in a class, and who they are likely of (S4.35).
async fn surplus(store: &Store, findings: &mut Findings) {
    for state in store.districts().await.unwrap_or_default() {
        let Ok(baseline) = store.baseline(&state.id).await else { continue };
        let as_of = state.allocated_at.unwrap_or_else(clock::real_now);
        for it in suggest::surplus(&baseline, as_of) {
            let message = format!(
                "{} seats of `{}` are in use and {} students are in a class: {} are of graduates still active, {} of students \
                 whose classes are all over, {} of test accounts; `rosterd suggest --district {} --product {}` says what to do",
                it.in_use,
                it.product,
                it.enrolled,
                it.graduates,
                it.past_classes,
                it.test_accounts,
                state.id,
                it.product
            );
            findings.note("licenses", state.id.as_str(), State::Warning, message);
        }
    }
}

/// A clock that is further off than this has signed requests refused.
const CLOCK_OFF: i64 = 60;

/// Compares the clock with that of the first feed that tells its own.
async fn clock_of_others(directory: &Directory, findings: &mut Findings) {
    // One that does not answer is told of below; a fleet of them would only make us wait.
    let asked =
        directory.all().filter(|it| matches!(it.feed, feed::Settings::Oneroster(_) | feed::Settings::Clever(_)));
    for district in asked.take(3) {
        let Some(theirs) = feed::server_time(&district.feed).await else { continue };
        let off = (clock::real_now().instant() - theirs).num_seconds();
        let told = || {
            let way = if off > 0 { "ahead of" } else { "behind" };
            format!(
                "this machine's clock is {} s {way} that of the server of `{}`, so signed requests may be refused: set it right, with NTP",
                off.abs(),
                district.id
            )
        };
        return findings.result("clock", "feeds", if off.abs() <= CLOCK_OFF { Ok(()) } else { Err(told()) });
    }
}

async fn feeds(settings: &Settings, queue: Option<&Queue>, findings: &mut Findings) {
    let turnstile = queue.map(run::turnstile);
    let directory = Directory::discover(settings, turnstile.as_ref()).await;
    for problem in &directory.problems {
        findings.note(problem.table, &problem.app, State::Failing, problem.message.clone());
    }
    clock_of_others(&directory, findings).await;
    for district in directory.all() {
        if district.is_by_hand() {
            findings.ok("feed", &district.id);
            continue;
        }
        let context = feed::Context {
            district: district.id(),
            now: clock::real_now(),
            last: None,
            apps: settings.apps(),
            environment: crate::secret::process_environment,
            progress: Arc::new(feed::Progress::default()),
            recall: None,
            turnstile: turnstile.clone(),
        };
        let probed = match feed::open(&district.feed, context) {
            Ok(feed) => feed.probe().await,
            Err(error) => Err(error),
        };
        findings.result("feed", &district.id, probed.map_err(|error| error.told()));
    }
}
