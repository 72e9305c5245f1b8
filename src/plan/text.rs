//! A plan for people: what an operator reads before saying yes. Personal values never stand here, only the fields' names.

use std::fmt;

use crate::allocate::{SeatAction, SeatChange};
use crate::model::Verb;
use crate::plan::Change;

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.verb {
            Verb::Added => '+',
            Verb::Restored => '^',
            Verb::Changed => '~',
            Verb::Removed => '-',
        };
        write!(f, "{sign} {} {}", self.kind.singular(), self.id)?;
        for (index, field) in self.fields.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            if field.personal {
                write!(f, "{} (personal)", field.field)?;
            } else {
                write!(f, "{} {} -> {}", field.field, field.before, field.after)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for SeatChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product, user, action } = self;
        match action {
            SeatAction::Granted { pool } => write!(f, "+ seat {product}/{user} from {pool}"),
            SeatAction::Released { pool, reason, .. } => {
                let reason = serde_json::to_string(reason).unwrap_or_default();
                write!(f, "- seat {product}/{user} back to {pool} ({})", reason.trim_matches('"'))
            }
            SeatAction::Moved { from, to } => {
                write!(f, "> seat {product}/{user} from {from} to {to}")
            }
            SeatAction::Passed { account, from, to } => {
                write!(f, "> seat {product}/{user} from {from} to {to}, now of {account}")
            }
            SeatAction::Carried { pool, renews } => {
                write!(f, "+ seat {product}/{user} from {pool}, carried over from {renews}")
            }
            SeatAction::Leaving { since } => {
                write!(f, "? seat {product}/{user} leaving since {since}")
            }
            SeatAction::Stayed => write!(f, "= seat {product}/{user} stays"),
            SeatAction::Waiting { short_of } => {
                write!(f, "… wait {product}/{user}, short of {short_of}")
            }
            SeatAction::WaitingEnded => write!(f, "= wait {product}/{user} ended"),
        }
    }
}
