//! One pace for all who ask a server that counts them together: districts of this process, and other processes over the store.
//!
//! For each such server and rate the store has a row that says up to when turns are given out. A process takes the stretch
//! after it, for the requests that wait and a fifth of a second's worth at most, and takes the next one when this one is due:
//! a busy process writes some five times a second, and nobody puts turns by that others wait for. A turn is used within half a
//! second of its instant, before it or after it, and is lost later. So nobody, in one process or in many, sees more than two
//! seconds' worth in a second, and in the long run a request each interval, which is what a process alone keeps to (`pace.rs`).
//!
//! A store that does not answer fails no pull: after half a minute each process says so and goes on by itself with a twentieth
//! of the rate. The store gives out all but that twentieth. So the rate is kept by one process that is cut off beside others
//! that are not, and by twenty that all are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::feed::pace::Pace;

/// So far before and after its instant a turn may be used.
const SLACK: Duration = Duration::from_millis(500);

/// So many stretches fill a second where more requests wait than fit into one.
const STRETCHES: u32 = 5;

/// One of so many parts of the rate is kept for a process that the store does not answer.
const PARTS: u32 = 20;

/// A store that gives no turn for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two attempts where the store failed.
const AGAIN: Duration = Duration::from_secs(1);

/// Between two words about a store that does not answer.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// Servers that count together what is asked for several districts.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Default::default);

type Known = BTreeMap<Counted, Weak<Together>>;

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The server's origin.
    pub server: String,
    /// How often all together ask it in a second.
    pub per_second: u32,
}

/// Where several processes take turns.
pub trait Turnstile: std::fmt::Debug + Send + Sync {
    /// Takes the next stretch of time of this length, for whoever asks alone, and says how long after now it begins, now
    /// being an instant between the call and the answer. The error says what to do.
    fn take<'a>(&'a self, counted: &'a Counted, length: Duration) -> BoxFuture<'a, Result<Duration, String>>;
}

/// The pace that all in this process keep who ask one server.
#[derive(Debug)]
pub(crate) struct Together {
    counted: Counted,
    /// Where there is no store.
    alone: Pace,
    /// Where the store does not answer.
    cut_off: Pace,
    state: Mutex<State>,
    /// Changes when turns came.
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    turnstile: Option<Arc<dyn Turnstile>>,
    /// Turns that came and that nobody has, by their instant.
    ready: VecDeque<Turn>,
    /// Requests that have no turn.
    waiting: u32,
    /// Whether a task is asking for turns.
    asking: bool,
    /// Since when turns are asked for and none came.
    since: Option<Instant>,
    /// Why none came.
    problem: Option<String>,
    /// When that was said last.
    told: Option<Instant>,
}

/// When a request may be sent.
#[derive(Clone, Copy, Debug)]
struct Turn {
    from: Instant,
    until: Instant,
}

impl Together {
    fn new(counted: Counted) -> Self {
        let second = Duration::from_secs(1);
        Self {
            alone: Pace::new(counted.per_second),
            cut_off: Pace::each(second * PARTS / counted.per_second.max(1)),
            state: Mutex::default(),
            news: watch::Sender::new(()),
            counted,
        }
    }

    /// The one pace in this process of all who ask that server so often. The turnstile that was given last counts.
    pub(crate) fn of(counted: Counted, turnstile: Option<&Arc<dyn Turnstile>>) -> Arc<Self> {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, it| it.strong_count() > 0);
        let found = known.get(&counted).and_then(Weak::upgrade);
        let it = found.unwrap_or_else(|| {
            let it = Arc::new(Self::new(counted.clone()));
            known.insert(counted, Arc::downgrade(&it));
            it
        });
        if let Some(turnstile) = turnstile {
            it.state().turnstile = Some(Arc::clone(turnstile));
        }
        it
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_turnstile(&self) -> bool {
        self.state().turnstile.is_some()
    }

    /// Returns when the next request may be sent.
    ///
    /// Nobody holds anything while waiting: a page that is asked for ahead of its turn may not be looked after for a while, and
    /// must not keep others from theirs.
    pub(crate) async fn turn(self: &Arc<Self>) {
        if !self.has_turnstile() {
            return self.alone.turn().await;
        }
        let mut waiting = Waiting { of: self, counted: false };
        loop {
            let mut news = self.news.subscribe();
            match waiting.look() {
                Ok(turn) => {
                    tokio::time::sleep_until(turn.from).await;
                    if Instant::now() <= turn.until {
                        return;
                    }
                }
                Err(since) => {
                    if tokio::time::timeout_at(since + PATIENCE, news.changed()).await.is_err() {
                        self.tell_cut_off(since);
                        tokio::select! {
                            () = self.cut_off.turn() => return,
                            _ = news.changed() => {}
                        }
                    }
                }
            }
        }
    }

    /// Asks for turns for as long as requests wait. A task of its own: whoever waits may be dropped, and what talks to a
    /// database should not be.
    async fn ask(of: Weak<Self>) {
        while let Some((turnstile, counted, turns)) = of.upgrade().and_then(|it| it.wanted()) {
            let asked = Instant::now();
            let answer = turnstile.take(&counted, length(&counted, turns)).await;
            let Some(it) = of.upgrade() else { return };
            let rest = match answer {
                Ok(ahead) => it.put(asked, ahead, turns),
                Err(problem) => it.failed(problem),
            };
            drop(it);
            tokio::time::sleep_until(rest).await;
        }
    }

    /// How many turns to ask for now, and where; none, and the task ends.
    fn wanted(&self) -> Option<(Arc<dyn Turnstile>, Counted, u32)> {
        let mut state = self.state();
        state.forget_late(Instant::now());
        let turns = state.waiting.min((self.counted.per_second / STRETCHES).max(1));
        let wanted = state.turnstile.clone().filter(|_| turns > 0 && state.ready.is_empty());
        state.asking = wanted.is_some();
        wanted.map(|turnstile| (turnstile, self.counted.clone(), turns))
    }

    /// Notes the turns of a stretch that begins `ahead` of an instant between `asked` and now, and returns when the last is due.
    fn put(&self, asked: Instant, ahead: Duration, turns: u32) -> Instant {
        let now = Instant::now();
        let interval = length(&self.counted, turns) / turns.max(1);
        let at = (0..turns).map(|turn| ahead + interval * turn);
        let all = at.map(|at| Turn { from: now + at.saturating_sub(SLACK), until: asked + at + SLACK });
        let in_time: Vec<Turn> = all.filter(|turn| turn.from <= turn.until).collect();
        let mut state = self.state();
        let Some(last) = in_time.last().map(|turn| turn.from) else {
            state.problem = Some("it answered too late".to_owned());
            return now;
        };
        state.ready.extend(in_time);
        state.since = None;
        state.problem = None;
        let was_told = state.told.take().is_some();
        drop(state);
        self.news.send_replace(());
        if was_told {
            let server = &self.counted.server;
            tracing::info!(%server, "the store gives turns to ask {server} again");
        }
        last
    }

    /// Notes why no turns came, and returns when to ask again.
    fn failed(&self, problem: String) -> Instant {
        self.state().problem = Some(problem);
        Instant::now() + AGAIN
    }

    fn tell_cut_off(&self, since: Instant) {
        let now = Instant::now();
        let mut state = self.state();
        if state.told.is_some_and(|told| now < told + TOLD_EVERY) {
            return;
        }
        state.told = Some(now);
        let problem = state.problem.clone().unwrap_or_else(|| "no answer".to_owned());
        drop(state);
        let (server, seconds) = (&self.counted.server, now.duration_since(since).as_secs());
        tracing::warn!(
            %server,
            "for {seconds} s the store has given no turn to ask {server} ({problem}): until it does, this process asks with a \
             twentieth of the rate"
        );
    }
}

/// How long a stretch of so many turns is. Whole milliseconds, as the store counts, and never too short.
fn length(counted: &Counted, turns: u32) -> Duration {
    let (turns, parts) = (u64::from(turns), u64::from(PARTS));
    Duration::from_millis((turns * 1000 * parts).div_ceil(u64::from(counted.per_second.max(1)) * (parts - 1)))
}

impl State {
    fn forget_late(&mut self, now: Instant) {
        while self.ready.front().is_some_and(|turn| turn.until < now) {
            self.ready.pop_front();
        }
    }
}

/// A request, counted while it has no turn.
struct Waiting<'a> {
    of: &'a Arc<Together>,
    counted: bool,
}

impl Waiting<'_> {
    /// The next turn; where there is none it is asked for, and the error is since when.
    fn look(&mut self) -> Result<Turn, Instant> {
        let now = Instant::now();
        let mut state = self.of.state();
        state.forget_late(now);
        if let Some(turn) = state.ready.pop_front() {
            state.waiting -= u32::from(self.counted);
            self.counted = false;
            return Ok(turn);
        }
        state.waiting += u32::from(!self.counted);
        self.counted = true;
        if !state.asking {
            state.asking = true;
            tokio::spawn(Together::ask(Arc::downgrade(self.of)));
        }
        Err(*state.since.get_or_insert(now))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.of.state().waiting -= u32::from(self.counted);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use futures_util::future::{FutureExt as _, join_all};

    use super::*;

    /// A store's row.
    #[derive(Debug, Default)]
    struct Row {
        next: Mutex<Option<Instant>>,
        taken: AtomicUsize,
        is_away: AtomicBool,
        answers_after: Duration,
    }

    impl Turnstile for Row {
        fn take<'a>(&'a self, _: &'a Counted, length: Duration) -> BoxFuture<'a, Result<Duration, String>> {
            Box::pin(async move {
                if self.is_away.load(Ordering::Relaxed) {
                    return Err("away".to_owned());
                }
                self.taken.fetch_add(1, Ordering::Relaxed);
                let now = Instant::now();
                let ahead = {
                    let mut next = self.next.lock().unwrap();
                    let begins = next.map_or(now, |next| next.max(now));
                    *next = Some(begins + length);
                    begins.duration_since(now)
                };
                if !self.answers_after.is_zero() {
                    tokio::time::sleep(self.answers_after).await;
                }
                Ok(ahead)
            })
        }
    }

    fn counted(server: &str, per_second: u32) -> Counted {
        Counted { server: server.to_owned(), per_second }
    }

    /// What a process has of its own, over the row that it shares.
    fn process(row: &Arc<Row>) -> Arc<Together> {
        let it = Together::new(counted("https://a.example", 20));
        it.state().turnstile = Some(row.clone());
        Arc::new(it)
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_the_same_server_waits_for_one_another() {
        let [one, other, elsewhere] = ["https://a.example", "https://a.example", "https://b.example"]
            .map(|server| Together::of(counted(server, 10), None));
        let started = Instant::now();
        for _ in 0..15 {
            one.turn().await;
            other.turn().await;
        }
        let elapsed = started.elapsed();
        assert!(elapsed >= Duration::from_millis(1950) && elapsed <= Duration::from_millis(2100), "{elapsed:?}");
        for _ in 0..10 {
            elsewhere.turn().await;
        }
        assert_eq!(started.elapsed(), elapsed);
    }

    #[tokio::test(start_paused = true)]
    async fn processes_over_one_row_keep_the_rate_together_and_take_several_turns_at_a_time() {
        let row = Arc::new(Row::default());
        let processes = [process(&row), process(&row), process(&row)];
        let started = Instant::now();
        let asked = processes.iter().flat_map(|it| std::iter::repeat_n(it, 60)).map(|it| async move {
            it.turn().await;
            started.elapsed()
        });
        let mut sent: Vec<Duration> = join_all(asked).await;
        sent.sort();
        for (earlier, later) in sent.iter().zip(&sent[40..]) {
            assert!(
                later.saturating_sub(*earlier) >= Duration::from_secs(1),
                "41 requests from {earlier:?} to {later:?}"
            );
        }
        let last = sent[179].as_secs_f64();
        assert!((8.5..10.0).contains(&last), "180 requests, 19 a second, took {last} s");
        let taken = row.taken.load(Ordering::Relaxed);
        assert!(taken < 60, "the row was written {taken} times");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_not_looked_after_keeps_nobody_from_their_turn() {
        let it = process(&Arc::new(Row::default()));
        let mut forgotten = Box::pin(it.turn());
        assert!(forgotten.as_mut().now_or_never().is_none());
        let started = Instant::now();
        it.turn().await;
        it.turn().await;
        assert!(started.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_away_leaves_a_twentieth_of_the_rate_until_it_is_back() {
        let row = Arc::new(Row::default());
        let it = process(&row);
        row.is_away.store(true, Ordering::Relaxed);
        let started = Instant::now();
        for after in 30..35 {
            it.turn().await;
            assert_eq!(started.elapsed().as_secs(), after);
        }
        row.is_away.store(false, Ordering::Relaxed);
        let started = Instant::now();
        for _ in 0..10 {
            it.turn().await;
        }
        assert!(started.elapsed() <= Duration::from_secs(2), "{:?}", started.elapsed());
    }

    /// Others have been given the time since.
    #[tokio::test(start_paused = true)]
    async fn turns_that_come_late_are_not_used() {
        let row = Row { answers_after: Duration::from_secs(2), ..Row::default() };
        let started = Instant::now();
        process(&Arc::new(row)).turn().await;
        assert_eq!(started.elapsed().as_secs(), PATIENCE.as_secs());
    }
}
