//! Who must act on the first broken link, what to do, and a sentence to paste into a ticket.

use crate::allocate::Demand;
use crate::model::ReleaseReason;

use super::{Case, LinkName, Who};

impl Case<'_> {
    /// Who must act, and what to do.
    pub(super) fn remedy(&self, broken: Option<LinkName>) -> (Who, String) {
        let Some(broken) = broken else {
            return (Who::Nobody, "nothing to do: the user has a seat and may use it".to_owned());
        };
        let from_source = matches!(broken, LinkName::Known | LinkName::Class | LinkName::Role | LinkName::Demand);
        if self.stands_still() && from_source {
            let (_, then) = if broken == LinkName::Known { self.unknown() } else { self.no_demand() };
            let todo = "end the mode that keeps everything the source says back (`rosterd district mode DISTRICT normal`), and sync";
            return (Who::Vendor, format!("{todo}; if it is still so then, {then}"));
        }
        let (who, todo) = match broken {
            LinkName::Known => self.unknown(),
            LinkName::RowValid => (Who::Source, "correct the row in the school's records; the next sync takes it up"),
            LinkName::Class => {
                (Who::Source, "enroll the user in a class that runs now, or correct the dates of the class")
            }
            LinkName::Demand => self.no_demand(),
            LinkName::Review if self.held.is_empty() && self.mode().is_some() => (
                Who::Vendor,
                "wait for the last day of the mode, or end it: `rosterd district mode DISTRICT normal`, then sync",
            ),
            LinkName::Review if self.held.is_empty() => {
                (Who::Nobody, "nothing to do: the first sync after the quiet hours applies it")
            }
            LinkName::Review => (
                Who::Vendor,
                "decide on what is held: `rosterd runs show RUN --affected`, then `rosterd runs approve` or `reject`",
            ),
            LinkName::Role => {
                (Who::Source, "check the user's role in the school's records against what the product is for")
            }
            LinkName::Seats => (
                Who::District,
                "review who has seats, remove inactive users or adjust roles, or ask the vendor for more seats (S3.33)",
            ),
            LinkName::Activation => {
                (Who::Vendor, "activate the product for the district: a subscription that has begun")
            }
            LinkName::Seat => (Who::Nobody, "the next allocation decides; `rosterd sync DISTRICT` makes one now"),
            LinkName::Contract => (Who::Vendor, "renew the subscription; every seat works again at once"),
        };
        (who, todo.to_owned())
    }

    fn unknown(&self) -> (Who, &'static str) {
        if self.stale() {
            return (
                Who::RosteringPlatform,
                "mend what made the latest sync fail (`rosterd runs list` tells it), and sync again",
            );
        }
        match self.removed() {
            Some(entry) if entry.reason.as_deref() == Some("tombstone") => {
                (Who::Source, "restore the record in the school's records if the deletion is wrong")
            }
            Some(_) => (
                Who::RosteringPlatform,
                "check that the user, whom the source no longer sends, is active there and shared with this application",
            ),
            None => (
                Who::RosteringPlatform,
                "check that the user, whom the source never sent, is recorded there and shared with this application",
            ),
        }
    }

    fn no_demand(&self) -> (Who, &'static str) {
        let Demand::None(reason) = self.examined.demand else {
            return (Who::Nobody, "the user opens the product once, which draws the seat");
        };
        match reason {
            ReleaseReason::Inactive => (Who::Source, "enable the account in the school's records"),
            ReleaseReason::Tombstone | ReleaseReason::Absent | ReleaseReason::Ended => {
                (Who::Source, "enroll the user in a class of this product that runs now")
            }
            ReleaseReason::Conditions => (
                Who::Source,
                "correct the role, grade, school or class named above in the school's records, or have the user pinned",
            ),
            ReleaseReason::AccessOff => {
                (Who::District, "switch the access of an educator of the class ON: `rosterd access set`")
            }
            ReleaseReason::Excluded => (Who::District, "take the exclude away: `rosterd override clear`"),
            ReleaseReason::Unassigned => (Who::District, "assign the product: `rosterd assign`"),
            ReleaseReason::Bundled => (Who::Nobody, "nothing to do: the combined license gives the product"),
            ReleaseReason::Erased => (Who::Nobody, "nothing to do: the user was erased"),
            ReleaseReason::Reverted => (Who::Vendor, "find out why the run was reverted"),
            ReleaseReason::Merged => (Who::Nobody, "nothing to do: the person has the seat on another account"),
            ReleaseReason::Reassigned | ReleaseReason::Reclaimed | ReleaseReason::Reused => {
                (Who::District, "assign the product: `rosterd assign`")
            }
            ReleaseReason::Expired => (Who::Vendor, "renew the subscription"),
        }
    }

    /// Ids only, so that it may leave the house.
    pub(super) fn ticket(&self, says: &str, todo: &str) -> String {
        let district = &self.question.baseline.state.id;
        let user = self.question.shown.user(self.question.user);
        let roster = self.question.baseline.state.source.as_ref().map(|it| format!(", roster of {}", it.pulled_at));
        // Who still has it is asked about, too: a link that is broken ends it one day.
        let has = if self.access() == "no" { "cannot use" } else { "can use, and will not for long," };
        format!(
            "User {user} of {district} {has} {}: {says}. Please {todo}. (As of {}{})",
            self.product.name,
            self.question.as_of,
            roster.unwrap_or_default()
        )
    }
}
