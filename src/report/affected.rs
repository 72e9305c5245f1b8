//! What a run holds, one row for each change, with the license consequence (safety.md, In review).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::allocate::SeatKey;
use crate::identity;
use crate::model::{Baseline, HeldChange, Kind, LinkKind, Record, Seat};
use crate::plan::Change;

/// One held change as `runs show --affected` and the HTTP side list it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Affected {
    /// The kind of record.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// What would change, in one line; personal fields by their names.
    pub change: String,
    /// The groups that hold it.
    pub groups: Vec<String>,
    /// What was decided.
    pub decision: Option<String>,
    /// Products whose seat the user of this change has now and would lose.
    pub seats: Vec<String>,
    /// The other id under which the same person leaves or comes, by strong keys (P16).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remap: Option<String>,
}

/// The columns of the list as CSV.
pub const COLUMNS: [&str; 7] = ["kind", "id", "change", "groups", "decision", "seats", "remap"];

impl Affected {
    /// Held changes with what was decided on each, looked at in the district as it is.
    pub fn list(held: Vec<(HeldChange, Option<String>)>, baseline: &Baseline) -> Result<Vec<Self>, serde_json::Error> {
        let remap: BTreeMap<String, String> = identity::proposals(baseline, &[])
            .into_iter()
            .filter(|it| it.kind == LinkKind::Rekeyed)
            .map(|it| (it.first.to_string(), it.second.to_string()))
            .flat_map(|(old, new)| [(old.clone(), new.clone()), (new, old)])
            .collect();
        let mut all = Self::rows(held, &baseline.seats)?;
        for it in all.iter_mut().filter(|it| it.kind == Kind::Users) {
            it.remap = remap.get(&it.id).cloned();
        }
        Ok(all)
    }

    /// The same of changes by themselves, with the `seats` of their users: no other id under which a person comes is looked for.
    pub fn rows(
        held: Vec<(HeldChange, Option<String>)>,
        seats: &BTreeMap<SeatKey, Seat>,
    ) -> Result<Vec<Self>, serde_json::Error> {
        let mut by_user = SeatsByUser::new();
        for ((product, user), seat) in seats {
            by_user.entry(user.as_str()).or_default().push((product.as_str(), seat.bridged));
        }
        held.into_iter().map(|(change, decision)| Self::of(&change, decision, &by_user)).collect()
    }

    fn of(held: &HeldChange, decision: Option<String>, seats: &SeatsByUser<'_>) -> Result<Self, serde_json::Error> {
        let read = |body: &Option<String>| body.as_deref().map(|body| Record::from_body(held.kind, body)).transpose();
        let change = Change::between(read(&held.before)?, read(&held.after)?, false, held.tombstone);
        let user = change.as_ref().and_then(|change| change.user().map(ToString::to_string)).unwrap_or_default();
        // A bridged seat is one that the whole plan would end (licensing.md, 7); a user who leaves loses every seat.
        let leaves = held.kind == Kind::Users && held.after.is_none();
        let seats = seats.get(user.as_str()).into_iter().flatten().filter(|(_, bridged)| leaves || *bridged);
        Ok(Self {
            kind: held.kind,
            id: held.id.clone(),
            change: change.map(|it| it.to_string()).unwrap_or_default(),
            groups: held.groups.iter().cloned().collect(),
            decision,
            seats: seats.map(|(product, _)| (*product).to_owned()).collect(),
            remap: None,
        })
    }

    /// The cells of its line, in the order of [`COLUMNS`].
    pub fn cells(&self) -> [String; 7] {
        [
            self.kind.to_string(),
            self.id.clone(),
            self.change.clone(),
            self.groups.join(" "),
            self.decision.clone().unwrap_or_default(),
            self.seats.join(" "),
            self.remap.clone().unwrap_or_default(),
        ]
    }
}

/// The products each user has a seat of, and whether it is bridged.
type SeatsByUser<'a> = BTreeMap<&'a str, Vec<(&'a str, bool)>>;
