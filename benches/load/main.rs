//! How the daemon answers while a district syncs: `cargo bench --bench load` (`-- 100000` for another number of students,
//! `--logins N` and `--reads N` a second, `--seconds N` for the quiet rounds).
//!
//! Logins ask `GET /v1/access`; every thousandth answer is compared with the seats before and after the sync, and one that was
//! asked a second after its end with those after. The reads are a mix of what operators' programs ask, and each of them and each
//! page for people is asked alone, too. Client, source and daemon share this machine.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking and prints its table"
)]

mod client;
#[path = "../night/cost.rs"]
#[expect(dead_code, reason = "`benches/night` uses the rest")]
mod cost;
#[path = "../night/district.rs"]
#[expect(dead_code, reason = "`benches/night` uses the rest")]
mod district;
#[path = "../night/installation.rs"]
#[expect(dead_code, reason = "`benches/night` uses the rest")]
mod installation;
#[path = "../night/server.rs"]
#[expect(dead_code, reason = "`benches/night` uses the rest")]
mod server;

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use client::{Answers, Client, Kept, ask};
use district::District;
use installation::Installation;
use server::Pages;

const PRODUCTS: [&str; 3] = ["math", "reading", "science"];

struct Asked {
    students: usize,
    logins: u32,
    reads: u32,
    quiet: Duration,
}

fn asked() -> Asked {
    let mut it = Asked { students: 100_000, logins: 3000, reads: 500, quiet: Duration::from_secs(10) };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{word} NUMBER"));
        match word.as_str() {
            "--logins" => it.logins = number(),
            "--reads" => it.reads = number(),
            "--seconds" => it.quiet = Duration::from_secs(u64::from(number())),
            "--bench" => {}
            _ => it.students = word.parse().unwrap_or_else(|_| panic!("`{word}` is no number of students")),
        }
    }
    it
}

struct Daemon {
    child: Child,
    address: String,
    token: String,
    district: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What a sync took.
struct Synced {
    wall: Duration,
    cpu: f64,
    ended: Instant,
}

impl Daemon {
    fn start(it: &Installation, address: &str, students: usize) -> Self {
        let mut command = it.rosterd();
        command.args(["--config", "rosterd.toml", "token", "create", "--name", "load", "--scope", "admin"]);
        let out = command.stdout(Stdio::piped()).output().unwrap();
        let token = String::from_utf8(out.stdout).unwrap().trim().to_owned();
        let mut command = it.rosterd();
        command.args(["--config", "rosterd.toml", "--now", "2026-10-20T15:00:00Z", "run"]);
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        let district = format!("bench-{students}");
        while std::net::TcpStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, address: address.to_owned(), token, district }
    }

    fn client(&self) -> Client {
        Client::new(&self.address, &self.token)
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.client().get(path);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// Seats of the three products, as product and user.
    fn seats(&self) -> BTreeSet<(usize, String)> {
        let mut all = BTreeSet::new();
        for (place, product) in PRODUCTS.iter().enumerate() {
            let list = self.json(&format!("/v1/districts/{}/products/{product}/seats", self.district));
            let holders = list["holders"].as_array().unwrap().iter();
            all.extend(holders.map(|it| (place, it["user"].as_str().unwrap().to_owned())));
        }
        all
    }

    /// One sync from its request to its end.
    fn sync(&self) -> Synced {
        let (begun, cpu) = (Instant::now(), cost::of_process(self.child.id()));
        let mut client = self.client();
        let (status, body) = client.post("/v1/syncs", &json!({ "district": self.district }).to_string());
        assert_eq!(status, 202, "{}", String::from_utf8_lossy(&body));
        let run: Value = serde_json::from_slice(&body).unwrap();
        let path = format!("/v1/runs/{}", run["run"].as_str().unwrap());
        loop {
            std::thread::sleep(Duration::from_millis(50));
            let (_, body) = client.get(&path);
            let run: Value = serde_json::from_slice(&body).unwrap();
            match run["status"].as_str().unwrap() {
                "queued" | "fetching" | "planning" | "applying" => {}
                "applied" => break,
                other => panic!("the sync came to `{other}`: {run}"),
            }
        }
        Synced { wall: begun.elapsed(), cpu: cost::of_process(self.child.id()) - cpu, ended: Instant::now() }
    }

    /// Asks while `meanwhile` happens.
    fn under<T>(
        &self,
        rate: u32,
        question: impl Fn(usize) -> String + Sync,
        meanwhile: impl FnOnce() -> T,
    ) -> (Answers, T) {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| ask((&self.address, &self.token), rate, &question, &stop));
            let done = meanwhile();
            stop.store(true, Ordering::Relaxed);
            (asking.join().unwrap(), done)
        })
    }
}

/// Whether an answer is neither what was right before nor what is right since.
fn is_wrong(kept: &Kept, right: [bool; 2], ended: Option<Instant>) -> bool {
    let answer: Value = serde_json::from_slice(&kept.body).unwrap();
    let has = answer["access"] == "yes";
    match ended {
        Some(ended) if kept.asked > ended + Duration::from_secs(1) => has != right[1],
        _ => !right.contains(&has),
    }
}

fn line(what: &str, rate: u32, it: &Answers, wrong: Option<usize>) {
    let ms = |it: Duration| it.as_secs_f64() * 1000.0;
    let wrong = wrong.map_or_else(|| "-".to_owned(), |wrong| format!("{wrong} of {}", it.kept.len()));
    println!(
        "| {what} | {rate} | {} | {:.1} | {:.1} | {:.1} | {} | {wrong} |",
        it.count(),
        ms(it.within(500)),
        ms(it.within(990)),
        ms(it.within(1000)),
        it.failed,
    );
}

fn main() {
    let asked = asked();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let more = format!("[http]\nlisten = \"{address}\"\n\n[schedule]\nnightly = \"0 3 1 1 *\"\nspread_minutes = 0\n");
    let mut it = Installation::new(asked.students, 1, Duration::ZERO, None, &more);
    let show = |it: &Installation, night| {
        it.server.show(Arc::new(Pages::of(&District::new(asked.students, night))));
    };
    show(&it, 0);
    it.sync("applied");
    let daemon = Daemon::start(&it, &address, asked.students);
    let before = daemon.seats();
    let users: Vec<&String> = before.iter().map(|(_, user)| user).collect::<BTreeSet<_>>().into_iter().collect();
    // Spread over all of them, each product in turn.
    let of = |number: usize| (number % PRODUCTS.len(), users[number.wrapping_mul(7919) % users.len()]);
    let login = |number: usize| {
        let (product, user) = of(number);
        format!("/v1/access?district={}&user={user}&product={}", daemon.district, PRODUCTS[product])
    };
    let district = &daemon.district;
    let paths = [
        "/v1/districts".to_owned(),
        format!("/v1/districts/{district}"),
        format!("/v1/districts/{district}/licenses"),
        format!("/v1/districts/{district}/licenses?by_school=true"),
        format!("/v1/districts/{district}/alerts"),
        format!("/v1/runs?district={district}&limit=20"),
        format!("/v1/audit?district={district}&limit=50"),
        format!("/v1/audit?district={district}&user={}&limit=50", users[0]),
        format!("/v1/access?district={district}&user={}", users[0]),
        "/v1/catalog".to_owned(),
    ];
    let read = |number: usize| paths[number % paths.len()].clone();
    daemon.client().get(&login(0));
    show(&it, 1);
    let alone = daemon.sync();
    println!("**{} students**; client, source and daemon on one machine\n", asked.students);
    println!("| what | a second | answers | half within, ms | 99 % within, ms | longest, ms | not 200 | wrong |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let right = |seats: [&BTreeSet<(usize, String)>; 2], number| {
        let (product, user) = of(number);
        seats.map(|it| it.contains(&(product, user.clone())))
    };
    let now = daemon.seats();
    let (answers, ()) = daemon.under(asked.logins, login, || std::thread::sleep(asked.quiet));
    let wrong = answers.kept.iter().filter(|it| is_wrong(it, right([&now, &now], it.number), None)).count();
    line("logins, nothing else to do", asked.logins, &answers, Some(wrong));
    show(&it, 2);
    let (answers, under_logins) = daemon.under(asked.logins, login, || {
        let sync = daemon.sync();
        std::thread::sleep(Duration::from_secs(5));
        sync
    });
    let after = daemon.seats();
    let ended = Some(under_logins.ended);
    let wrong = answers.kept.iter().filter(|it| is_wrong(it, right([&now, &after], it.number), ended)).count();
    line("logins while the district syncs", asked.logins, &answers, Some(wrong));
    let begun = Instant::now();
    for path in &paths {
        daemon.client().get(path);
    }
    let first = begun.elapsed();
    let (answers, ()) = daemon.under(asked.reads, read, || std::thread::sleep(asked.quiet));
    line("reads, nothing else to do", asked.reads, &answers, None);
    show(&it, 3);
    let (answers, under_reads) = daemon.under(asked.reads, read, || daemon.sync());
    line("reads while the district syncs", asked.reads, &answers, None);
    let pages = [
        "/".to_owned(),
        format!("/districts/{district}"),
        format!("/districts/{district}/users?q=kid"),
        format!("/districts/{district}/user?id={}", users[0]),
        format!("/districts/{district}/reports/claims"),
        format!("/districts/{district}/reports/history"),
        format!("/audit?district={district}"),
    ];
    for path in paths.iter().chain(&pages) {
        let (answers, ()) = daemon.under(20, |_| path.clone(), || std::thread::sleep(asked.quiet / 4));
        line(&format!("`{}`", path.replace(users[0], "USER")), 20, &answers, None);
    }
    let explain = |number: usize| {
        let (product, user) = of(number);
        format!("/v1/districts/{district}/explain?user={user}&product={}", PRODUCTS[product])
    };
    let (answers, ()) = daemon.under(1, explain, || std::thread::sleep(asked.quiet));
    line("explain", 1, &answers, None);
    println!("\nEach of the reads once, by the first who asks: {:.1} s", first.as_secs_f64());
    for (what, sync) in [("alone", &alone), ("under logins", &under_logins), ("under reads", &under_reads)] {
        println!("A sync of 0.5 % {what}: {:.1} s, the whole daemon {:.1} CPU s", sync.wall.as_secs_f64(), sync.cpu);
    }
}
