//! How long a very large district takes. Run by hand, optimized:
//! `cargo test --lib --config 'profile.dev.package.rosterd.opt-level=3' allocate::tests::size -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use super::world::{World, allotment, class, product, subscription};
use crate::model::{Basis, RoleName};

/// Time this thread has spent on a processor, which a busy machine does not stretch.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

#[test]
#[ignore = "a measurement: a million students, some gigabytes"]
fn a_million_students_and_three_products() {
    let mut it = World::new();
    let schools: Vec<String> = (0..500).map(|number| format!("school-{number:04}")).collect();
    it.reading().basis = Basis::Enrolled;
    it.product(product("math"));
    it.product(product("science"));
    for (code, seats) in [("reading", 1_000_000), ("math", 900_000), ("science", 100_000)] {
        let mut sub = subscription(code, code, seats);
        sub.allotments = schools.iter().map(|school| allotment(school, seats / 1000)).collect();
        it.subscription(sub);
    }
    for number in 0..40_000 {
        it.roster.put(crate::model::Record::Class(class(&format!("class-{number:06}"), &[]).into()));
    }
    for number in 0..1_000_000_usize {
        let id = format!("student-{number:07}");
        let school = schools[number % schools.len()].as_str();
        let other = schools[(number * 7) % schools.len()].as_str();
        let own = if number.is_multiple_of(10) { vec![school, other] } else { vec![school] };
        it.student(&id, &own);
        for place in 0..3 {
            it.enroll(&id, &format!("class-{:06}", (number + place * 1000) % 40_000), RoleName::Student);
        }
    }
    // As the store does.
    it.roster.share_ids();
    for night in ["2026-10-05", "2026-10-06", "2026-10-07"] {
        it.night(night);
        let (start, busy) = (Instant::now(), cpu());
        let outcome = it.run();
        let (took, busy) = (start.elapsed(), cpu().saturating_sub(busy));
        eprintln!("{night}: {took:?}, on the processor {busy:?}, {} changes", outcome.changes.len());
        it.keep(&outcome);
        eprintln!("{} seats, {} waiting", it.seats.len(), it.waiting.len());
        assert_eq!(it.seats.len() + it.waiting.len(), 3_000_000);
    }
}
