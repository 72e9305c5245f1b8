//! Placement alone, with more contention than a whole district brings.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::flow::seatable;
use crate::allocate::pools::{Placement, Slot};

const POOLS: usize = 5;

fn choice() -> impl Strategy<Value = Vec<usize>> {
    proptest::sample::subsequence((0..POOLS).collect::<Vec<_>>(), 1..=3).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    /// Law 5, for any graph: kept seats first, then newcomers in order, the total and a site license included.
    #[test]
    fn each_is_placed_exactly_if_the_flow_grows(
        sizes in proptest::collection::vec(0..3u32, POOLS),
        has_site in any::<bool>(),
        kept in proptest::collection::vec((choice(), any::<bool>()), 0..6),
        new in proptest::collection::vec(choice(), 0..12),
        spare in 0..8usize,
    ) {
        let site = has_site.then_some(POOLS - 1);
        let slot = |(index, size): (usize, &u32)| Slot {
            seats: (Some(index) != site).then(|| usize::try_from(*size).unwrap()),
            counted: Some(index) != site,
        };
        let slots = sizes.iter().enumerate().map(slot).collect();
        let all: Vec<Vec<usize>> = kept.iter().map(|it| it.0.clone()).chain(new.clone()).collect();
        let rooms: BTreeMap<String, u32> =
            sizes.iter().enumerate().map(|(index, size)| (index.to_string(), *size)).collect();
        let site_name = site.map(|index| index.to_string());
        let fits = |seated: &[usize], total: u32| {
            let people: Vec<Vec<String>> = seated.iter()
                .map(|one| all[*one].iter().map(ToString::to_string).collect())
                .collect();
            seatable(&people, &rooms, site_name.as_deref(), total)
        };

        let mut placement = Placement::new(slots, all.clone(), all.len());
        let mut seated: Vec<usize> = Vec::new();
        let mut restless = Vec::new();
        for (one, (own, at_home)) in kept.iter().enumerate() {
            if *at_home && placement.stay(one, one, own[0]) { seated.push(one) } else { restless.push(one) }
        }
        let mut stranded = 0;
        for one in restless {
            let more = [seated.as_slice(), &[one]].concat();
            let expected = fits(&more, u32::MAX);
            prop_assert_eq!(placement.seat(one, one), expected, "kept {}", one);
            if expected { seated = more } else { stranded += 1 }
        }
        let counted = seated.iter().filter(|one| placement.place(**one) != site).count();
        let limit = counted + stranded + spare;
        placement.limit(Some(limit), counted + stranded);
        for one in kept.len()..all.len() {
            let more = [seated.as_slice(), &[one]].concat();
            let expected = fits(&more, u32::try_from(limit - stranded).unwrap());
            prop_assert_eq!(placement.seat(one, one), expected, "new {}", one);
            if expected { seated = more }
        }

        let mut used = [0; POOLS];
        for one in &seated {
            let place = placement.place(*one).unwrap();
            prop_assert!(all[*one].contains(&place), "{} sits where they may not", one);
            used[place] += 1;
        }
        for (index, used) in used.iter().enumerate() {
            prop_assert!(Some(index) == site || *used <= sizes[index], "pool {} overflows", index);
        }
    }
}

#[test]
fn a_seat_someone_had_before_moves_only_if_no_newcomer_can() {
    let slot = Slot { seats: Some(1), counted: true };
    // 0 has a seat in pool 0 and could move to 3; 1 came tonight, sits in 1 and could move to 2, then to 3.
    let choices = vec![vec![0, 3], vec![1, 2], vec![0, 1], vec![2, 3]];
    let mut placement = Placement::new(vec![slot; 4], choices, 4);
    assert!(placement.stay(0, 0, 0));
    placement.limit(None, 1);
    assert!(placement.seat(1, 1) && placement.seat(3, 3) && placement.seat(2, 2));
    assert_eq!([0, 1, 2, 3].map(|one| placement.place(one)), [Some(0), Some(2), Some(1), Some(3)]);
}

/// Whoever moves to a site license to make room in the total leaves room in the pool too.
#[test]
fn who_moves_to_a_site_license_leaves_room_in_the_pool() {
    let of = |seats: usize| Slot { seats: Some(seats), counted: true };
    // Two have seats in pools 0 and 1 and could move to the site license; one wants pool 2 alone, another pool 0 alone.
    let slots = vec![of(1), of(1), of(5), Slot { seats: None, counted: false }];
    let choices = vec![vec![0, 3], vec![1, 3], vec![2], vec![0]];
    let mut placement = Placement::new(slots, choices, 4);
    assert!(placement.stay(0, 0, 0) && placement.stay(1, 1, 1));
    placement.limit(Some(2), 2);
    assert!(placement.seat(2, 2) && placement.seat(3, 3));
    assert_eq!([0, 1, 2, 3].map(|one| placement.place(one)), [Some(3), Some(3), Some(2), Some(0)]);
}
