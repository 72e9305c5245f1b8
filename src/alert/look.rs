//! One look at a district when a run is done with it.

use std::collections::BTreeMap;

use crate::allocate::{License, Outlook};
use crate::model::{Baseline, DistrictMode, ProductCode, Proposal, SourceMark, Timestamp};

use super::{Evaluation, Facts, Kept, Pause, evaluate, keep, watch};

/// What of a district a run may have changed.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// `rosterd licenses --by-school`.
    pub rows: &'a [License],
    /// What the contract says beyond its numbers.
    pub outlook: &'a BTreeMap<ProductCode, Outlook>,
    /// The district's name as the feed has it; none if it has no district or more than one.
    pub name: Option<&'a str>,
    /// Where the roster in use came from; none before the first and for a district without a feed.
    pub source: Option<&'a SourceMark>,
    /// Changes that wait for a person.
    pub held: usize,
    /// What they look like, and the mode that would see the district through it.
    pub proposal: Option<&'a Proposal>,
}

/// What happens to the alerts of `baseline`, and what is kept of today for their forecasts.
pub fn look(baseline: &Baseline, as_of: Timestamp, seen: Seen<'_>) -> (Evaluation, Kept) {
    let Seen { rows, outlook, name, source, held, proposal } = seen;
    let (district, zone) = (&baseline.state.id, baseline.state.time_zone);
    let pauses = baseline.modes.spans(DistrictMode::Paused, as_of, zone);
    let pauses: Vec<Pause> = pauses.into_iter().map(|(from, until)| Pause { from, until }).collect();
    let facts = Facts {
        district,
        zone,
        as_of,
        rows,
        outlook,
        catalog: &baseline.catalog,
        vanished: &baseline.vanished,
        name,
        source,
        pauses: &pauses,
        disconnected: baseline.disconnected.as_ref(),
        held,
        proposal,
        daily: &baseline.daily,
    };
    let kept = keep(&baseline.daily, rows, as_of.date_in(zone));
    (evaluate(&baseline.alerts, watch(&facts), district, as_of), kept)
}
