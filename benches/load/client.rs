//! Asking one server at a steady rate, whatever it answers: a late answer delays no other question, and counts from when its
//! question was due.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Connections that ask at once.
const LANES: u32 = 32;

/// One connection that is kept open.
pub(crate) struct Client {
    address: String,
    token: String,
    stream: BufReader<TcpStream>,
}

/// The status and the body of an answer.
pub(crate) type Answer = (u16, Vec<u8>);

impl Client {
    pub(crate) fn new(address: &str, token: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { address: address.to_owned(), token: token.to_owned(), stream: BufReader::new(stream) }
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, body)
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: rosterd\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        if let Some(answer) = self.sent(&request) {
            return answer;
        }
        // A connection may be closed between two questions.
        *self = Self::new(&self.address, &self.token);
        self.sent(&request).unwrap()
    }

    fn sent(&mut self, request: &str) -> Option<Answer> {
        self.stream.get_mut().write_all(request.as_bytes()).ok()?;
        let mut line = String::new();
        self.stream.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some((status, body))
    }
}

/// An answer that is kept to be checked.
pub(crate) struct Kept {
    /// Which question it was.
    pub(crate) number: usize,
    /// When it was asked.
    pub(crate) asked: Instant,
    pub(crate) body: Vec<u8>,
}

/// How a server answered.
#[derive(Default)]
pub(crate) struct Answers {
    took: Vec<Duration>,
    /// Those that were not 200.
    pub(crate) failed: usize,
    pub(crate) kept: Vec<Kept>,
}

impl Answers {
    pub(crate) fn count(&self) -> usize {
        self.took.len()
    }

    /// The time within which so many in a thousand were answered.
    pub(crate) fn within(&self, per_mille: usize) -> Duration {
        self.took.get((self.took.len() * per_mille / 1000).min(self.took.len() - 1)).copied().unwrap()
    }
}

/// Asks question after question, `rate` a second, until it is told to stop. Every thousandth answer is kept.
pub(crate) fn ask(
    (address, token): (&str, &str),
    rate: u32,
    question: impl Fn(usize) -> String + Sync,
    stop: &AtomicBool,
) -> Answers {
    let begun = Instant::now();
    let lane = |lane: u32| {
        let mut client = Client::new(address, token);
        let mut answers = Answers::default();
        for turn in 0_u32.. {
            let place = turn * LANES + lane;
            let due = begun + Duration::from_secs(1) * place / rate;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let (number, asked) = (usize::try_from(place).unwrap(), Instant::now());
            let (status, body) = client.get(&question(number));
            answers.took.push(due.elapsed());
            answers.failed += usize::from(status != 200);
            if number.is_multiple_of(1000) {
                answers.kept.push(Kept { number, asked, body });
            }
        }
        answers
    };
    let mut all = Answers::default();
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|number| scope.spawn(move || lane(number))).collect();
        for it in lanes {
            let Answers { took, failed, kept } = it.join().unwrap();
            all.took.extend(took);
            all.failed += failed;
            all.kept.extend(kept);
        }
    });
    all.took.sort_unstable();
    all
}
