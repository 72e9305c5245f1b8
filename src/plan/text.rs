//! A plan for people: what an operator reads before saying yes. Personal values never stand here, only the fields' names.

use std::fmt;

use crate::allocate::{SeatAction, SeatChange};
use crate::model::Verb;
use crate::plan::Change;

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(&self.id()))
    }
}

impl Change {
    /// One line, with the id as it may be shown.
    pub fn line(&self, id: &str) -> String {
        let sign = match self.verb {
            Verb::Added => '+',
            Verb::Restored => '^',
            Verb::Changed => '~',
            Verb::Removed => '-',
        };
        let fields = self.fields.iter().map(|field| {
            if field.personal {
                format!("{} (personal)", field.field)
            } else {
                format!("{} {} -> {}", field.field, field.before, field.after)
            }
        });
        let fields: Vec<String> = fields.collect();
        let colon = if fields.is_empty() { "" } else { ": " };
        format!("{sign} {} {id}{colon}{}", self.kind.singular(), fields.join(", "))
    }
}

impl SeatChange {
    /// One line, with the user's id as it may be shown.
    pub fn line(&self, user: &str) -> String {
        let Self { product, action, .. } = self;
        match action {
            SeatAction::Granted { pool } => format!("+ seat {product}/{user} from {pool}"),
            SeatAction::Released { pool, reason, .. } => {
                let reason = serde_json::to_string(reason).unwrap_or_default();
                format!("- seat {product}/{user} back to {pool} ({})", reason.trim_matches('"'))
            }
            SeatAction::Moved { from, to } => {
                format!("> seat {product}/{user} from {from} to {to}")
            }
            SeatAction::Passed { account, from, to } => {
                format!("> seat {product}/{user} from {from} to {to}, now of {account}")
            }
            SeatAction::Carried { pool, renews } => {
                format!("+ seat {product}/{user} from {pool}, carried over from {renews}")
            }
            SeatAction::Leaving { since } => {
                format!("? seat {product}/{user} leaving since {since}")
            }
            SeatAction::Stayed => format!("= seat {product}/{user} stays"),
            SeatAction::Waiting { short_of } => {
                format!("… wait {product}/{user}, short of {short_of}")
            }
            SeatAction::WaitingEnded => format!("= wait {product}/{user} ended"),
        }
    }
}
