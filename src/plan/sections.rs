//! Which class an id means (safety.md, Identity): a class whose sessions all changed is the old one archived and a new one, since
//! some sources use the ids of last term's sections again (P19).

use std::borrow::Cow;
use std::sync::Arc;

use crate::model::{Baseline, Class, Kind, SourceId, Warning};
use crate::snapshot::{Presence, Seen, Snapshot};

/// The classes of a snapshot, each with the instance of its id.
pub(super) struct Following<'a> {
    pub(super) seen: Cow<'a, Seen<Class>>,
    /// Those that wait for a snapshot that tells who is in them.
    pub(super) warning: Option<Warning>,
}

/// Looks up which use of its id each class is. A snapshot that may not remove anything cannot end the old class with its
/// enrollments, so the old one stays until a complete one comes.
pub(super) fn following<'a>(baseline: &Baseline, snapshot: &'a Snapshot) -> Following<'a> {
    let mut seen = Cow::Borrowed(&snapshot.classes);
    let mut waiting = Vec::new();
    for (id, presence) in &snapshot.classes {
        let Presence::This(new) = presence else { continue };
        let active = baseline.roster.classes.get(id);
        let Some(old) = active.or_else(|| baseline.former.classes.get(id)) else { continue };
        let same = is_same(baseline, snapshot, old, new);
        let of_use = |instance: u32| Presence::This(Arc::new(Class { instance, ..Class::clone(new) }));
        let told = match (same, active.is_some() && !snapshot.complete()) {
            (true, _) if old.instance == new.instance => continue,
            (true, _) => of_use(old.instance),
            (false, false) => of_use(old.instance.saturating_add(1)),
            (false, true) => {
                waiting.push(id.to_string());
                Presence::Unchanged
            }
        };
        seen.to_mut().insert(id.clone(), told);
    }
    let warning = (!waiting.is_empty()).then(|| Warning {
        code: "class_of_another_term".to_owned(),
        kind: Some(Kind::Classes),
        count: u64::try_from(waiting.len()).unwrap_or(u64::MAX),
        message: "ids of classes stand for classes of other terms now; they are taken up by the next complete snapshot"
            .to_owned(),
        ids: waiting.into_iter().take(5).collect(),
    });
    Following { seen, warning }
}

/// Whether two classes of one id are of one term at least, or one of them names none.
fn is_same(baseline: &Baseline, snapshot: &Snapshot, old: &Class, new: &Class) -> bool {
    if old.sessions.is_empty() || new.sessions.is_empty() {
        return true;
    }
    let known = |id: &SourceId| baseline.roster.sessions.get(id);
    let told = |id: &SourceId| match snapshot.sessions.get(id) {
        Some(Presence::This(session)) => Some(&**session),
        Some(Presence::Unchanged | Presence::Unusable | Presence::Gone) | None => known(id),
    };
    old.sessions.iter().any(|was| {
        new.sessions.iter().any(|is| match (known(was), told(is)) {
            (Some(one), Some(other)) => one.is_same_term(other),
            _ => was == is,
        })
    })
}
