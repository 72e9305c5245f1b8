//! What `rosterd licenses` shows.

use super::world::{World, allotment, day, subscription};
use crate::allocate::{Percent, licenses};
use crate::model::{Level, Overage, Pool, Seat, SeatState, Seats, Timestamp};

/// So many seats in use of `reading`.
fn in_use(it: &mut World, count: u32) {
    for number in 0..count {
        let user = format!("u{number:04}");
        it.seats.insert(
            ("reading".into(), user.as_str().into()),
            Seat {
                product: "reading".into(),
                user: user.as_str().into(),
                pool: Pool::District,
                since: it.as_of,
                claimed_at: None,
                last_used_at: None,
                leaving: None,
                bridged: false,
                state: SeatState::Active,
            },
        );
    }
}

/// S4.7, S4.19, C9.
#[test]
fn a_thousand_seats_turn_yellow_at_the_threshold_and_red_at_the_limit() {
    // S4.19
    for (used, level) in [(949, Level::Green), (950, Level::Yellow), (1000, Level::Red)] {
        let mut it = World::seats(1000);
        it.sub().alert_remaining = Some(50);
        in_use(&mut it, used);
        assert_eq!(licenses(&it.baseline(), it.as_of, false)[0].level, level, "{used}");
    }
}

/// S3.7 to S3.9, S4.16, S4.21, S2.1.
#[test]
fn a_row_is_the_json_of_the_interface() {
    let mut it = World::seats(8);
    in_use(&mut it, 1);
    let rows = licenses(&it.baseline(), it.as_of, false);
    assert_eq!(
        serde_json::to_string(&rows).unwrap(),
        concat!(
            r#"[{"district":"d","product":"reading","pool":"sum","school":null,"total":8,"assigned":1,"bridged":0,"#,
            r#""available":7,"over":0,"waiting":0,"usage_percent":12.5,"utilization_percent":0.0,"level":"green","#,
            r#""alert_remaining":0,"status":"Active","access":"full","expires_on":"2027-06-30","licensed_to":null,"#,
            r#""as_of":"2026-10-05T08:00:00.000Z","roster_as_of":null,"created_on":null,"assigned_if_merged":1}]"#
        )
    );
}

/// S3.10, S3.17, C11.
#[test]
fn percentages_have_one_decimal_rounded_half_up_and_none_of_nothing() {
    let shown = |part, whole| Percent::of(part, whole).map(|it| it.to_string());
    assert_eq!(shown(1, 16), Some("6.3".to_owned()), "6.25");
    assert_eq!(shown(1, 3), Some("33.3".to_owned()));
    assert_eq!(shown(2, 3), Some("66.7".to_owned()));
    assert_eq!(shown(5, 4), Some("125.0".to_owned()));
    assert_eq!(shown(0, 0), None);
}

/// C12, S3.16, S4.17: an enabled account counts whether or not anyone uses it; recent use is another number.
#[test]
fn who_is_enabled_counts_and_who_logged_in_lately_is_told_apart() {
    let mut it = World::seats(10);
    it.students(&["ann", "ben", "cas", "dan"]);
    it.user("dan").active = false;
    it.settle();
    let used = |days: i64| Some(it.as_of.plus(chrono::TimeDelta::days(-days)));
    let (lately, long_ago) = (used(30), used(31));
    it.seat("ann").last_used_at = lately;
    it.seat("ben").last_used_at = long_ago;
    assert_eq!(it.settle(), super::world::NOTHING, "nobody loses a seat for not logging in");
    let row = licenses(&it.baseline(), it.as_of, false).remove(0);
    assert_eq!((row.assigned, row.utilization_percent.map(Percent::tenths)), (3, Some(333)), "1 of 3");
}

#[test]
fn each_school_has_its_row_and_its_share_of_the_threshold() {
    let mut it = World::seats(1000);
    it.sub().alert_remaining = Some(50);
    it.sub().allotments = vec![allotment("s1", 333), allotment("s2", 100)];
    let mut seen = Vec::new();
    for used in [315, 316] {
        it.seats.clear();
        in_use(&mut it, used);
        for seat in it.seats.values_mut() {
            seat.pool = Pool::School("s1".into());
        }
        let rows = licenses(&it.baseline(), it.as_of, true);
        let totals: Vec<_> = rows.iter().map(|row| row.total.unwrap()).collect();
        assert_eq!(totals, [1000, 333, 100, 567]);
        seen.push(rows[1].level);
    }
    assert_eq!(seen, [Level::Green, Level::Yellow], "16.65 seats round up to 17");
}

/// S4.9.
#[test]
fn the_default_threshold_goes_by_students_and_stays_under_a_tenth() {
    // S4.9
    let mut it = World::seats(1000);
    in_use(&mut it, 974);
    assert_eq!(licenses(&it.baseline(), it.as_of, false)[0].level, Level::Green, "25 for few");
    in_use(&mut it, 975);
    assert_eq!(licenses(&it.baseline(), it.as_of, false)[0].level, Level::Yellow);
    it.sub().seats = Seats::Count(984);
    in_use(&mut it, 975);
    it.sub().seats = Seats::Count(99);
    it.seats.clear();
    in_use(&mut it, 89);
    assert_eq!(licenses(&it.baseline(), it.as_of, false)[0].level, Level::Green, "9 of 99");
    in_use(&mut it, 90);
    assert_eq!(licenses(&it.baseline(), it.as_of, false)[0].level, Level::Yellow);
}

#[test]
fn without_limit_there_is_no_total_and_nothing_is_short() {
    let mut it = World::seats(0);
    it.sub().seats = Seats::Unlimited;
    it.students(&["ann", "ben"]);
    it.settle();
    let row = licenses(&it.baseline(), it.as_of, false).remove(0);
    assert_eq!((row.total, row.available, row.usage_percent), (None, None, None));
    assert_eq!((row.assigned, row.level), (2, Level::Green));
}

/// S4.13, S4.14, C10.
#[test]
fn after_expiry_the_last_total_is_shown_and_nothing_is_available() {
    let mut it = World::seats(10);
    it.students(&["ann"]);
    it.settle();
    let row = licenses(&it.baseline(), Timestamp::parse("2027-07-01T08:00:00Z").unwrap(), false).remove(0);
    assert_eq!((row.total, row.available), (Some(10), Some(0)));
    assert_eq!(serde_json::to_value(row.status).unwrap(), "Expired");
    assert_eq!(serde_json::to_value(row.access).unwrap(), "none");
}

/// S3.23, S4.22.
#[test]
fn while_a_renewal_overlaps_the_larger_counts_and_brings_its_allotments_along() {
    let mut it = World::seats(10);
    it.sub().allotments = vec![allotment("s1", 4)];
    let mut next = subscription("NEXT", "reading", 12);
    next.renews = Some("SUB".into());
    next.starts_on = day("2026-10-01");
    next.expires_on = day("2027-09-30");
    it.subscription(next);
    let totals: Vec<_> = licenses(&it.baseline(), it.as_of, true).iter().map(|row| row.total).collect();
    assert_eq!(totals, [Some(12), Some(4), Some(8)]);
}

/// S4.40, C1.
#[test]
fn overage_lets_some_in_for_some_days_of_a_spell_and_revokes_nobody() {
    // S4.40
    let mut it = World::seats(20);
    it.sub().overage = Overage::Allow { percent: 10, days: 14 };
    let ids: Vec<String> = (0..24).map(|number| format!("u{number:02}")).collect();
    it.students(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    it.settle();
    assert_eq!((it.seats.len(), it.waiting.len()), (22, 2));
    let row = licenses(&it.baseline(), it.as_of, false).remove(0);
    assert_eq!((row.total, row.over, row.level), (Some(20), 2, Level::Red));
    let leave = |it: &mut World| {
        let leaver = it.seats.keys().next().unwrap().1.clone();
        it.roster.users.remove(&leaver);
        it.settle();
        (it.seats.len(), it.waiting.len())
    };
    it.night("2026-10-19");
    assert_eq!(leave(&mut it), (22, 1), "the last day of the spell");
    it.night("2026-10-20");
    assert_eq!(leave(&mut it), (21, 1), "the days are over; who is over stays");
    it.night("2026-10-21");
    assert_eq!(leave(&mut it), (21, 0), "twenty stayed, so the spell ended and another one began");
}
