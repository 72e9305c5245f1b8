//! A maximum flow of the simplest kind, to hold placement against.

use std::collections::BTreeMap;

/// Whether all of `people`, each with the pools they may draw from, can be seated together: `rooms` by pool, a site license
/// without limit and outside the total, everything else within `total`.
pub(super) fn seatable(people: &[Vec<String>], rooms: &BTreeMap<String, u32>, site: Option<&str>, total: u32) -> bool {
    let mut names: Vec<&str> = rooms.keys().map(String::as_str).filter(|name| Some(*name) != site).collect();
    names.extend(site);
    let (source, whole, sink) = (0, 1, 2);
    let person = |index: usize| 3 + index;
    let pool = |index: usize| 3 + people.len() + index;
    let size = 3 + people.len() + names.len();
    let mut left = vec![vec![0u32; size]; size];
    for (index, own) in people.iter().enumerate() {
        left[source][person(index)] = 1;
        for (other, name) in names.iter().enumerate() {
            left[person(index)][pool(other)] = u32::from(own.iter().any(|it| it == name));
        }
    }
    for (index, name) in names.iter().enumerate() {
        if Some(*name) == site {
            left[pool(index)][sink] = u32::MAX / 2;
        } else {
            left[pool(index)][whole] = rooms[*name];
        }
    }
    left[whole][sink] = total;
    let mut flow = 0;
    while push(&mut left, source, sink) {
        flow += 1;
    }
    flow == people.len()
}

/// Sends one unit along any path with something left.
fn push(left: &mut [Vec<u32>], source: usize, sink: usize) -> bool {
    let mut came_from = vec![None; left.len()];
    let mut stack = vec![source];
    while let Some(node) = stack.pop() {
        for next in 0..left.len() {
            if left[node][next] > 0 && next != source && came_from[next].is_none() {
                came_from[next] = Some(node);
                stack.push(next);
            }
        }
    }
    let mut node = sink;
    while let Some(from) = came_from[node] {
        left[from][node] -= 1;
        left[node][from] += 1;
        node = from;
    }
    node == source
}

#[test]
fn two_people_cannot_share_the_one_seat_both_need() {
    let rooms = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 1)]);
    let people = |pools: &[&[&str]]| -> Vec<Vec<String>> {
        pools.iter().map(|own| own.iter().map(|it| (*it).to_owned()).collect()).collect()
    };
    assert!(seatable(&people(&[&["a", "b"], &["a"]]), &rooms, None, 2));
    assert!(!seatable(&people(&[&["a"], &["a"]]), &rooms, None, 2));
    assert!(!seatable(&people(&[&["a"], &["b"]]), &rooms, None, 1));
    assert!(seatable(&people(&[&["c"], &["c", "a"], &["a"]]), &rooms, Some("c"), 1));
}
