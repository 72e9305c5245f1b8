//! Allotments that no school of the roster answers to: no mistake of the catalog, since a roster may come later, but told.

use crate::model::{Roster, Subscription};

/// The schools that a subscription allots seats to and the roster lacks, as they are written; each goes by its source id,
/// identifier or NCES number. None while there is no roster to compare with.
pub fn unknown_schools<'a>(subscription: &'a Subscription, roster: &Roster) -> Vec<&'a str> {
    let known = |name: &str| {
        let goes_by = |id: Option<&str>| id == Some(name);
        let mut schools = roster.schools.values();
        schools
            .any(|it| goes_by(Some(it.id.as_str())) || goes_by(it.identifier.as_deref()) || goes_by(it.nces.as_deref()))
    };
    let named = subscription.allotments.iter().map(|it| it.school.as_str());
    named.filter(|name| !roster.schools.is_empty() && !known(name)).collect()
}
