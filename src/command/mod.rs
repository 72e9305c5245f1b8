//! The command line (interface.md). Each subcommand is a file; what they share stands here.

mod activity;
mod alerts;
mod assign;
mod audit;
mod backup;
mod by_hand;
mod catalog;
mod demo;
mod district;
mod doctor;
mod enroll;
mod explain;
mod find;
mod fleet;
mod identity;
mod import;
mod licenses;
mod migrate;
mod notify;
mod output;
mod overrides;
mod privacy;
mod report;
mod roster;
mod run;
mod runs;
mod seats;
mod shell;
mod simulate;
mod suggest;
mod sync;
mod token;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::{Args, Parser, Subcommand};

pub use output::Output;

use crate::catalog::CatalogError;
use crate::clock::Clock;
use crate::config::{self, ConfigError, Settings};
use crate::directory::Directory;
use crate::inquiry;
use crate::model::{Date, DistrictId, ProductCode, SubscriptionId, Timestamp};
use crate::reports::Then;
use crate::schedule::worker::Office;
use crate::shutdown::{self, Signals};
use crate::store::{Queue, QueueError, Store, StoreError, WorkerLock, WriteError};

/// Roster sync daemon: plan and apply for school rosters and the license seats that follow from them.
#[derive(Debug, Parser)]
#[command(name = "rosterd", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  rosterd demo                              the whole thing with nothing set up
  rosterd doctor                            find every mistake of an installation
  rosterd sync springfield --plan           what would change, and what that does to licenses
  rosterd runs show RUN --affected          who is affected by what is held
  rosterd audit list --district springfield --user 4711
  rosterd explain --district springfield --user 4711 --product reading

Exit status: 0 done, 1 failed, 2 usage or configuration, 3 something is held for review, 4 some districts failed.";

/// What every command takes, before or after its name.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Configuration file; later ones win, lists merge by `id`. Without it: config/rosterd.toml or /etc/rosterd/rosterd.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// The time of decisions, RFC 3339; for rehearsals and tests
    #[arg(long, global = true, value_name = "TIMESTAMP", value_parser = timestamp)]
    now: Option<Timestamp>,
    /// One JSON document on standard output
    #[arg(long, global = true)]
    json: bool,
}

fn timestamp(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|_| "expected an RFC 3339 instant such as 2026-10-05T07:00:00Z".to_owned())
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole thing with nothing set up: simulated feeds, an SQLite store, two days and a mass removal that is held
    Demo(demo::Demo),
    /// The daemon: nightly syncs, requests, HTTP
    Run(run::Run),
    #[command(flatten)]
    Asked(Box<Asked>),
    /// Checks an installation, each finding with its remedy
    Doctor(doctor::Doctor),
    /// Brings the database up to this version
    Migrate,
    /// Completions for a shell
    Completions(shell::Completions),
    /// Manual pages
    Man(shell::Man),
    /// The OpenAPI document of the HTTP interface
    Openapi,
    /// The simulated Clever and OneRoster servers alone
    SimulateFeed(simulate::SimulateFeed),
}

/// What is asked of a store.
#[derive(Debug, Subcommand)]
enum Asked {
    /// A sync now, and its report
    Sync(sync::Sync),
    /// Upload a roster into a district that is kept by hand, and its report
    Import(import::Import),
    /// Runs: list, show, approve, reject, cancel, revert
    #[command(subcommand)]
    Runs(runs::Runs),
    /// Seats of each product: total, assigned, available, waiting
    Licenses(licenses::Licenses),
    /// Who has a seat of a product, and who waits
    Seats(seats::Seats),
    /// Active records of a district
    Roster(roster::Roster),
    /// Users by name, email, id or number
    Find(find::Find),
    /// Why a user has a product or has it not: the whole chain, the first broken link, who must act
    Explain(explain::Explain),
    /// Reports of a district: claims, history, activity, compliance, combined
    Report(report::Report),
    /// Use of products, as their applications report it
    #[command(subcommand)]
    Activity(activity::Activity),
    /// Local decisions on one user and product: pin, exclude, clear
    #[command(subcommand)]
    Override(overrides::Override),
    /// Educator access: ON or OFF
    #[command(subcommand)]
    Access(overrides::Access),
    /// Give a product to a user, a class or a list of users
    Assign(assign::Assign),
    /// Take a product from a user, a class or a list of users
    Unassign(assign::Assign),
    /// Hand one user's seat to another, past the line
    Reassign(assign::Reassign),
    /// Change one product of a user for another, both or neither
    Swap(assign::Swap),
    /// Move seats between two schools' allotments of one subscription
    MoveSeats(assign::MoveSeats),
    /// Change how many seats of a subscription are left when the district is told
    Threshold(alerts::Threshold),
    /// What someone should look at: few seats left, people waiting, coverage that ends
    Alerts(alerts::Alerts),
    /// Who is told of what without asking: list, send, test
    #[command(subcommand)]
    Notify(notify::Notify),
    /// Districts: list, show, mode, purge
    #[command(subcommand)]
    District(district::District),
    /// What all districts together release: show, acknowledge
    Fleet(fleet::Fleet),
    /// Enroll users in a class of a district that is kept by hand
    Enroll(enroll::Enroll),
    /// End enrollments in a class of a district that is kept by hand
    Unenroll(enroll::Unenroll),
    /// Roles of users in a district that is kept by hand
    #[command(subcommand)]
    Role(enroll::Roles),
    /// Users: erase; in a district that is kept by hand: transfer, enable, disable
    #[command(subcommand)]
    User(enroll::Users),
    /// How to get back under the limit, each with the seats it would free
    Suggest(suggest::Suggest),
    /// Accounts that may be of one person: list, accept, refuse, undo
    #[command(subcommand)]
    Identity(identity::Identity),
    /// Products and subscriptions: check a file, plan what it would change, refresh
    #[command(subcommand)]
    Catalog(catalog::CatalogCommand),
    /// The audit log
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Checks audit chain, fold and invariants
    Verify(verify::Verify),
    /// Bearer tokens of the HTTP side
    #[command(subcommand)]
    Token(token::Token),
    /// A consistent copy of the store, also while the daemon works
    Backup(backup::Backup),
}

/// Why a command did not do what was asked, with its exit status.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Usage or configuration, before anything started: status 2.
    #[error("{0}")]
    Usage(String),
    /// Failed or refused: status 1.
    #[error("{0}")]
    Failed(String),
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<CatalogError> for CommandError {
    fn from(error: CatalogError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<QueueError> for CommandError {
    fn from(error: QueueError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<WriteError> for CommandError {
    fn from(error: WriteError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<serde_json::Error> for CommandError {
    fn from(_: serde_json::Error) -> Self {
        Self::Failed("the answer cannot be written as JSON; this is a fault of rosterd".to_owned())
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(format!("standard output cannot be written: {}", error.kind()))
    }
}

/// What commands that ask the store have.
#[derive(Debug)]
pub struct Session {
    office: Office,
    output: Output,
    now: Option<Timestamp>,
    /// The right to work on this store, once this command has it.
    lock: Mutex<Option<WorkerLock>>,
}

impl Session {
    async fn open(common: &Common) -> Result<Self, CommandError> {
        let settings = Arc::new(config::read(&common.config)?);
        Self::with(settings, common.now, Output::new(common.json)).await
    }

    async fn with(settings: Arc<Settings>, now: Option<Timestamp>, output: Output) -> Result<Self, CommandError> {
        let store = Store::open(&settings.store).await?;
        let queue = Queue::open(&settings.store).await?;
        let owner = format!("{}-{:08x}", std::process::id(), rand::random::<u32>());
        let known = Arc::new(Directory::configured(&settings));
        let office = Office { settings, store, queue, clock: Clock::fixed_at(now), owner, known };
        Ok(Self { office, output, now, lock: Mutex::new(None) })
    }

    fn store(&self) -> &Store {
        &self.office.store
    }

    fn as_of(&self) -> Timestamp {
        self.office.clock.now()
    }

    /// Commands that write refuse a `--now` that lies before what the store has (interface.md, Command line).
    async fn writable(&self) -> Result<(), CommandError> {
        let (Some(now), Some(last)) = (self.now, self.store().latest_at().await?) else { return Ok(()) };
        if now < last {
            return Err(CommandError::Usage(format!(
                "--now {now} lies before the last entry of this store, {last}: choose a later time, or another store"
            )));
        }
        Ok(())
    }

    /// A district that the store knows or the configuration names.
    async fn district(&self, id: &str) -> Result<DistrictId, CommandError> {
        let known = self.store().districts().await?;
        if known.iter().any(|it| it.id.as_str() == id) {
            return Ok(DistrictId::new(id));
        }
        if let Some(it) = self.office.settings.district(id) {
            self.store().ensure_district(&it.id(), it.name(), it.time_zone, it.feed.end_dates()).await?;
            return Ok(it.id());
        }
        let names: Vec<String> = known.iter().map(|it| it.id.to_string()).collect();
        Err(CommandError::Usage(format!("there is no district `{id}`; known are: {}", names.join(", "))))
    }

    /// A product of the catalog in force.
    async fn product(&self, code: &str) -> Result<ProductCode, CommandError> {
        let catalog = self.store().catalog().await?;
        let wanted = ProductCode::new(code);
        if catalog.products.contains_key(&wanted) {
            return Ok(wanted);
        }
        let known: Vec<&str> = catalog.products.keys().map(ProductCode::as_str).collect();
        Err(CommandError::Usage(format!("there is no product `{code}`; known are: {}", known.join(", "))))
    }

    /// A district as it was at the end of a day.
    async fn on_day(&self, district: &DistrictId, day: Date) -> Result<Then, CommandError> {
        let then = inquiry::on_day(self.store(), district, day, self.as_of()).await?;
        then.ok_or_else(|| {
            CommandError::Usage(format!("{day} lies in the future of {district}: name a day that has begun there"))
        })
    }

    /// A subscription of the catalog in force, and the district that bought it.
    async fn subscription(&self, id: &str) -> Result<(SubscriptionId, DistrictId), CommandError> {
        let id = SubscriptionId::new(id);
        let catalog = self.store().catalog().await?;
        let unknown = || CommandError::Usage(format!("there is no subscription `{id}` in the catalog"));
        let district = catalog.subscriptions.get(&id).map(|it| it.district.clone()).ok_or_else(unknown)?;
        Ok((id, district))
    }

    async fn close(self) {
        self.office.queue.close().await;
        self.office.store.close().await;
    }
}

/// What the process does first: the runtime, the daemon's signal handlers, crypto for TLS, then [`main`].
pub fn entry() -> ExitCode {
    let started = tokio::runtime::Builder::new_multi_thread().enable_all().build().and_then(|runtime| {
        // Before anything else, since the default of SIGUSR1 is death (reliability.md T30).
        let wanted = shutdown::asks_for_daemon(std::env::args_os().skip(1));
        let signals = runtime.block_on(async { wanted.then(Signals::install).transpose() })?;
        Ok((runtime, signals))
    });
    match started {
        Ok((runtime, signals)) => {
            crate::feed::http::install_crypto();
            let code = runtime.block_on(main(signals));
            // A feed that is still being read on a blocking thread must not hold up the end.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            output::complain(&format!("cannot start: {}", error.kind()));
            ExitCode::from(1)
        }
    }
}

/// Parses the arguments and does what they ask. The exit status is that of interface.md.
async fn main(signals: Option<Signals>) -> ExitCode {
    let cli = Cli::parse();
    let outcome = dispatch(cli, signals).await;
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::complain(&error.to_string());
            ExitCode::from(match error {
                CommandError::Usage(_) => 2,
                CommandError::Failed(_) => 1,
            })
        }
    }
}

async fn dispatch(cli: Cli, signals: Option<Signals>) -> Result<u8, CommandError> {
    let Cli { common, command } = cli;
    match command {
        Command::Demo(demo) => demo.run(&common).await,
        Command::Run(run) => run.run(&common, signals).await,
        Command::SimulateFeed(simulate) => simulate.run().await,
        Command::Doctor(doctor) => doctor.run(&common).await,
        Command::Migrate => migrate::run(&common).await,
        Command::Completions(it) => it.run(Output::new(common.json)),
        Command::Man(it) => it.run(),
        Command::Openapi => shell::openapi(Output::new(common.json)),
        Command::Asked(asked) => match *asked {
            Asked::Catalog(catalog::CatalogCommand::Check { file }) => {
                catalog::CatalogCommand::check(&file, Output::new(common.json))
            }
            asked => {
                let session = Session::open(&common).await?;
                let outcome = asked.run(&session).await;
                session.close().await;
                outcome
            }
        },
    }
}

impl Asked {
    async fn run(self, session: &Session) -> Result<u8, CommandError> {
        match self {
            Self::Sync(it) => it.run(session).await,
            Self::Import(it) => it.run(session).await,
            Self::Runs(it) => it.run(session).await,
            Self::Licenses(it) => it.run(session).await,
            Self::Seats(it) => it.run(session).await,
            Self::Roster(it) => it.run(session).await,
            Self::Find(it) => it.run(session).await,
            Self::Explain(it) => it.run(session).await,
            Self::Report(it) => it.run(session).await,
            Self::Activity(it) => it.run(session).await,
            Self::Override(it) => it.run(session).await,
            Self::Access(it) => it.run(session).await,
            Self::Assign(it) => it.run(session, true).await,
            Self::Unassign(it) => it.run(session, false).await,
            Self::Reassign(it) => it.run(session).await,
            Self::Swap(it) => it.run(session).await,
            Self::MoveSeats(it) => it.run(session).await,
            Self::District(it) => it.run(session).await,
            Self::Fleet(it) => it.run(session).await,
            Self::Enroll(it) => it.run(session).await,
            Self::Unenroll(it) => it.run(session).await,
            Self::Role(it) => it.run(session).await,
            Self::User(it) => it.run(session).await,
            Self::Suggest(it) => it.run(session).await,
            Self::Identity(it) => it.run(session).await,
            Self::Threshold(it) => it.run(session).await,
            Self::Alerts(it) => it.run(session).await,
            Self::Notify(it) => it.run(session).await,
            Self::Audit(it) => it.run(session).await,
            Self::Catalog(it) => it.run(session).await,
            Self::Verify(it) => it.run(session).await,
            Self::Backup(it) => it.run(session).await,
            Self::Token(it) => it.run(session).await,
        }
    }
}
