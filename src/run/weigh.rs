//! Plan and guard, with what an id that is someone else's now must not inherit (P19).

use crate::guard::{self, Circumstances, Cleared};
use crate::identity::{self, Anew};
use crate::model::{Baseline, Timestamp};
use crate::plan::{self, Cause};
use crate::run::RunError;

/// Plans and reviews. Where an id that is someone else's now applies, because a person approved it, it is planned anew on a
/// baseline without what the former one had; that is the second value, for apply to end.
pub(crate) fn weigh(
    baseline: &mut Baseline,
    cause: Cause<'_>,
    as_of: Timestamp,
    limits: &guard::Settings,
    circumstances: Circumstances<'_>,
) -> Result<(Cleared, Anew), RunError> {
    let cleared = guard::review(plan::make(baseline, cause, as_of)?, baseline, limits, circumstances)?;
    let strangers = cleared.strangers();
    if strangers.is_empty() {
        return Ok((cleared, Anew::default()));
    }
    let anew = identity::begin_anew(baseline, strangers);
    let cleared = guard::review(plan::make(baseline, cause, as_of)?, baseline, limits, circumstances)?;
    Ok((cleared, anew))
}
