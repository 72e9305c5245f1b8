//! Where the daemon stands: its address, its certificate, the folders it writes to, and who else may read its files.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::config::Settings;
use crate::secret::Secret;

use super::{Findings, State};

/// A daemon on this machine answers sooner.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn examine(settings: &Settings, findings: &mut Findings) {
    address(settings, findings).await;
    if let Some(tls) = &settings.http.tls {
        let read = settings.http.tls().map(drop);
        findings.result("certificate", &tls.cert.display().to_string(), read);
    }
    if let Some(folder) = &settings.reports.folder {
        let made = "the compliance reports cannot be written here";
        findings.result("reports", &folder.display().to_string(), writable(folder, made));
    }
    if let Some(folder) = &settings.access.snapshot_folder {
        // The daemon makes it where it is not there.
        drop(std::fs::create_dir_all(folder));
        let written = writable(folder, "access snapshots cannot be written here");
        findings.result("snapshots", &folder.display().to_string(), written);
    }
    let store = settings.store.url.strip_prefix("sqlite:").map(Path::new);
    if let Some(path) = store.filter(|path| others_may_read(path)) {
        let message = "everyone on this machine may read people's records: `chmod 600` it and the files beside it, or `chmod 700` \
                       its folder; and UMask=0077 for the service";
        findings.note("store", &path.display().to_string(), State::Warning, message);
    }
}

/// A secret's file is for the service alone.
pub(super) fn secret(subject: &str, secret: &Secret, findings: &mut Findings) {
    if let Some(path) = secret.file().filter(|path| others_may_read(path)) {
        let message = format!("everyone on this machine may read {}: `chmod 600` it", path.display());
        findings.note("secret", subject, State::Warning, message);
    }
}

/// Whether the address can be had. One that this installation's own daemon has is as it should be.
async fn address(settings: &Settings, findings: &mut Findings) {
    let http = &settings.http;
    let (wanted, subject) = (http.listen, http.listen.to_string());
    let refused = match TcpListener::bind(wanted).await {
        Ok(_) if !wanted.ip().is_loopback() && http.tls.is_none() => {
            let message = "other machines can reach it and it speaks plain HTTP, tokens included: set `http.tls`, or see to it that \
                           only a proxy with TLS gets there";
            return findings.note("address", &subject, State::Warning, message);
        }
        Ok(_) => return findings.ok("address", &subject),
        Err(error) => error,
    };
    let remedy = match refused.kind() {
        ErrorKind::AddrInUse if http.tls.is_some() => {
            let message = "something listens here, which is well if it is this daemon";
            return findings.note("address", &subject, State::Ok, message);
        }
        ErrorKind::AddrInUse if is_alive(&subject).await => return findings.ok("address", &subject),
        ErrorKind::AddrInUse => {
            "another program has it: stop that one (`ss -ltnp` names it), or set `http.listen` to a free port"
        }
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address: set `http.listen` to one that it has, or 127.0.0.1"
        }
        ErrorKind::PermissionDenied => {
            "ports below 1024 are not for everyone: set `http.listen` to a higher one and let a proxy have 443"
        }
        _ => "set `http.listen` to another address",
    };
    findings.note("address", &subject, State::Failing, format!("cannot listen here ({}): {remedy}", refused.kind()));
}

/// Whether a `rosterd` answers there.
async fn is_alive(address: &str) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, ask).await;
    matches!(answer, Ok(Ok(answer)) if answer.contains(r#"{"status":"alive"}"#))
}

/// Writes an empty file there and takes it away again.
fn writable(folder: &Path, otherwise: &str) -> Result<(), String> {
    let probe = folder.join(format!(".rosterd-probe-{}", std::process::id()));
    let written = std::fs::write(&probe, []).and_then(|()| std::fs::remove_file(&probe));
    written.map_err(|error| format!("{otherwise} ({}): make the folder, or let this user write there", error.kind()))
}

/// Whether users of this machine that are neither its owner nor in its group may read a file.
fn others_may_read(path: &Path) -> bool {
    let mode = |path: &Path| std::fs::metadata(path).map_or(0, |it| it.permissions().mode());
    let folder = std::path::absolute(path).ok().and_then(|it| it.parent().map(mode));
    mode(path) & 0o004 != 0 && folder.is_none_or(|it| it & 0o001 != 0)
}
