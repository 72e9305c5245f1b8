//! Archived rows are kept as long as the setting says and no longer (safety.md, People's data; T45, K3).

use chrono::TimeDelta;
use rosterd::erase::{self, Settings};
use rosterd::model::{Kind, View};
use rosterd::store::{Expired, Recalled, Store};

use crate::support::db::Fresh;
use crate::support::world::{enrollment, first_run, monday, oak, removed, told, tuesday, user, with_oak, writes};

both!(
    what_is_older_than_the_setting_goes_and_nothing_else,
    a_copy_of_the_records_goes_with_who_left,
    a_clock_that_went_back_deletes_nothing,
    a_deletion_that_is_killed_is_done_the_next_time,
);

const SETTINGS: Settings = Settings { archived_days: 400 };

/// Two runs: on Monday everyone comes, on Tuesday U2 leaves.
async fn left(store: &Store) {
    with_oak(store).await;
    store.write(first_run()).await.unwrap();
    let mut second = writes("01RUN-2", tuesday(), 1);
    second.records = [user("U2"), enrollment("U2", "C1")].iter().map(|it| removed(it, false)).collect();
    second.audit = second.records.made().unwrap().iter().map(told).collect();
    store.write(second).await.unwrap();
}

async fn archived(store: &Store) -> usize {
    store.baseline(&oak()).await.unwrap().archived.len()
}

async fn what_is_older_than_the_setting_goes_and_nothing_else(fresh: &Fresh) {
    let store = fresh.store().await;
    left(&store).await;
    let early = tuesday().plus(TimeDelta::days(400));
    let Some(Expired::Done(first)) = erase::expire(&store, &SETTINGS, early).await.unwrap() else { panic!("done") };
    assert_eq!((first.get("record"), first.get("record_version")), (None, None), "the first load has no versions");
    assert_eq!(archived(&store).await, 2);

    let late = early.plus(TimeDelta::days(1));
    let Some(Expired::Done(second)) = erase::expire(&store, &SETTINGS, late).await.unwrap() else { panic!("done") };
    assert_eq!((second.get("record"), second.get("record_version")), (Some(&2), Some(&2)));
    assert_eq!(archived(&store).await, 0);
    assert_eq!(store.counts(&oak()).await.unwrap()[&Kind::Users], 1, "who is active stays");
    assert!(store.bodies_of_user(&oak(), &"U2".into()).await.unwrap().is_empty());
    assert!(store.check(&oak(), None).await.unwrap().faults.is_empty());

    let again = erase::expire(&store, &SETTINGS, late).await.unwrap();
    assert!(matches!(again, Some(Expired::Done(counts)) if counts.is_empty()), "once is enough");
    assert_eq!(erase::expire(&store, &Settings { archived_days: 0 }, late).await.unwrap(), None, "0 keeps them");
}

/// The image of a night shows who left since, until it is written anew: that may be long.
async fn a_copy_of_the_records_goes_with_who_left(fresh: &Fresh) {
    let store = fresh.store().await;
    with_oak(&store).await;
    store.write(first_run()).await.unwrap();
    let baseline = store.baseline(&oak()).await.unwrap();
    let (run, revision) = (first_run().run.run, baseline.state.revision);
    store.know(&oak(), revision, &run, Recalled::default(), View::from(&baseline.roster)).await.unwrap();
    let mut second = writes("01RUN-2", tuesday(), 1);
    second.records = [user("U2"), enrollment("U2", "C1")].iter().map(|it| removed(it, false)).collect();
    second.audit = second.records.made().unwrap().iter().map(told).collect();
    store.write(second).await.unwrap();
    let copies = async || store.people_left(&oak()).await.unwrap()["recall_part"];
    assert_eq!(copies().await, 1);
    erase::expire(&store, &SETTINGS, tuesday().plus(TimeDelta::days(401))).await.unwrap();
    assert_eq!(copies().await, 0);
}

async fn a_clock_that_went_back_deletes_nothing(fresh: &Fresh) {
    let store = fresh.store().await;
    left(&store).await;
    let before_the_last_entry = monday().plus(TimeDelta::hours(1));
    let back = erase::expire(&store, &SETTINGS, before_the_last_entry).await.unwrap();
    assert_eq!(back, Some(Expired::ClockWentBack { last: tuesday() }));
    let late = tuesday().plus(TimeDelta::days(401));
    erase::expire(&store, &SETTINGS, late).await.unwrap();
    let back = erase::expire(&store, &SETTINGS, late.plus(TimeDelta::days(-1))).await.unwrap();
    assert_eq!(back, Some(Expired::ClockWentBack { last: late }));
}

async fn a_deletion_that_is_killed_is_done_the_next_time(fresh: &Fresh) {
    left(&fresh.store().await).await;
    crate::crash::die_at(fresh, "retention::child", "store.expire.district");
    let store = fresh.store().await;
    assert_eq!((archived(&store).await, store.expired_at().await.unwrap()), (2, None));
    assert!(store.check(&oak(), None).await.unwrap().faults.is_empty());
    erase::expire(&store, &SETTINGS, tuesday().plus(TimeDelta::days(401))).await.unwrap();
    assert_eq!(archived(&store).await, 0);
}

#[tokio::test]
#[ignore = "the child of the test above"]
async fn child() {
    let url = std::env::var("ROSTERD_TEST_STORE").unwrap();
    let store = Store::open(&rosterd::store::Settings { url }).await.unwrap();
    erase::expire(&store, &SETTINGS, tuesday().plus(TimeDelta::days(401))).await.unwrap();
}
