//! A line to PostgreSQL that breaks when a COMMIT goes by: before the server gets it, or before its answer comes back.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// Where the line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The server never hears of the COMMIT.
    Before,
    /// The server commits; nobody is told.
    After,
}

#[derive(Debug, Default)]
struct Plan {
    cut: Option<(u64, Cut)>,
    commits: u64,
    done: bool,
    /// Nothing goes by any more, and nobody hangs up.
    stuck: bool,
}

/// The line; it breaks at most once each time it is told to.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    plan: Arc<Mutex<Plan>>,
    /// The database, by way of this line.
    pub(crate) url: String,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn server(url: &url::Url) -> std::io::Result<Box<dyn Stream>> {
    let folder = url.query_pairs().find(|(key, _)| key == "host").map(|(_, folder)| folder.into_owned());
    if let Some(folder) = folder {
        return Ok(Box::new(UnixStream::connect(format!("{folder}/.s.PGSQL.5432")).await?));
    }
    let host = url.host_str().unwrap_or("localhost");
    Ok(Box::new(TcpStream::connect((host, url.port().unwrap_or(5432))).await?))
}

/// The next whole message: its type, none at the start of a connection, its length and its body (PostgreSQL, 54.2).
async fn message(from: &mut (impl AsyncRead + Unpin), typed: bool) -> std::io::Result<Vec<u8>> {
    let head = if typed { 5 } else { 4 };
    let mut all = vec![0; head];
    from.read_exact(&mut all).await?;
    let length = u32::from_be_bytes(all[head - 4..].try_into().unwrap());
    let mut rest = vec![0; usize::try_from(length).unwrap() - 4];
    from.read_exact(&mut rest).await?;
    all.extend(rest);
    Ok(all)
}

impl Wire {
    /// A line to the database of `url`. Without TLS, or it could not be read along.
    pub(crate) async fn to(url: &str) -> Self {
        let to: url::Url = url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut by = to.clone();
        by.set_query(Some("sslmode=disable"));
        by.set_host(Some("127.0.0.1")).unwrap();
        by.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let wire = Self { plan: Arc::default(), url: by.to_string() };
        let line = wire.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (line, to) = (line.clone(), to.clone());
                // an end of either side ends both
                tokio::spawn(async move { line.carry(client, &to).await.is_ok() });
            }
        });
        wire
    }

    /// The line breaks at the `nth` COMMIT from now on.
    pub(crate) fn break_at(&self, nth: u64, cut: Cut) {
        *self.plan.lock().unwrap() = Plan { cut: Some((nth, cut)), ..Plan::default() };
    }

    /// From now on no question reaches the server, as where a machine is gone.
    pub(crate) fn get_stuck(&self) {
        self.plan.lock().unwrap().stuck = true;
    }

    /// Whether it broke; from now on it does not.
    pub(crate) fn mended(&self) -> bool {
        std::mem::take(&mut *self.plan.lock().unwrap()).done
    }

    fn hears_commit(&self) -> Option<Cut> {
        let mut plan = self.plan.lock().unwrap();
        plan.commits += 1;
        let (nth, cut) = plan.cut?;
        if plan.commits != nth {
            return None;
        }
        plan.done = true;
        Some(cut)
    }

    async fn carry(&self, client: TcpStream, to: &url::Url) -> std::io::Result<()> {
        // messages go on one by one
        client.set_nodelay(true)?;
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = tokio::io::split(server(to).await?);
        let startup = message(&mut from_client, false).await?;
        to_server.write_all(&startup).await?;
        let silent = Arc::new(Mutex::new(false));
        let told = Arc::clone(&silent);
        let answers = async move {
            loop {
                let answer = message(&mut from_server, true).await?;
                if *told.lock().unwrap() {
                    if answer.starts_with(b"C") {
                        // CommandComplete: the server has committed
                        return std::io::Result::Ok(());
                    }
                    continue;
                }
                to_client.write_all(&answer).await?;
            }
        };
        let questions = async move {
            loop {
                let question = message(&mut from_client, true).await?;
                let stuck = self.plan.lock().unwrap().stuck;
                if stuck {
                    std::future::pending::<()>().await;
                }
                if question.starts_with(b"Q") && question.ends_with(b"COMMIT\0") {
                    match self.hears_commit() {
                        Some(Cut::Before) => return std::io::Result::Ok(()),
                        Some(Cut::After) => *silent.lock().unwrap() = true,
                        None => {}
                    }
                }
                to_server.write_all(&question).await?;
            }
        };
        tokio::select! {
            ended = answers => ended,
            ended = questions => ended,
        }
    }
}
