//! A mail server that keeps its doors: TLS by a certificate of an authority of its own, and an account before anything is taken.

use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// The account that it knows.
pub(crate) const USER: &str = "rosterd@vendor.example";
/// And its password.
pub(crate) const PASSWORD: &str = "pa55word-of-the-mailroom";

/// How it can be talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// In the clear until STARTTLS.
    Starttls,
    /// TLS from the start.
    Tls,
    /// In the clear alone, as somebody on the way would have it.
    Clear,
}

#[derive(Debug, Default)]
struct Kept {
    clear: Vec<String>,
    private: Vec<String>,
    taken: Vec<String>,
    /// LOGIN is the one way to log in.
    old: bool,
    /// It is gone once a message is taken, and says no more.
    dying: bool,
}

#[derive(Clone)]
pub(crate) struct Mailroom {
    port: u16,
    door: Door,
    /// The authority's certificate.
    pem: String,
    kept: Arc<Mutex<Kept>>,
}

impl Mailroom {
    pub(crate) async fn open(door: Door) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of the tests");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, kept) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Kept>>::default());
        let it = Self { port, door, pem: authority.pem(), kept };
        let this = it.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(this.clone().answer(stream, acceptor.clone()));
            }
        });
        it
    }

    /// `[notify]` with this server, as `security` and `password` have it, and the target `operations`.
    pub(crate) fn settings(&self, security: &str, password: &str, ca_file: Option<&Path>) -> String {
        let authority = ca_file.map(|it| format!("ca_file = \"{}\"\n", it.display())).unwrap_or_default();
        format!(
            "[notify]\n[notify.smtp]\nhost = \"127.0.0.1\"\nport = {}\nsecurity = \"{security}\"\nuser = \"{USER}\"\n\
             password = \"{password}\"\nfrom = \"Rosterd <rosterd@vendor.example>\"\n{authority}\
             [[notify.target]]\nid = \"operations\"\nemail = [\"operations@vendor.example\"]\n",
            self.port
        )
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// From now on it knows LOGIN alone.
    pub(crate) fn knows_login_alone(&self) {
        self.kept.lock().unwrap().old = true;
    }

    /// From now on it dies of each message once it has it, or does so no more.
    pub(crate) fn dies(&self, dying: bool) {
        self.kept.lock().unwrap().dying = dying;
    }

    /// What was said before the line was private, by its first words.
    pub(crate) fn in_the_clear(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        kept.clear.iter().map(|it| it.split(' ').next().unwrap().to_owned()).collect()
    }

    /// The same of what only the server heard.
    pub(crate) fn in_private(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        kept.private.iter().map(|it| it.split([' ', ':']).next().unwrap().to_owned()).collect()
    }

    /// The messages that were taken.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.kept.lock().unwrap().taken.clone()
    }

    async fn answer(self, mut stream: TcpStream, acceptor: TlsAcceptor) {
        let greeting = "220 mailroom\r\n";
        if self.door != Door::Tls {
            stream.write_all(greeting.as_bytes()).await.unwrap();
            if !self.talk(&mut stream, false).await {
                return;
            }
        }
        // Who does not trust the certificate hangs up.
        let Ok(mut private) = acceptor.accept(stream).await else { return };
        if self.door == Door::Tls {
            private.write_all(greeting.as_bytes()).await.unwrap();
        }
        self.talk(&mut private, true).await;
    }

    /// One session, or what comes before STARTTLS of one: then true.
    async fn talk(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), private: bool) -> bool {
        let mut stream = BufReader::new(stream);
        let (mut known, mut data): (bool, Option<String>) = (false, None);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return false;
            }
            let line = line.trim_end().to_owned();
            if let Some(text) = &mut data {
                if line != "." {
                    text.push_str(&line);
                    text.push('\n');
                    continue;
                }
                let dying = {
                    let mut kept = self.kept.lock().unwrap();
                    kept.taken.push(data.take().unwrap());
                    kept.dying
                };
                if dying {
                    return false;
                }
                stream.write_all(b"250 taken\r\n").await.unwrap();
                continue;
            }
            let old = {
                let mut kept = self.kept.lock().unwrap();
                let into = if private { &mut kept.private } else { &mut kept.clear };
                into.push(line.clone());
                kept.old
            };
            let (verb, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
            let answer = match verb.to_uppercase().as_str() {
                "EHLO" if !private && self.door == Door::Starttls => "250-mailroom\r\n250 STARTTLS",
                "EHLO" if old => "250-mailroom\r\n250 AUTH LOGIN",
                "EHLO" => "250-mailroom\r\n250 AUTH PLAIN LOGIN",
                "STARTTLS" if self.door == Door::Starttls => {
                    stream.write_all(b"220 go on\r\n").await.unwrap();
                    return true;
                }
                "AUTH" => {
                    known = if old {
                        assert_eq!(rest, "LOGIN");
                        (asked(&mut stream, "Username:").await, asked(&mut stream, "Password:").await)
                            == (USER.to_owned(), PASSWORD.to_owned())
                    } else {
                        let given = rest.strip_prefix("PLAIN ").and_then(|it| STANDARD.decode(it).ok());
                        given.as_deref() == Some(format!("\0{USER}\0{PASSWORD}").as_bytes())
                    };
                    if known { "235 welcome" } else { "535 5.7.8 who is that" }
                }
                "MAIL" if !known => "530 5.7.0 say who you are",
                "DATA" => {
                    data = Some(String::new());
                    "354 go on"
                }
                "QUIT" => {
                    // a client that is gone needs no farewell
                    drop(stream.write_all(b"221 bye\r\n").await);
                    return false;
                }
                _ => "250 so be it",
            };
            if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                return false;
            }
        }
    }
}

/// One question of LOGIN, and what is said to it.
async fn asked(stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>, what: &str) -> String {
    stream.write_all(format!("334 {}\r\n", STANDARD.encode(what)).as_bytes()).await.unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    String::from_utf8(STANDARD.decode(line.trim_end()).unwrap()).unwrap()
}
