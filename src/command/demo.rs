//! `rosterd demo`: the whole thing with nothing set up.
//!
//! Simulated Clever and `OneRoster` servers on loopback and a folder with a CSV zip serve the fixture districts; a first
//! sync, a day of changes and a mass removal follow, each through the same code as `rosterd sync`; then the daemon.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;

use crate::clock::Clock;
use crate::command::output::{Output, Tone};
use crate::command::{CommandError, Common, Session, alerts, licenses, run, seats, verify};
use crate::config;
use crate::model::{DistrictId, RunRecord, RunStatus, Timestamp, Trigger};
use crate::simulate::{Options, Server, World};
use crate::store::{AuditFilter, NewRequest};

/// The whole thing with nothing set up
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where the daemon listens afterwards
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Where the store goes; by default a fresh temporary folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Exit after the story instead of running the daemon
    #[arg(long)]
    once: bool,
}

/// One day of the story.
struct Day {
    number: u32,
    now: &'static str,
    title: &'static str,
}

const DAYS: [Day; 3] = [
    Day { number: 1, now: "2025-10-06T07:00:00.000Z", title: "the first sync: rosters become licenses" },
    Day { number: 2, now: "2025-10-07T07:00:00.000Z", title: "a day of joins, leaves, a move and a new name" },
    Day { number: 3, now: "2025-10-08T07:00:00.000Z", title: "a broken export: sixty children are missing" },
];

/// The districts of the story; the last comes as a CSV zip.
const DISTRICTS: [&str; 3] = ["clever-demo", "mulberry-springs", "pomegranate-charter"];

impl Demo {
    pub(super) async fn run(&self, common: &Common) -> Result<u8, CommandError> {
        let started = Instant::now();
        let fixtures = fixtures()?;
        let dir = self.folder()?;
        let world = World::load(&fixtures).map_err(failed)?;
        let server = Server::start(world, Options::default()).await.map_err(failed)?;
        let path = dir.join("rosterd.toml");
        let text = configuration(&dir, &fixtures, &server, self.listen);
        std::fs::write(&path, text).map_err(|error| unwritable(&dir, &error))?;
        let settings = Arc::new(config::read(std::slice::from_ref(&path))?);
        let mut session = Session::with(settings, None, Output::new(false)).await?;
        let story = tell(&mut session, &server, &dir).await;
        let end = session.as_of();
        session.close().await;
        story?;
        let out = Output::new(false);
        out.line(&format!("\nThat took {} ms. The store is in {}", started.elapsed().as_millis(), dir.display()))?;
        out.line(&format!("  look around:  rosterd --config {} runs list", path.display()))?;
        if self.once {
            server.stop().await;
            return Ok(0);
        }
        out.line(&format!("  now the daemon, with its dashboard: http://{}/    (Ctrl-C ends it)", self.listen))?;
        let common = Common { config: vec![path], now: Some(end), json: common.json };
        let code = run::Run::default().run(&common, None).await;
        server.stop().await;
        code
    }

    fn folder(&self) -> Result<PathBuf, CommandError> {
        let dir = match &self.dir {
            Some(dir) => dir.clone(),
            None => std::env::temp_dir().join(format!("rosterd-demo-{}", std::process::id())),
        };
        if dir.join("rosterd.db").exists() {
            let message = format!("{} holds a store already: name an empty folder with --dir", dir.display());
            return Err(CommandError::Usage(message));
        }
        std::fs::create_dir_all(dir.join("drop")).map_err(|error| unwritable(&dir, &error))?;
        Ok(std::path::absolute(&dir).unwrap_or(dir))
    }
}

fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::Failed(error.to_string())
}

fn unwritable(dir: &Path, error: &std::io::Error) -> CommandError {
    CommandError::Failed(format!("cannot write to {}: {}; name another folder with --dir", dir.display(), error.kind()))
}

/// The fixtures of the source tree: where the command runs, or where it was built.
fn fixtures() -> Result<PathBuf, CommandError> {
    let places = [PathBuf::from("fixtures"), Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")];
    let found = places.into_iter().find(|place| place.join("catalog.toml").exists());
    let found = found.map(|place| std::path::absolute(&place).unwrap_or(place));
    found.ok_or_else(|| {
        CommandError::Failed("the demo needs the folder `fixtures` of the source tree: run it from there".to_owned())
    })
}

fn configuration(dir: &Path, fixtures: &Path, server: &Server, listen: SocketAddr) -> String {
    let base = server.base_url();
    let world = server.world();
    let clever_id = world.clever_id("clever-demo").unwrap_or_default();
    format!(
        r#"# Written by `rosterd demo`; the feeds live as long as it runs.
[store]
url = "sqlite:{store}"

[http]
listen = "{listen}"

[catalog]
path = "{catalog}"

[[clever_app]]
id = "demo"
client_id = "clever-client"
client_secret = "clever-secret"
url = "{base}"
auth_url = "{base}"
time_zone = "America/Los_Angeles"

[[district]]
id = "clever-demo"
name = "Clever demo district"
time_zone = "America/Los_Angeles"
first_sync = "apply"
feed = {{ kind = "clever", app = "demo", district = "{clever_id}" }}

[[district]]
id = "mulberry-springs"
name = "Mulberry Springs Unified School District"
time_zone = "America/Chicago"
first_sync = "apply"
feed = {{ kind = "oneroster", url = "{oneroster}", auth = {{ kind = "oauth1", key = "mulberry-springs-key", secret = "mulberry-springs-secret" }} }}

[[district]]
id = "pomegranate-charter"
name = "Pomegranate Charter"
time_zone = "America/New_York"
first_sync = "apply"
feed = {{ kind = "oneroster-csv", path = "{drop}", settle_seconds = 0 }}
"#,
        store = dir.join("rosterd.db").display(),
        catalog = fixtures.join("catalog.toml").display(),
        oneroster = server.oneroster_url("mulberry-springs", crate::simulate::Version::V1p1),
        drop = dir.join("drop").display(),
    )
}

async fn tell(session: &mut Session, server: &Server, dir: &Path) -> Result<(), CommandError> {
    let out = session.output;
    out.line("rosterd demo: three districts, one night after another. Nobody in them exists.")?;
    out.line("  clever-demo          Clever over HTTP")?;
    out.line("  mulberry-springs     OneRoster 1.1 over HTTP, every request signed with OAuth 1")?;
    out.line("  pomegranate-charter  a OneRoster CSV zip in a drop folder")?;
    for day in &DAYS {
        server.set_day(day.number);
        let zip = dir.join("drop").join(format!("pomegranate-day-{}.zip", day.number));
        let world = server.world();
        if day.number <= world.last_day("pomegranate-charter") {
            world.csv_zip("pomegranate-charter", day.number, &zip).map_err(failed)?;
        }
        let now = Timestamp::parse(day.now).map_err(failed)?;
        session.office.clock = Clock::Fixed(now);
        session.now = Some(now);
        session.look_at_catalog().await?;
        out.line("")?;
        out.line(&out.tone(Tone::Attention, &format!("Day {}, {}: {}", day.number, day.now, day.title)))?;
        for district in DISTRICTS {
            if let Some(says) = server.world().says(district, day.number) {
                out.line(&out.tone(Tone::Quiet, &format!("  {district}: {says}")))?;
            }
        }
        out.line("")?;
        for district in DISTRICTS {
            let record = session.carried_out(request(district, now)).await?;
            session.report(&record)?;
            if record.status == RunStatus::Failed {
                return Err(CommandError::Failed(format!("the demo's sync of {district} failed")));
            }
            if day.number == 2 && district == "mulberry-springs" {
                plan_in_full(session, &record).await?;
            }
        }
    }
    aftermath(session).await
}

fn request(district: &str, now: Timestamp) -> NewRequest {
    NewRequest {
        district: DistrictId::new(district),
        mode: "apply".to_owned(),
        trigger: Trigger::Cli,
        requested_by: Some("demo".to_owned()),
        reason: None,
        payload: None,
        at: now,
        night: None,
        idempotency_key: None,
    }
}

/// What one run wrote, entry by entry: the audit is the readable diff of a night.
async fn plan_in_full(session: &Session, record: &RunRecord) -> Result<(), CommandError> {
    let filter = AuditFilter {
        run: Some(record.run.clone()),
        district: Some(record.district.clone()),
        ..AuditFilter::default()
    };
    let mut stream = session.store().audit_stream(filter).await?;
    let mut lines = Vec::new();
    while let Some(page) = stream.next_page().await? {
        lines.extend(page.into_iter().filter(|entry| entry.entity != "enrollment"));
    }
    session.output.line("  in the audit (enrollments left out):")?;
    for entry in lines {
        let reason = entry.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        session.output.line(&format!("    {:>5}  {:<20} {}{reason}", entry.seq, entry.action, entry.id))?;
    }
    Ok(())
}

/// Licenses, alerts, a waitlist, and the proof that all of it holds together.
async fn aftermath(session: &Session) -> Result<(), CommandError> {
    let out = session.output;
    out.line("")?;
    out.line(
        &out.tone(Tone::Attention, "Licenses: held children keep their seats, bridged, and nobody waits for them"),
    )?;
    licenses::Licenses::default().run(session).await?;
    out.line("")?;
    out.line(&out.tone(Tone::Attention, "Alerts: what someone should look at, until its cause is gone"))?;
    alerts::Alerts::default().run(session).await?;
    out.line("")?;
    out.line(&out.tone(Tone::Attention, "Waiting for Reading in Mulberry Springs"))?;
    seats::waitlist(session, "mulberry-springs", "reading").await?;
    out.line("")?;
    out.line(&out.tone(Tone::Attention, "Audit chain, its fold against the store, every invariant"))?;
    if verify::Verify::default().run(session).await? != 0 {
        return Err(CommandError::Failed("the demo's store does not verify".to_owned()));
    }
    Ok(())
}
