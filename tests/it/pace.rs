//! Turns to ask a server that counts all processes together, on both databases.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use rosterd::model::Timestamp;
use rosterd::store::Queue;

use crate::support::db::Fresh;
use crate::support::world::monday;

both!(
    stretches_of_two_processes_lie_one_after_the_other,
    time_in_which_nobody_asked_is_not_made_up_for,
    another_server_or_rate_has_turns_of_its_own,
    a_clock_that_was_set_back_far_keeps_nobody_waiting,
    without_a_time_the_database_s_clock_counts,
);

const PROXY: &str = "https://proxy.example";
const STRETCH: i64 = 200;

fn later(millis: i64) -> Timestamp {
    monday().plus(chrono::TimeDelta::milliseconds(millis))
}

/// When the stretch begins that is taken so many milliseconds after Monday began, counted from there as well.
async fn take(queue: &Queue, at: i64) -> i64 {
    let ahead = queue.take_turns(PROXY, 20, Duration::from_millis(200), Some(later(at))).await.unwrap();
    at + i64::try_from(ahead.as_millis()).unwrap()
}

async fn stretches_of_two_processes_lie_one_after_the_other(fresh: &Fresh) {
    let (one, other) = (fresh.queue().await, fresh.queue().await);
    let mut taken = Vec::new();
    // The clock moves less than is taken, so that both always find the other's turns ahead of theirs.
    for round in 0..20 {
        taken.push(take(&one, round * 100).await);
        taken.push(take(&other, round * 100).await);
    }
    let expected: Vec<i64> = (0..40).map(|stretch| stretch * STRETCH).collect();
    assert_eq!(taken, expected);
    let at_once = [&one, &other].into_iter().flat_map(|queue| std::iter::repeat_n(queue, 10)).map(|it| take(it, 2000));
    let taken: BTreeSet<i64> = join_all(at_once).await.into_iter().collect();
    assert_eq!(taken, (40..60).map(|stretch| stretch * STRETCH).collect());
}

async fn time_in_which_nobody_asked_is_not_made_up_for(fresh: &Fresh) {
    let queue = fresh.queue().await;
    assert_eq!(take(&queue, 0).await, 0);
    assert_eq!(take(&queue, 60_000).await, 60_000);
    assert_eq!(take(&queue, 60_001).await, 60_000 + STRETCH);
}

async fn another_server_or_rate_has_turns_of_its_own(fresh: &Fresh) {
    let queue = fresh.queue().await;
    take(&queue, 0).await;
    for (server, rate) in [("https://elsewhere.example", 20), (PROXY, 40)] {
        let ahead = queue.take_turns(server, rate, Duration::from_millis(200), Some(later(0))).await.unwrap();
        assert_eq!(ahead, Duration::ZERO, "{server} {rate}");
    }
    assert_eq!(take(&queue, 0).await, STRETCH);
}

async fn a_clock_that_was_set_back_far_keeps_nobody_waiting(fresh: &Fresh) {
    let queue = fresh.queue().await;
    take(&queue, 3_600_000).await;
    assert_eq!(take(&queue, 0).await, 0, "by an hour");
    take(&queue, 30_000).await;
    assert_eq!(take(&queue, 0).await, 30_000 + STRETCH, "others may have turns that far ahead");
}

async fn without_a_time_the_database_s_clock_counts(fresh: &Fresh) {
    let queue = fresh.queue().await;
    let take = async || queue.take_turns(PROXY, 20, Duration::from_secs(30), None).await.unwrap();
    assert_eq!(take().await, Duration::ZERO);
    let ahead = take().await;
    assert!(ahead > Duration::ZERO && ahead <= Duration::from_secs(30), "{ahead:?}");
}
