//! Mail, and the only user of `lettre`.

use std::path::PathBuf;
use std::time::Duration;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::feed::http::install_crypto;
use crate::model::Message;
use crate::secret::{Environment, Secret};

use super::NotTaken;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(20);

/// What leads to a server that does not answer, or not as one does.
pub(super) const WHERE: &str = "`notify.smtp.host`, `port` and `security`";

/// How the connection is kept private.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Plain at first, then TLS, or nothing is sent. Port 587.
    #[default]
    Starttls,
    /// TLS from the start. Port 465.
    Tls,
    /// None: for a relay on this machine. Port 25.
    None,
}

/// `[notify.smtp]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Smtp {
    /// The mail server's name.
    pub host: String,
    /// Its port; by default that of `security`.
    pub port: Option<u16>,
    /// How the connection is kept private.
    pub security: Security,
    /// The account, where it asks for one.
    pub user: Option<String>,
    /// The account's password.
    pub password: Option<Secret>,
    /// Whom messages are from.
    pub from: String,
    /// More certificate authorities, PEM.
    pub ca_file: Option<PathBuf>,
    /// `security = "none"` beyond loopback.
    pub allow_insecure: bool,
}

/// Reads an address.
pub(super) fn address(text: &str) -> Result<Mailbox, ()> {
    text.parse().map_err(|_| ())
}

/// Tells mail programs not to answer that someone is on leave (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

/// The message's id for programs that read mail.
#[derive(Clone)]
struct IdempotencyKey(String);

type Unreadable = Box<dyn std::error::Error + Send + Sync>;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Unreadable> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Header for IdempotencyKey {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Idempotency-Key")
    }

    fn parse(text: &str) -> Result<Self, Unreadable> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

impl Smtp {
    /// Checks what can be checked alone; the message names the key.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.host.is_empty() {
            return Err("`notify.smtp.host` is missing: name the mail server".to_owned());
        }
        address(&self.from).map_err(|()| {
            "`notify.smtp.from` is no address: write rosterd@example.com, or \"Rosterd <rosterd@example.com>\""
                .to_owned()
        })?;
        if self.user.is_some() != self.password.is_some() {
            return Err("`notify.smtp.user` and `notify.smtp.password` go together".to_owned());
        }
        let local = self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if self.security == Security::None && !local && !self.allow_insecure {
            return Err(
                "`notify.smtp.security` is \"none\": anyone on the way reads the messages; use \"starttls\" or \
                        \"tls\", or `allow_insecure = true` where you must"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn transport(&self, environment: Environment) -> Result<AsyncSmtpTransport<Tokio1Executor>, NotTaken> {
        install_crypto();
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host).timeout(Some(CONNECT));
        let (port, tls) = match self.security {
            Security::Starttls => (587, Tls::Required(self.tls()?)),
            Security::Tls => (465, Tls::Wrapper(self.tls()?)),
            Security::None => (25, Tls::None),
        };
        let mut builder = builder.port(self.port.unwrap_or(port)).tls(tls);
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            let password = password.reveal(environment);
            let password = password.map_err(|error| NotTaken(format!("`notify.smtp.password`: {error}")))?;
            builder = builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        Ok(builder.build())
    }

    fn tls(&self) -> Result<TlsParameters, NotTaken> {
        let mut builder = TlsParameters::builder(self.host.clone());
        if let Some(path) = &self.ca_file {
            let wrong = |problem: &str| NotTaken(format!("`notify.smtp.ca_file`: {} {problem}", path.display()));
            let pem = std::fs::read(path).map_err(|_| wrong("cannot be read"))?;
            if CertificateDer::pem_slice_iter(&pem).next().is_none() {
                return Err(wrong("holds no certificate: it takes those of authorities, in PEM"));
            }
            let authority = Certificate::from_pem(&pem).map_err(|_| wrong("is not a PEM file of certificates"))?;
            builder = builder.add_root_certificate(authority);
        }
        builder.build().map_err(|_| {
            NotTaken(
                "no TLS client can be made of this machine's certificates: install them, or mend `notify.smtp.ca_file`"
                    .to_owned(),
            )
        })
    }

    /// One mail to all of `to`. `Message-ID` follows from the message, so that one sent twice is one.
    pub(super) async fn send(
        &self,
        to: &[String],
        message: &Message,
        environment: Environment,
    ) -> Result<(), NotTaken> {
        let unreadable = |()| NotTaken("an address of [notify] cannot be read: see `rosterd doctor`".to_owned());
        let from = address(&self.from).map_err(unreadable)?;
        let id = format!("<{}@{}>", message.id, from.email.domain());
        let mut builder: MessageBuilder = lettre::Message::builder().from(from).message_id(Some(id));
        for it in to {
            builder = builder.to(address(it).map_err(unreadable)?);
        }
        let mail = builder
            .subject(message.subject.clone())
            .header(AutoSubmitted)
            .header(IdempotencyKey(message.id.clone()))
            .header(ContentType::TEXT_PLAIN)
            .body(message.text.clone())
            .map_err(|_| NotTaken("the mail cannot be made; this is a fault of rosterd".to_owned()))?;
        self.transport(environment)?.send(mail).await.map(|_| ()).map_err(|error| self.told(&error))
    }

    /// Whether the server answers and takes our account; sends nothing.
    pub async fn probe(&self, environment: Environment) -> Result<(), NotTaken> {
        let transport = self.transport(environment)?;
        let late = |_| NotTaken(format!("`{}` did not answer in time: check {WHERE}", self.host));
        match tokio::time::timeout(CONNECT, transport.test_connection()).await.map_err(late)? {
            Ok(true) => Ok(()),
            Ok(false) => Err(NotTaken(format!("`{}` does not answer as a mail server does", self.host))),
            Err(error) => Err(self.told(&error)),
        }
    }

    /// In our words: what a server says may hold addresses.
    fn told(&self, error: &Error) -> NotTaken {
        let host = &self.host;
        NotTaken(if let Some(code) = error.status() {
            let check = match u16::from(code) {
                // Before an account is known, or TLS is spoken.
                530 => "check `notify.smtp.security`, `user` and `password`",
                454 | 534 | 535 | 538 => "check `notify.smtp.user` and `password`",
                _ => "check `from`, the addresses and the account in [notify]",
            };
            format!("the mail server `{host}` answered {code}: {check}")
        } else if error.is_tls() || is_of_tls(error) {
            format!(
                "no private connection to the mail server `{host}`: check `notify.smtp.security`, its certificate and \
                 `notify.smtp.ca_file`"
            )
        } else if error.is_client() {
            format!(
                "the mail server `{host}` does not offer what is asked of it, STARTTLS or a way to log in, and nothing was sent: \
                 check `notify.smtp.security`, `port` and `user`"
            )
        } else if error.is_timeout() {
            format!("the mail server `{host}` did not answer in time: check {WHERE}")
        } else if error.is_response() || broke_off(error) {
            format!(
                "the mail server `{host}` broke off, or does not answer as one does: if that goes on, check {WHERE}"
            )
        } else {
            format!("the mail server `{host}` cannot be reached: check {WHERE}")
        })
    }
}

/// What the line itself says went wrong.
fn of_the_line(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |it| it.source())
}

/// Whether TLS is what failed; the library calls it a connection that failed.
fn is_of_tls(error: &Error) -> bool {
    of_the_line(error).any(|it| {
        let io = it.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        it.is::<rustls::Error>() || io.and_then(|it| it.downcast_ref::<rustls::Error>()).is_some()
    })
}

/// Whether it was a connection that ended before its time.
fn broke_off(error: &Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let io = of_the_line(error).find_map(|it| it.downcast_ref::<std::io::Error>());
    io.is_some_and(|it| matches!(it.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof))
}
