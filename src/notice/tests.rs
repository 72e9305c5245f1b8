//! Which notices are due, who gets them, and in which words.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Around, Filter, Weekly, compose, of_alerts, of_failure, of_held, weekly};
use crate::alert::{Evaluation, Move};
use crate::model::{
    About, Alert, AlertKind, DistrictId, HeldChange, HoldRecord, Kind, Level, Link, Message, Notice, NoticeKind,
    PendingReview, Proposal, RunRecord, RunStatus, Support, Timestamp, Trigger,
};

const KEY: &[u8] = b"key";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn alert(district: &str, kind: AlertKind, product: Option<&str>, school: Option<&str>, text: &str) -> Alert {
    let (district, product) = (DistrictId::new(district), product.map(Into::into));
    let school = school.map(Into::into);
    Alert {
        id: Alert::id_of(&district, kind, product.as_ref(), school.as_ref()),
        district,
        kind,
        product,
        school,
        level: Level::Red,
        step: None,
        on: None,
        text: text.to_owned(),
        numbers: BTreeMap::new(),
        raised_at: at("2025-10-01T07:00:00Z"),
        stepped_at: None,
        cleared_at: None,
        acknowledged: None,
    }
}

fn low(district: &str) -> Alert {
    let text = "You have 3 licenses remaining. Consider purchasing additional licenses.";
    alert(district, AlertKind::LowSeats, Some("reading"), None, text)
}

fn raised(alerts: impl IntoIterator<Item = Alert>) -> Vec<Notice> {
    let moves = alerts.into_iter().map(Move::Raised).collect();
    of_alerts(&Evaluation { moves, ..Evaluation::default() }, at("2025-10-08T07:00:00Z"), KEY)
}

fn hold(group: &str) -> HoldRecord {
    let limit = "over 5 % and over 50".to_owned();
    HoldRecord { group: group.to_owned(), count: 60, of: 269, affected: 480, limit, decision: None }
}

fn run(status: RunStatus, groups: &[&str]) -> RunRecord {
    let as_of = at("2025-10-08T07:00:00Z");
    let mut run = RunRecord::queued("01RUN".into(), "springfield".into(), Trigger::Schedule, "apply", as_of);
    run.status = status;
    run.plan_hash = Some("abc123".to_owned());
    run.holds = groups.iter().map(|it| hold(it)).collect();
    run.seats.bridged = 60;
    run.requested_by = Some("cli:canary".to_owned());
    run
}

fn review(group: &str) -> PendingReview {
    let change = HeldChange {
        groups: BTreeSet::from([group.to_owned()]),
        kind: Kind::Users,
        id: "canary@example.com".to_owned(),
        before: Some("{\"given_name\":\"canary\"}".to_owned()),
        after: None,
        tombstone: false,
    };
    PendingReview { run: "01OLD".into(), first_sync: false, proposal: None, changes: vec![change] }
}

fn everyone(notices: &[Notice]) -> Message {
    let support = Support {
        text: "Support: 312-555-0100, 7:00 to 18:00 America/Chicago,\nin August and September until 20:00.\n"
            .to_owned(),
        links: vec![Link { title: "Guides to print".to_owned(), url: "https://help.example.com/guides".to_owned() }],
    };
    let around = Around { dashboard: Some("https://rosterd.example.com"), support: Some(&support) };
    compose("operations", &Filter::default(), notices, around).unwrap()
}

/// U3: a review is told when it holds something new, and not again every night.
#[test]
fn a_held_run_is_told_once_for_the_groups_it_holds() {
    let held = run(RunStatus::Held, &["district/users/removed", "school:S1/users/removed"]);
    let notice = of_held(&held, None, 480).unwrap();
    let About::Held { groups, changes, .. } = &notice.about else { panic!("{notice:?}") };
    assert_eq!((groups.len(), *changes), (2, 480));
    assert!(of_held(&held, Some(&review("district/users/removed")), 480).is_some(), "one of the two is new");
    let same = run(RunStatus::Held, &["district/users/removed"]);
    assert_eq!(of_held(&same, Some(&review("district/users/removed")), 480), None);
    assert_eq!(
        of_held(&run(RunStatus::Planned, &["district/users/removed"]), None, 480),
        None,
        "a plan waits for nobody"
    );
    assert!(raised([alert("springfield", AlertKind::Held, None, None, "480 changes wait")]).is_empty());
}

/// P38: a source that is down for a month is told of once; who asked for something else is answered there.
#[test]
fn a_failed_sync_has_the_key_of_the_pull_in_use() {
    let mut failed = run(RunStatus::Failed, &[]);
    let first = of_failure(&failed, None).unwrap();
    failed.run = "02RUN".into();
    assert_eq!(of_failure(&failed, None).unwrap().key, first.key);
    failed.mode = "plan".to_owned();
    assert_eq!(of_failure(&failed, None), None);
    assert_eq!(of_failure(&run(RunStatus::Applied, &[]), None), None);
}

/// S4.24: one step before one day is one key, however often the alert comes and goes.
#[test]
fn a_step_before_a_day_is_told_once() {
    let mut expiring = alert("springfield", AlertKind::Expiring, Some("reading"), None, "The licenses end.");
    (expiring.step, expiring.on) = (Some(90), Some("2026-06-30".parse().unwrap()));
    let first = raised([expiring.clone()])[0].key.clone();
    expiring.raised_at = at("2026-04-20T07:00:00Z");
    assert_eq!(raised([expiring.clone()])[0].key, first);
    expiring.step = Some(60);
    assert_ne!(raised([expiring])[0].key, first);
}

/// S4.31.
#[test]
fn the_week_has_one_digest_of_what_was_open_before_it() {
    let (zone, monday): (_, Weekly) = ("America/Chicago".parse().unwrap(), "mon 07:00".parse().unwrap());
    let week = |now: &str| monday.latest(zone, at(now)).unwrap();
    let (early, late) = (week("2025-10-13T11:59:00Z"), week("2025-10-13T12:00:00Z"));
    assert_eq!((early.day.to_string(), late.day.to_string()), ("2025-10-06".to_owned(), "2025-10-13".to_owned()));
    assert_eq!(week("2025-10-19T23:00:00Z"), late, "a daemon that was down tells it late");
    let now = at("2025-10-13T12:00:00Z");
    let told = |alerts: &[Alert]| weekly(&"springfield".into(), alerts, late, now, KEY);
    let old = low("springfield");
    assert_eq!(told(std::slice::from_ref(&old)).unwrap().key, "weekly/2025-10-13");
    assert_eq!(told(&[Alert { raised_at: at("2025-10-13T07:00:00Z"), ..old.clone() }]), None, "told that night");
    assert_eq!(told(&[Alert { cleared_at: Some(now), ..old }]), None);
    for wrong in ["monday", "mon", "mon 25:00", "7:00"] {
        assert!(wrong.parse::<Weekly>().is_err(), "{wrong}");
    }
}

/// The words of each kind, as an operator reads them, and whom to ask (S0.17, S0.18).
#[test]
fn the_text_says_what_happened_what_it_means_for_seats_and_what_to_do() {
    let mut held = run(RunStatus::Held, &["district/users/removed", "district/users/unenrolled"]);
    held.proposal = Some(Proposal {
        mode: crate::model::DistrictMode::NoRemovals,
        from: "2025-10-08".parse().unwrap(),
        until: None,
        why: "it looks like a rollover".to_owned(),
    });
    let mut failed = run(RunStatus::Failed, &[]);
    failed.run = "02RUN".into();
    failed.error = Some("oneroster feed of `springfield`, users: the server answered 500; sync again later".to_owned());
    let mut notices = raised([
        low("springfield"),
        alert("springfield", AlertKind::Waitlist, Some("math"), Some("sch@example.com"), "4 users wait for a license."),
        low("shelbyville"),
    ]);
    notices.extend(of_held(&held, None, 480));
    notices.extend(of_failure(&failed, None));
    let week = "mon 07:00".parse::<Weekly>().unwrap().latest(chrono_tz::UTC, at("2025-10-07T00:00:00Z")).unwrap();
    notices.extend(weekly(&"shelbyville".into(), &[low("shelbyville")], week, at("2025-10-07T00:00:00Z"), KEY));
    let message = everyone(&notices);
    insta::assert_snapshot!(format!("Subject: {}\n\n{}", message.subject, message.text));
    assert!(!serde_json::to_string(&message).unwrap().contains("canary"));
    assert!(!message.text.contains('@'), "an id that may be an email is shown as the audit shows it");
}

/// P42: three thousand districts are one message that can be read.
#[test]
fn a_large_digest_names_the_rest_and_stays_readable() {
    let notices = raised((0..3000).map(|n| low(&format!("district-{n:04}"))));
    let message = everyone(&notices);
    assert_eq!(message.subject, "rosterd: 3000 districts: few licenses left (3000)");
    assert!(message.text.contains("And 2900 more districts") && message.text.len() < 100_000, "{}", message.text.len());
    assert_eq!(message.notices.len(), 3000);
    let low = |school: Option<&str>, text| alert("oak", AlertKind::LowSeats, Some("reading"), school, text);
    let mut schools: Vec<Alert> = (0..50).map(|n| low(Some(&format!("S{n:02}")), "Low.")).collect();
    schools.push(low(None, "Low as a whole."));
    let text = everyone(&raised(schools)).text;
    assert!(text.contains("Few licenses left:\n  reading: Low as a whole.\n  reading, school S00: Low."), "{text}");
    assert!(text.contains("and 31 more: rosterd alerts --district oak"), "{text}");
}

fn any_notice() -> impl Strategy<Value = Notice> {
    let kinds = prop::sample::select(vec![AlertKind::LowSeats, AlertKind::Expired, AlertKind::StaleRoster]);
    (0_u8..5, kinds, any::<bool>()).prop_map(|(district, kind, week)| {
        let district = format!("district-{district}");
        let of = alert(&district, kind, Some("reading"), None, &format!("about {district}"));
        let now = at("2025-10-13T12:00:00Z");
        let monday = "mon 07:00".parse::<Weekly>().unwrap().latest(chrono_tz::UTC, now).unwrap();
        if week { weekly(&district.into(), &[of], monday, now, KEY).unwrap() } else { raised([of]).remove(0) }
    })
}

proptest! {
    /// A recipient never hears of another district or of a kind it did not ask for, and the same things told to it have one id,
    /// in whatever order they came.
    #[test]
    fn a_recipient_gets_what_is_theirs_and_no_more(
        mut notices in prop::collection::vec(any_notice(), 0..20),
        districts in prop::collection::btree_set((0_u8..5).prop_map(|n| DistrictId::new(format!("district-{n}"))), 0..3),
        kinds in prop::collection::btree_set(prop::sample::select(NoticeKind::ALL.to_vec()), 0..4),
    ) {
        let mut keys = BTreeSet::new();
        notices.retain(|it| keys.insert((it.district.clone(), it.key.clone())));
        let filter = Filter { districts: districts.clone(), kinds: kinds.clone() };
        let message = compose("one", &filter, &notices, Around::default());
        notices.reverse();
        prop_assert_eq!(&message, &compose("one", &filter, &notices, Around::default()));
        let other = compose("other", &filter, &notices, Around::default());
        prop_assert!(message.is_none() || message.as_ref().map(|it| &it.id) != other.as_ref().map(|it| &it.id));
        let theirs = |it: &&Notice| {
            (districts.is_empty() || districts.contains(&it.district)) && (kinds.is_empty() || kinds.contains(&it.kind()))
        };
        if let Some(message) = &message {
            prop_assert!(message.notices.iter().all(|it| theirs(&it)));
            for n in 0..5 {
                let id = format!("district-{n}");
                let hears = districts.is_empty() || districts.contains(&DistrictId::new(id.as_str()));
                prop_assert!(hears || !message.text.contains(&id), "{}", message.text);
            }
        }
        let wanted = notices.iter().filter(theirs).filter(|it| it.kind() != NoticeKind::Weekly).count();
        let told = message.iter().flat_map(|it| &it.notices).filter(|it| it.kind() != NoticeKind::Weekly).count();
        prop_assert_eq!(wanted, told);
    }
}
