//! Pages that are asked for before it is their turn, so that a slow source is waited for once and not at every page.
//!
//! Nothing follows from a page that came early but that it need not be asked for: one that failed, or that is not the page whose
//! turn it is, is dropped and asked for anew in its turn, with all that its failure takes. That rows did not move between two
//! pages is seen where they meet, in whatever order they were asked for (`pages.rs`).

use std::collections::VecDeque;
use std::task::Poll;

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _, poll_fn};
use futures_util::stream::FuturesOrdered;

use crate::feed::error::Place;
use crate::feed::http::{Packed, Reply};
use crate::feed::oneroster::pages::{OVERLAP_FROM, Server};

/// Pages on their way come to no more bytes than this.
const ROOM: usize = 24 << 20;
/// Where nobody said how many rows there are, so many may be asked for beyond the last.
const BLIND: usize = 2;

/// Which page: its first row, and how many rows are asked for in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub from: u64,
    pub limit: u32,
    pub sort: bool,
}

/// A page that was read, by which the next ones are foreseen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    /// Its rows, the one it had to begin with included.
    pub rows: usize,
    /// The bytes that came of it, packed.
    pub bytes: usize,
    /// How many rows there are in all, where that is known.
    pub total: Option<u64>,
}

/// What is on its way for one walk.
pub(super) struct Ahead<'a> {
    server: &'a Server,
    collection: &'a str,
    place: &'a Place,
    turns: VecDeque<Turn>,
    coming: FuturesOrdered<BoxFuture<'a, Option<Packed>>>,
    /// Those that came before anyone waited for them.
    came: VecDeque<Option<Packed>>,
    /// Rows of the page before.
    before: usize,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(server: &'a Server, collection: &'a str, place: &'a Place) -> Self {
        let (turns, coming, came) = (VecDeque::new(), FuturesOrdered::new(), VecDeque::new());
        Self { server, collection, place, turns, coming, came, before: 0 }
    }

    /// The page whose turn it is, if it was asked for and came.
    pub(super) async fn take(&mut self, turn: Turn) -> Option<Reply> {
        let foreseen = self.turns.pop_front()?;
        let packed = match self.came.pop_front() {
            Some(packed) => packed,
            None => self.coming.next().await.flatten(),
        };
        let reply = packed.filter(|_| foreseen == turn).and_then(|it| self.server.opened(self.place, it));
        if reply.is_none() {
            self.forget();
        }
        reply
    }

    fn forget(&mut self) {
        self.turns.clear();
        self.came.clear();
        self.coming = FuturesOrdered::new();
    }

    /// Asks for the pages that will follow `next`, itself included, after one that looked like `last`.
    pub(super) async fn ask(&mut self, next: Turn, last: Last) {
        let full = last.rows == self.before || u32::try_from(last.rows) == Ok(next.limit);
        self.before = last.rows;
        let wanted = self.wanted(last);
        if wanted == 0 || !full && last.total.is_none() {
            return;
        }
        let overlap = usize::from(last.rows >= OVERLAP_FROM);
        let Some(step) = u64::try_from(last.rows.saturating_sub(overlap)).ok().filter(|step| *step > 0) else { return };
        let overlap = u64::try_from(overlap).unwrap_or_default();
        let mut from = self.turns.back().map_or(next.from, |turn| turn.from + step);
        while self.turns.len() < wanted && last.total.is_none_or(|total| from + overlap < total) {
            let turn = Turn { from, ..next };
            self.turns.push_back(turn);
            self.coming.push_back(self.server.early(self.collection, self.place, turn).boxed());
            from += step;
        }
        // A request is on its way once it was polled; what came meanwhile is put aside.
        let came = &mut self.came;
        let coming = &mut self.coming;
        poll_fn(|context| {
            while let Poll::Ready(Some(packed)) = coming.poll_next_unpin(context) {
                came.push_back(packed);
            }
            Poll::Ready(())
        })
        .await;
    }

    fn wanted(&self, last: Last) -> usize {
        let set = usize::try_from(self.server.prefetch).unwrap_or(usize::MAX);
        let most = if last.total.is_some() { set } else { set.min(BLIND) };
        most.min((ROOM / last.bytes.max(1)).max(1))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::feed::oneroster::tests::{bearer, feed_ahead, page, rows, with_total};
    use crate::feed::testing::{Answer, Heard, Server, counts, lines};

    const WHOLE: [u64; 6] = [2, 1, 1, 1, 7, 1];

    fn later_users(heard: &Heard) -> bool {
        heard.collection() == "users" && heard.number("offset") > 0
    }

    /// Whoever asked for one page after another would wait for the first of them for ever.
    #[tokio::test]
    async fn pages_are_on_their_way_together() {
        let server = Server::gathering(2, later_users, |_, heard| with_total(heard)).await;
        assert_eq!(counts(&feed_ahead(&server, bearer(), 3, 8).pull().await.unwrap()), WHOLE);
        let users: Vec<Heard> = server.heard().into_iter().filter(|it| it.collection() == "users").collect();
        let mut asked: Vec<_> = users.iter().map(|it| (it.number("offset"), it.number("limit"))).collect();
        asked.sort_unstable();
        assert_eq!(asked, [(0, 1), (0, 3), (3, 3), (6, 3)], "and none is asked for twice or in vain");
    }

    /// Whatever the page size and the server's own limit, every row arrives.
    #[tokio::test]
    async fn what_comes_early_is_what_comes_one_after_another() {
        for most in [1, 2, 3, 6, 7, 8] {
            for total in [false, true] {
                let server = Server::start(move |_, heard| {
                    let answer = page(heard, &rows(heard.collection()), most);
                    let count = rows(heard.collection()).len();
                    if total { answer.header("x-total-count", count) } else { answer }
                })
                .await;
                for page_size in [1, 2, 4, 7, 9] {
                    let pull =
                        async |prefetch| feed_ahead(&server, bearer(), page_size, prefetch).pull().await.unwrap();
                    let (one, early) = (pull(0).await, pull(8).await);
                    assert_eq!(counts(&early), WHOLE, "{most} {total} {page_size}");
                    assert_eq!(lines(&one), lines(&early), "{most} {total} {page_size}");
                }
            }
        }
    }

    #[tokio::test]
    async fn one_that_failed_is_asked_for_again_in_its_turn() {
        for failed in [401, 413, 429, 500] {
            let failures = AtomicUsize::new(0);
            let server = Server::start(move |_, heard| {
                let first = later_users(heard) && failures.fetch_add(1, Ordering::Relaxed) == 0;
                if first { Answer::status(failed) } else { with_total(heard) }
            })
            .await;
            let snapshot = feed_ahead(&server, bearer(), 3, 8).pull().await.unwrap();
            assert_eq!(counts(&snapshot), WHOLE, "{failed}");
        }
    }
}
