//! What is at the other end of a message: a mail server and a webhook on loopback that keep what comes, or refuse it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What posts are signed with.
pub(crate) const SECRET: &str = "s3cret";

/// A mail as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) to: Vec<String>,
    /// By name in lower case, unfolded.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

/// A post as it came, its signature found right.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Post {
    pub(crate) key: String,
    pub(crate) body: Value,
}

#[derive(Debug, Default)]
struct Kept {
    mails: Mutex<Vec<Mail>>,
    posts: Mutex<Vec<Post>>,
    refusing: AtomicBool,
}

#[derive(Clone, Debug)]
pub(crate) struct Letterbox {
    smtp: SocketAddr,
    http: SocketAddr,
    kept: Arc<Kept>,
}

impl Letterbox {
    pub(crate) async fn open() -> Self {
        let (smtp, http) = (listen().await, listen().await);
        let kept = Arc::new(Kept::default());
        let it = Self { smtp: smtp.local_addr().unwrap(), http: http.local_addr().unwrap(), kept: Arc::clone(&kept) };
        let of_mail = Arc::clone(&kept);
        tokio::spawn(async move {
            while let Ok((stream, _)) = smtp.accept().await {
                tokio::spawn(mail(stream, Arc::clone(&of_mail)));
            }
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = http.accept().await {
                tokio::spawn(post(stream, Arc::clone(&kept)));
            }
        });
        it
    }

    /// `[notify]` with this mail server, `more` keys of the section, and the target `operations`, who hears of everything.
    pub(crate) fn settings(&self, more: &str) -> String {
        format!("{}{}", self.server(more), Self::email("operations", ""))
    }

    /// The same without any target.
    pub(crate) fn server(&self, more: &str) -> String {
        let port = self.smtp.port();
        format!(
            "[notify]\n{more}\n[notify.smtp]\nhost = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\n\
             from = \"Rosterd <rosterd@vendor.example>\"\n"
        )
    }

    /// A target by mail.
    pub(crate) fn email(id: &str, more: &str) -> String {
        format!("[[notify.target]]\nid = \"{id}\"\nemail = [\"{id}@vendor.example\"]\n{more}\n")
    }

    /// A target by webhook.
    pub(crate) fn webhook(&self, id: &str, more: &str) -> String {
        let http = self.http;
        format!(
            "[[notify.target]]\nid = \"{id}\"\nwebhook_url = \"http://{http}/hook\"\nwebhook_secret = \"{SECRET}\"\n{more}\n"
        )
    }

    /// From now on everything is refused, or taken again.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.kept.refusing.store(refusing, Ordering::SeqCst);
    }

    /// What came since the last call.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        std::mem::take(&mut self.kept.mails.lock().unwrap())
    }

    /// What came since the last call.
    pub(crate) fn posts(&self) -> Vec<Post> {
        std::mem::take(&mut self.kept.posts.lock().unwrap())
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// One SMTP session (RFC 5321), as much of it as a client needs.
async fn mail(stream: TcpStream, kept: Arc<Kept>) {
    let mut stream = BufReader::new(stream);
    let mut to = Vec::new();
    let mut answer = "220 letterbox".to_owned();
    loop {
        if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            return;
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end();
        let refusing = kept.refusing.load(Ordering::SeqCst);
        answer = match line.split([' ', ':']).next().unwrap().to_uppercase().as_str() {
            "EHLO" => "250-letterbox\r\n250 8BITMIME".to_owned(),
            "MAIL" if refusing => "451 4.3.0 not now".to_owned(),
            "RCPT" => {
                to.push(line.split(['<', '>']).nth(1).unwrap().to_owned());
                "250 known".to_owned()
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.unwrap();
                let data = data(&mut stream).await;
                kept.mails.lock().unwrap().push(read(std::mem::take(&mut to), &data));
                "250 taken".to_owned()
            }
            "QUIT" => {
                // a client that is gone needs no farewell
                drop(stream.write_all(b"221 bye\r\n").await);
                return;
            }
            _ => "250 so be it".to_owned(),
        };
    }
}

async fn data(stream: &mut BufReader<TcpStream>) -> String {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).await.unwrap() > 0, "the mail broke off");
        if line == ".\r\n" {
            return text;
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

fn read(to: Vec<String>, data: &str) -> Mail {
    let (head, text) = data.split_once("\r\n\r\n").unwrap();
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: BTreeMap<String, String> = head.lines().filter_map(header).collect();
    let text = match headers["content-transfer-encoding"].as_str() {
        "7bit" => text.to_owned(),
        "quoted-printable" => unquoted(text),
        other => panic!("{other}"),
    };
    Mail { to, headers, text: text.replace("\r\n", "\n") }
}

/// Quoted-printable (RFC 2045) of plain words.
fn unquoted(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut parts = joined.split('=');
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        plain.push(char::from(u8::from_str_radix(code, 16).unwrap()));
        plain.push_str(rest);
    }
    plain
}

async fn post(mut stream: TcpStream, kept: Arc<Kept>) {
    let mut text = String::new();
    let (head, body) = loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        text.push_str(std::str::from_utf8(&part[..read]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|it| it.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if length == Some(body.len()) {
                break (head.to_owned(), body.to_owned());
            }
        }
        assert!(read > 0, "the post broke off");
    };
    let header = |name: &str| {
        let line = head.lines().filter_map(|it| it.split_once(": ")).find(|it| it.0.eq_ignore_ascii_case(name));
        line.unwrap_or_else(|| panic!("no {name}: {head}")).1.to_owned()
    };
    let signed = header("authorization");
    let (seconds, hex) = signed.strip_prefix("Rosterd t=").unwrap().split_once(",v1=").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{seconds}.{body}").as_bytes());
    assert_eq!(hex, hex::encode(mac.finalize().into_bytes()));
    assert_eq!(header("webhook-id"), header("idempotency-key"));
    let status = if kept.refusing.load(Ordering::SeqCst) {
        "403 Forbidden"
    } else {
        let post = Post { key: header("idempotency-key"), body: serde_json::from_str(&body).unwrap() };
        kept.posts.lock().unwrap().push(post);
        "204 No Content"
    };
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
}
