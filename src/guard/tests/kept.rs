//! What a mode or quiet hours keep back of a sync (safety.md, Modes of a district), what a lapsed approval says, and what a
//! catalog would take away.

use std::sync::Arc;

use super::table::{Town, size};
use super::{feed_of, night};
use crate::guard::{Circumstances, Cleared, FIRST_SYNC, Keep, Settings, contract, review};
use crate::model::{Baseline, Decision, Fingerprint, Kind, Record, Role, RoleName, SourceMark, Verdict};
use crate::plan::{self, Cause};

fn applied(cleared: &Cleared) -> Vec<String> {
    cleared.applied().map(ToString::to_string).collect()
}

fn kept(cleared: &Cleared) -> Vec<String> {
    cleared.kept_back().map(ToString::to_string).collect()
}

fn edited(records: &[Record], id: &str, edit: impl Fn(&mut crate::model::User)) -> Vec<Record> {
    let mut records = records.to_vec();
    for record in &mut records {
        if let Record::User(user) = record
            && user.id.as_str() == id
        {
            edit(Arc::make_mut(user));
        }
    }
    records
}

fn without_user(records: &[Record], id: &str) -> Vec<Record> {
    let of = |record: &Record| match record {
        Record::User(user) => user.id.as_str() == id,
        Record::Enrollment(it) => it.user.as_str() == id,
        _ => false,
    };
    records.iter().filter(|record| !of(record)).cloned().collect()
}

/// P12: `no_removals` keeps back every removal and every change that ends demand; the rest applies, and nobody is asked.
#[test]
fn no_removals_keeps_back_what_takes_something_away() {
    let town = Town::of(&[size(10, 2)]).with_seats();
    let disabled = edited(&without_user(&town.records, "U0-0001"), "U0-0002", |user| user.active = false);
    let renamed = edited(&disabled, "U0-0003", |user| user.username = Some(crate::model::Personal::new("kim")));
    let cleared = town.cleared(renamed.clone(), Keep::Removals);
    assert_eq!(applied(&cleared), ["~ user U0-0003: username (personal)"]);
    let wanted =
        ["- user U0-0001", "~ user U0-0002: active true -> false", "- enrollment [\"U0-0001\",\"C0-001\",\"student\"]"];
    assert_eq!(kept(&cleared), wanted);
    assert_eq!((cleared.holds(), cleared.in_review().count(), cleared.seats().bridged), (&[][..], 0, 2));
    assert_eq!(cleared.counts()[&Kind::Users].held, 2);

    let quiet = town.cleared(renamed.clone(), Keep::Releases);
    assert_eq!(kept(&quiet), wanted, "both take a seat, and the enrollment goes with its user");
    let classes_only = town.without(1, |it| matches!(it, Record::Enrollment(_)));
    assert_eq!(kept(&town.cleared(classes_only.clone(), Keep::Releases)), [""; 0], "no seat hangs on that class");
    assert_eq!(kept(&town.cleared(classes_only, Keep::Removals)).len(), 1);
    assert_eq!(kept(&town.cleared(renamed, Keep::Nothing)), [""; 0]);
}

/// What a person approved applies in every mode.
#[test]
fn a_mode_keeps_back_nothing_that_a_person_approved() {
    let mut town = Town::of(&[size(10, 0)]).with_seats();
    let decision = Decision { verdict: Verdict::Approved, version: None, until: None, run: "01RUN".into() };
    town.baseline.decisions.insert((Kind::Users, "U0-0001".to_owned()), decision);
    let gone = without_user(&without_user(&town.records, "U0-0001"), "U0-0002");
    for keep in [Keep::Removals, Keep::Releases] {
        let cleared = town.cleared(gone.clone(), keep);
        assert_eq!(
            (applied(&cleared), kept(&cleared)),
            (vec!["- user U0-0001".to_owned()], vec!["- user U0-0002".to_owned()])
        );
    }
}

fn place_of(user: &str) -> crate::model::Waiting {
    crate::model::Waiting {
        product: "math".into(),
        user: user.into(),
        since: night(0),
        position: 1,
        short_of: crate::model::Pool::District,
    }
}

/// Who waits and would want no more loses their place: that is kept back as well.
#[test]
fn a_place_in_line_is_kept_as_a_seat_is() {
    let mut town = Town::of(&[size(10, 0)]).with_seats();
    let key = ("math".into(), "U0-0001".into());
    town.baseline.seats.remove(&key);
    town.baseline.waiting.insert(key, place_of("U0-0001"));
    let text = "[[product]]\ncode = \"math\"\nname = \"Math\"\naudience = \"student\"\nbasis = \"active\"\n\n[[subscription]]\n\
                id = \"SUB\"\ndistrict = \"oak\"\nproduct = \"math\"\nseats = 9\nstarts_on = 2025-07-01\n\
                expires_on = 2026-06-30\nlicensed_to = \"Oak\"\n";
    town.baseline.catalog = crate::catalog::parse(text).unwrap();
    let disabled = edited(&town.records, "U0-0001", |user| user.active = false);
    let cleared = town.cleared(disabled, Keep::Removals);
    assert_eq!(kept(&cleared), ["~ user U0-0001: active true -> false"]);
    assert_eq!(cleared.seats().in_line, 1);
}

/// Who gets a seat tonight has no place in line any more, and has lost nothing by it.
#[test]
fn who_is_seated_tonight_is_not_kept_back() {
    let mut town = Town::of(&[size(10, 0)]).with_seats();
    let key = ("math".into(), "U0-0001".into());
    town.baseline.seats.remove(&key);
    town.baseline.waiting.insert(key, place_of("U0-0001"));
    let renamed = edited(&town.records, "U0-0001", |user| user.username = Some(crate::model::Personal::new("kim")));
    let cleared = town.cleared(renamed, Keep::Removals);
    assert_eq!((applied(&cleared).len(), kept(&cleared)), (1, vec![]));
}

/// What is kept back may be what someone else's new class rests on: it is asked until nothing ends any more.
#[test]
fn what_is_kept_back_may_keep_back_more() {
    let mut town = Town::of(&[size(4, 4)]);
    town.edit(|record| {
        if let Record::Class(class) = record {
            let class = Arc::make_mut(class);
            class.subjects = vec![if class.id.as_str() == "C0-001" { "math" } else { "art" }.to_owned()];
        }
    });
    let product = |code: &str| {
        format!(
            "[[product]]\ncode = \"{code}\"\nname = \"{code}\"\naudience = \"student\"\nbasis = \"enrolled\"\n\
             subjects = [\"{code}\"]\n\n[[subscription]]\nid = \"{code}\"\ndistrict = \"oak\"\nproduct = \"{code}\"\n\
             seats = 50\nstarts_on = 2025-07-01\nexpires_on = 2026-06-30\nlicensed_to = \"Oak\"\n\n"
        )
    };
    town.baseline.catalog = crate::catalog::parse(&(product("art") + &product("math"))).unwrap();
    let first = crate::allocate::allocate(crate::allocate::Input::of(&town.baseline, night(0)));
    town.baseline.seats = first.seats.applied_to(&town.baseline.seats);
    // The class of the first child teaches mathematics from now on, and the second child moves there.
    let mut records = town.records.clone();
    for record in &mut records {
        match record {
            Record::Class(class) if class.id.as_str() == "C0-000" => {
                Arc::make_mut(class).subjects = vec!["math".to_owned()];
            }
            Record::Enrollment(it) if it.user.as_str() == "U0-0001" => {
                Arc::make_mut(it).class = "C0-000".into();
            }
            _ => {}
        }
    }
    let cleared = town.cleared(records, Keep::Releases);
    let wanted =
        ["~ class C0-000: subjects [\"art\"] -> [\"math\"]", "- enrollment [\"U0-0001\",\"C0-001\",\"student\"]"];
    assert_eq!((kept(&cleared), applied(&cleared).len()), (wanted.map(str::to_owned).to_vec(), 1));
}

fn reviewed(
    baseline: &Baseline,
    records: Vec<Record>,
    circumstances: Circumstances<'_>,
    settings: &Settings,
) -> Cleared {
    let snapshot = feed_of(records, night(1));
    let plan = plan::make(baseline, Cause::Snapshot(&snapshot), night(1)).unwrap();
    review(plan, baseline, settings, Circumstances { snapshot: Some(&snapshot), ..circumstances }).unwrap()
}

/// safety.md, First sync: of a new district, or of another feed, the whole plan waits, whatever the mode keeps back.
#[test]
fn a_first_sync_is_reviewed_whole() {
    let mut town = Town::of(&[size(100, 0)]);
    let gone = without_user(&town.records, "U0-0001");
    let first = Circumstances { review_first_sync: true, keep: Keep::Removals, ..Circumstances::default() };
    let groups = |cleared: &Cleared| cleared.holds().iter().map(|it| it.group.clone()).collect::<Vec<_>>();
    let known = reviewed(&town.baseline, gone.clone(), first, &Settings::default());
    assert_eq!((groups(&known), kept(&known).len()), (vec![], 1));
    town.baseline.state.source = Some(SourceMark { feed: "another".to_owned(), ..super::source(night(0)) });
    let moved = reviewed(&town.baseline, gone.clone(), first, &Settings::default());
    assert_eq!((groups(&moved), kept(&moved).len(), moved.in_review().count()), (vec![FIRST_SYNC.to_owned()], 0, 1));
    assert_eq!(moved.proposal(), None);
    let unasked = reviewed(&town.baseline, gone.clone(), Circumstances::default(), &Settings::default());
    assert_eq!((groups(&unasked), applied(&unasked).len()), (vec![], 1));
    town.baseline.state.source = None;
    assert_eq!(groups(&reviewed(&town.baseline, gone, first, &Settings::default())), [FIRST_SYNC]);
}

/// Off, the guard holds nothing; an approval or a day that passes is held by no limit, and counts in no sum.
#[test]
fn limits_are_for_syncs_and_only_while_they_are_on() {
    let town = Town::of(&[size(100, 0)]);
    let half = town.without(50, |it| matches!(it, Record::User(_)));
    let off = Settings { enabled: false, ..Settings::default() };
    let cleared = reviewed(&town.baseline, half.clone(), Circumstances::default(), &off);
    assert_eq!((cleared.holds().len(), cleared.applied().count(), cleared.losses().len()), (0, 50, 50));
    let snapshot = feed_of(half, night(1));
    let plan = plan::make(&town.baseline, Cause::Snapshot(&snapshot), night(1)).unwrap();
    let approved = review(plan, &town.baseline, &Settings::default(), Circumstances::default()).unwrap();
    assert_eq!((approved.holds().len(), approved.losses().len(), approved.proposal()), (0, 0, None));
}

/// An approval that is over counts no more, and who reviews it anew is told of it.
#[test]
fn a_hold_says_which_approval_is_over() {
    let town = Town::of(&[size(100, 0)]);
    let gone = town.without(11, |it| matches!(it, Record::User(_)));
    let limit = |decide: &dyn Fn(&mut Baseline)| {
        let mut baseline = town.baseline.clone();
        decide(&mut baseline);
        let cleared = reviewed(&baseline, gone.clone(), Circumstances::default(), &Settings::default());
        cleared.holds().iter().find(|it| it.group == "school:S0/users/removed").map(|it| it.limit.clone())
    };
    let decision = |number: usize, until, verdict, version: Option<&str>| {
        let (id, run) = (format!("U0-{number:04}"), format!("RUN{number}"));
        let version = version.map(Fingerprint::of);
        ((Kind::Users, id), Decision { verdict, version, until, run: run.as_str().into() })
    };
    let words = "over 10 % and over 10";
    assert_eq!(limit(&|_| {}).as_deref(), Some(words));
    let over = |baseline: &mut Baseline| {
        baseline.decisions.extend([
            decision(1, Some(night(0)), Verdict::Approved, None),
            decision(2, Some(night(0).plus(chrono::TimeDelta::hours(1))), Verdict::Approved, None),
            decision(3, Some(night(0)), Verdict::Approved, Some("another version")),
            decision(4, Some(night(0)), Verdict::Refused, Some("another version")),
        ]);
    };
    let at = "2025-10-06T08:00:00.000Z";
    let told = format!("{words}; 2 of them were approved with run RUN2, and that approval ended at {at}");
    assert_eq!(limit(&over), Some(told));
    let lasts = |baseline: &mut Baseline| {
        baseline.decisions.extend([decision(1, Some(night(1)), Verdict::Approved, None)]);
    };
    assert_eq!(limit(&lasts), None, "until its last instant it counts toward no limit");
    let another = |baseline: &mut Baseline| {
        baseline.decisions.extend([decision(1, Some(night(0)), Verdict::Approved, Some("another version"))]);
    };
    assert_eq!(limit(&another).as_deref(), Some(words));
}

/// A catalog that would take more seats than a night may is stopped; who gets the product in a combined license loses nothing.
#[test]
fn a_catalog_that_takes_too_many_seats_is_held() {
    let mut town = Town::of(&[size(100, 0), size(100, 0)]).with_seats();
    for (index, user) in town.baseline.roster.users.values_mut().enumerate() {
        user.grades = vec![if index < 100 { "03" } else { "04" }.to_owned()];
        if index == 0 {
            user.roles.push(Role { role: RoleName::Student, org: "S9".into(), primary: false, word: None });
        }
    }
    let now = night(1);
    let without = crate::allocate::allocate(crate::allocate::Input::of(&town.baseline, now));
    let groups = |extra: &str, settings: &Settings| {
        let text = format!(
            "[[product]]\ncode = \"math\"\nname = \"Math\"\naudience = \"student\"\nbasis = \"active\"\n{extra}\n\
             [[subscription]]\nid = \"SUB\"\ndistrict = \"oak\"\nproduct = \"math\"\nseats = 5000\nstarts_on = 2025-07-01\n\
             expires_on = 2026-06-30\nlicensed_to = \"Oak\"\n"
        );
        let mut after = town.baseline.clone();
        after.catalog = crate::catalog::parse(&text).unwrap();
        let with = crate::allocate::allocate(crate::allocate::Input::of(&after, now));
        let holds = contract(&town.baseline, &without, &with, settings);
        holds.into_iter().map(|it| (it.group, it.count, it.of, it.affected)).collect::<Vec<_>>()
    };
    let third = "grades = [\"03\"]\n";
    let held = |group: &str, count, of| (format!("{group}/product:math/released"), count, of, count);
    assert_eq!(groups(third, &Settings::default()), [held("district", 100, 200), held("school:S1", 100, 100)]);
    assert_eq!(groups("", &Settings::default()), []);
    assert_eq!(groups(third, &Settings { enabled: false, ..Settings::default() }), []);
    let bundle = "[[product]]\ncode = \"all\"\nname = \"All\"\naudience = \"student\"\nbasis = \"active\"\nbundle = [\"math\"]\n\
                  grades = [\"03\"]\n\n[[subscription]]\nid = \"ALL\"\ndistrict = \"oak\"\nproduct = \"all\"\nseats = 5000\n\
                  starts_on = 2025-07-01\nexpires_on = 2026-06-30\nlicensed_to = \"Oak\"\n";
    assert_eq!(groups(&format!("\n{bundle}"), &Settings::default()), [], "they get it with `all`");
}
