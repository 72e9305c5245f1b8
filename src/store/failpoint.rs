//! Named places where a crash test kills the process. Only in builds with debug assertions: a release has none.

/// Aborts here if `ROSTERD_FAILPOINT` is `name`, or `name@N` for the N-th time the place is reached.
#[cfg(debug_assertions)]
pub(crate) fn failpoint(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static HITS: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("ROSTERD_FAILPOINT").ok()?;
        Some(match text.split_once('@') {
            Some((name, nth)) => (name.to_owned(), nth.parse().unwrap_or(1)),
            None => (text, 1),
        })
    });
    if let Some((place, nth)) = wanted
        && place == name
        && HITS.fetch_add(1, Ordering::SeqCst) + 1 == *nth
    {
        std::process::abort();
    }
}

/// Does nothing in a release.
#[cfg(not(debug_assertions))]
pub(crate) fn failpoint(_name: &str) {}
