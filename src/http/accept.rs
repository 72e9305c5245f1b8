//! Connections: an accept loop of our own, since `axum::serve` waits for ever for a head that never comes (reliability.md
//! 0.5, T31).
//!
//! A head must arrive in time. Where as many connections are open as may be, the oldest that is not being answered makes
//! room, if it had its moment to say something; else the new one waits its turn.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long a head may take, and the handshake before it.
const HEAD: Duration = Duration::from_secs(10);

/// Connections at once, where the system allows as many open files.
const MOST: usize = 4096;

/// Open files that are not connections: the store, feeds, logs.
const OTHER_FILES: usize = 256;

/// How long a connection may say nothing before it makes room for another.
const MOMENT: Duration = Duration::from_secs(1);

/// Between two looks for room.
const LOOK: Duration = Duration::from_millis(10);

/// After a failed accept, usually for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// One open connection.
#[derive(Debug)]
struct Open {
    accepted: Instant,
    /// Whether a request of it is being answered.
    busy: AtomicBool,
    /// Ends it.
    end: CancellationToken,
}

/// All open connections, by the order in which they came.
#[derive(Debug, Default)]
struct Connections {
    open: Mutex<BTreeMap<u64, Arc<Open>>>,
}

impl Connections {
    /// Takes one in; none while there is no room.
    fn enter(&self, number: u64, most: usize) -> Option<Arc<Open>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= most {
            let idle = |it: &Open| !it.busy.load(Ordering::SeqCst) && it.accepted.elapsed() >= MOMENT;
            let idle = open.iter().find(|(_, it)| idle(it)).map(|(number, _)| *number)?;
            if let Some(oldest) = open.remove(&idle) {
                oldest.end.cancel();
            }
        }
        let new =
            Arc::new(Open { accepted: Instant::now(), busy: AtomicBool::new(false), end: CancellationToken::new() });
        open.insert(number, Arc::clone(&new));
        Some(new)
    }

    fn leave(&self, number: u64) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }
}

/// Connections that this process can have open: as many as its limit of open files leaves room for.
fn most() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let files = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    files.map_or(MOST, |files| files.saturating_sub(OTHER_FILES).clamp(64, MOST))
}

/// Serves until `stopping`; requests under way are finished.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    stopping: CancellationToken,
) -> std::io::Result<()> {
    let connections = Arc::<Connections>::default();
    let mut serving = JoinSet::new();
    let most = most();
    let mut number = 0_u64;
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            Some(_) = serving.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, _peer): (TcpStream, SocketAddr) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(kind = %error.kind(), "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        number += 1;
        let open = loop {
            match connections.enter(number, most) {
                Some(open) => break open,
                None if stopping.is_cancelled() => return Ok(()),
                None => tokio::time::sleep(LOOK).await,
            }
        };
        let (connections, router, tls, stopping) =
            (Arc::clone(&connections), router.clone(), tls.clone(), stopping.clone());
        serving.spawn(async move {
            attend(stream, router, tls, &open, &stopping).await;
            connections.leave(number);
        });
    }
    drop(listener);
    while serving.join_next().await.is_some() {}
    Ok(())
}

async fn attend(
    stream: TcpStream,
    router: Router,
    tls: Option<TlsAcceptor>,
    open: &Arc<Open>,
    stopping: &CancellationToken,
) {
    // Small answers are not to wait for more.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(tls) = tls else { return speak(stream, router, open, stopping).await };
    let handshake = tokio::time::timeout(HEAD, tls.accept(stream));
    tokio::select! {
        () = open.end.cancelled() => {}
        () = stopping.cancelled() => {}
        shaken = handshake => if let Ok(Ok(stream)) = shaken {
            speak(stream, router, open, stopping).await;
        }
    }
}

async fn speak<S>(stream: S, router: Router, open: &Arc<Open>, stopping: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let busy = Arc::clone(open);
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (router, open) = (router.clone(), Arc::clone(&busy));
        async move {
            open.busy.store(true, Ordering::SeqCst);
            let answered: Result<Response, std::convert::Infallible> = router.oneshot(request.map(Body::new)).await;
            open.busy.store(false, Ordering::SeqCst);
            answered
        }
    });
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let connection = protocol.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // What went wrong on the wire is the other side's to know.
        _ended = connection.as_mut() => return,
        () = open.end.cancelled() => return,
        () = stopping.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    if connection.await.is_err() {
        tracing::debug!("a connection broke off while it was being ended");
    }
}

/// Reads certificate and key for TLS.
pub(super) fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, String> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let read = |path: &Path| {
        let file = std::fs::File::open(path);
        file.map(BufReader::new).map_err(|error| format!("{} cannot be read ({})", path.display(), error.kind()))
    };
    let certs = CertificateDer::pem_reader_iter(read(cert)?).collect::<Result<Vec<_>, _>>();
    let certs = certs.map_err(|_| format!("{} is not a certificate in PEM", cert.display()))?;
    let key_of = PrivateKeyDer::from_pem_reader(read(key)?);
    let key_of = key_of.map_err(|_| format!("{} is not a private key in PEM", key.display()))?;
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(certs, key_of);
    let mut config = config.map_err(|_| format!("{} and {} do not fit each other", cert.display(), key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
