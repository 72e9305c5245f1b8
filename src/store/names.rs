//! Faults name rows as the audit names them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::audit::{Entry, Fold, PSEUDONYM_PREFIX};

/// The names in faults, to be shown as the audit shows them: that is safe by what the audit is, and an id that never stood
/// there stays a keyed hash, whatever it is.
pub(super) struct Names {
    wanted: BTreeSet<String>,
    shown: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn in_faults(faults: &[String]) -> Self {
        let name = |rest: &str| {
            let digits: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
            format!("{PSEUDONYM_PREFIX}{digits}")
        };
        let wanted = faults
            .iter()
            .flat_map(|fault| fault.split(PSEUDONYM_PREFIX).skip(1).map(name).collect::<Vec<_>>())
            .collect();
        Self { wanted, shown: BTreeMap::new() }
    }

    /// Whether some are not yet known.
    pub(super) fn are_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// What an entry shows of them.
    pub(super) fn learn(&mut self, entry: &Entry, fold: &Fold) {
        let parts: Vec<String> =
            if let Ok((user, class, _)) = serde_json::from_str::<(String, String, Value)>(&entry.id) {
                vec![user, class]
            } else {
                let target = entry.id.split_once('/').map(|(_, target)| target);
                let of_class = target.and_then(|it| it.strip_prefix("class:"));
                [Some(entry.id.as_str()), target, of_class].into_iter().flatten().map(str::to_owned).collect()
            };
        for id in parts {
            let name = fold.name(&id);
            if name != id && self.wanted.remove(&name) {
                self.shown.insert(name, id);
            }
        }
    }

    pub(super) fn shown(&self, fault: &str) -> String {
        self.shown.iter().fold(fault.to_owned(), |text, (name, id)| text.replace(name, id))
    }
}
