//! A `PostgreSQL` for the tests: the one of `ROSTERD_TEST_POSTGRES`, or a scratch cluster in a temporary folder.
//!
//! The runner may give each test a process of its own, so the cluster is shared: every process holds a shared lock for as
//! long as it lives, and a watcher beside the cluster stops and deletes it once nobody has held the lock for a while.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rosterd::store::{Settings, Store};
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};

/// A database of a test's own, migrated; none if `PostgreSQL` is missing here.
pub(crate) async fn fresh_database() -> Option<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = server()?;
    let template = template(server).await;
    let n = COUNT.fetch_add(1, Ordering::SeqCst);
    let name = format!("rosterd_test_{}_{n}", std::process::id());
    let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
    let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    raw_sql(AssertSqlSafe(drop)).execute(&mut admin).await.unwrap();
    let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
    raw_sql(AssertSqlSafe(create)).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    Some(server.url(&name))
}

/// An empty database without any schema.
pub(crate) async fn bare_database() -> Option<String> {
    let url = fresh_database().await?;
    let mut conn = PgConnection::connect(&url).await.unwrap();
    raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    Some(url)
}

pub(crate) async fn drop_database(url: &str) {
    let server = server().unwrap();
    let name = url::Url::parse(url).unwrap().path().trim_start_matches('/').to_owned();
    let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
    let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    raw_sql(AssertSqlSafe(drop)).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
}

/// The template is named after the migrations, made once by whoever comes first.
async fn template(server: &Server) -> String {
    static MADE: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    MADE.get_or_init(|| async {
        use sha2::{Digest, Sha256};
        let texts: String = rosterd::store::migrations().iter().map(|it| it.3).collect();
        let digest = hex::encode(Sha256::digest(texts));
        let name = format!("rosterd_template_{}", digest.get(..16).unwrap());
        let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
        raw_sql("SELECT pg_advisory_lock(4242)").execute(&mut admin).await.unwrap();
        let found: Option<(String,)> = sqlx::query_as("SELECT datname::text FROM pg_database WHERE datname = $1")
            .bind(&name)
            .fetch_optional(&mut admin)
            .await
            .unwrap();
        if found.is_none() {
            let making = format!("{name}_making");
            for sql in [
                format!("DROP DATABASE IF EXISTS {making} WITH (FORCE)"),
                format!("CREATE DATABASE {making} TEMPLATE template0"),
            ] {
                raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
            }
            Store::migrate(&Settings { url: server.url(&making) }).await.unwrap();
            // each installation has a key of its own
            let mut conn = PgConnection::connect(&server.url(&making)).await.unwrap();
            raw_sql("DELETE FROM meta").execute(&mut conn).await.unwrap();
            conn.close().await.unwrap();
            let rename = format!("ALTER DATABASE {making} RENAME TO {name}");
            raw_sql(AssertSqlSafe(rename)).execute(&mut admin).await.unwrap();
        }
        admin.close().await.unwrap();
        name
    })
    .await
    .clone()
}

struct Server {
    /// Of the database `postgres`.
    url: url::Url,
    /// Keeps the cluster alive.
    _alive: Option<File>,
}

impl Server {
    fn url(&self, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.to_string()
    }
}

fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER
        .get_or_init(|| match std::env::var("ROSTERD_TEST_POSTGRES") {
            Ok(url) => Some(Server { url: url.parse().unwrap(), _alive: None }),
            Err(_) => match scratch() {
                Ok(server) => Some(server),
                Err(missing) => {
                    assert!(std::env::var_os("CI").is_none(), "PostgreSQL is missing: {missing}");
                    eprintln!("SKIPPED: the PostgreSQL half of this test: {missing}");
                    None
                }
            },
        })
        .as_ref()
}

fn program(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|it| it.path().join("bin")));
    }
    let found = folders.into_iter().map(|it| it.join(name)).find(|it| it.is_file());
    found.ok_or_else(|| format!("no program `{name}`"))
}

/// `initdb` refuses to run as root: then it runs as `postgres`.
fn command(program: &Path) -> Command {
    let me = Command::new("id").arg("-u").output().unwrap();
    let mut command = if me.stdout == b"0\n" {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    command
}

fn done(mut command: Command, what: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what} failed: {status}")),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

/// Joins the cluster that runs, or starts one.
fn scratch() -> Result<Server, String> {
    let (initdb, pg_ctl) = (program("initdb")?, program("pg_ctl")?);
    let flock = program("flock")?;
    let here = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = here.join("postgres.lock");
    let address = here.join("postgres.folder");

    // Exclusive while starting, shared while in use: the watcher cannot come between, it tries before it stops.
    let starting = File::create(here.join("postgres.starting")).unwrap();
    starting.lock().unwrap();
    let alive = File::create(&lock).unwrap();
    alive.lock_shared().unwrap();
    if let Ok(folder) = std::fs::read_to_string(&address)
        && UnixStream::connect(Path::new(&folder).join(".s.PGSQL.5432")).is_ok()
    {
        return Ok(Server { url: socket(Path::new(&folder)), _alive: Some(alive) });
    }

    let mut make = command(Path::new("mktemp"));
    make.args(["-d", "/tmp/rosterd-postgres-XXXXXX"]).stdout(Stdio::piped());
    let made = make.output().map_err(|error| format!("mktemp: {error}"))?;
    let folder = PathBuf::from(String::from_utf8(made.stdout).unwrap().trim());
    let cluster = folder.join("cluster");
    let mut init = command(&initdb);
    init.args(["--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "-D"]).arg(&cluster);
    done(init, "initdb")?;
    let options = format!(
        "-k {} -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=200",
        folder.display()
    );
    let mut start = command(&pg_ctl);
    start.args(["-w", "-s", "-o", &options, "-D"]).arg(&cluster).arg("-l").arg(folder.join("log"));
    start.arg("start");
    done(start, "pg_ctl start")?;
    std::fs::write(&address, folder.to_str().unwrap()).unwrap();

    let stop = format!(
        "while sleep 10; do {flock} -n -x {lock} sh -c 'rm -f {address}; {pg_ctl} -D {cluster} -m immediate -s stop' \
         && break; done; rm -rf {folder}",
        flock = flock.display(),
        lock = lock.display(),
        address = address.display(),
        pg_ctl = as_owner(&pg_ctl),
        cluster = cluster.display(),
        folder = folder.display(),
    );
    let mut watcher = Command::new("setsid");
    watcher.args(["sh", "-c", &stop]).stdin(Stdio::null()).stdout(Stdio::null());
    watcher.stderr(Stdio::null()).spawn().map_err(|error| format!("setsid: {error}"))?;
    Ok(Server { url: socket(&folder), _alive: Some(alive) })
}

fn as_owner(program: &Path) -> String {
    let command = command(program);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|it| it.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn socket(folder: &Path) -> url::Url {
    let mut url: url::Url = "postgres://postgres@localhost/postgres".parse().unwrap();
    url.query_pairs_mut().append_pair("host", folder.to_str().unwrap());
    url
}
