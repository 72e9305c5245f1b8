//! The links, in the order of licensing.md: what the feed said, what the rules made of it, what the contract gives.

use crate::allocate::{ClassSeen, Coverage, Demand, Standing};
use crate::audit::Entry;
use crate::model::{
    Access, Baseline, Basis, DistrictMode, HeldChange, Kind, ModeEntry, OverrideKind, Product, ReleaseReason,
    RunStatus, SourceId,
};

use super::{Case, Link, LinkName};

/// Changes of the open review that are about the user, their enrollments or their classes.
pub(super) fn held<'a>(baseline: &'a Baseline, user: &SourceId) -> Vec<&'a HeldChange> {
    baseline.review.as_ref().map(|review| about(baseline, user, &review.changes)).unwrap_or_default()
}

fn about<'a>(baseline: &Baseline, user: &SourceId, changes: &'a [HeldChange]) -> Vec<&'a HeldChange> {
    let about = |change: &&HeldChange| match change.kind {
        Kind::Users | Kind::Enrollments => change.user().is_some_and(|it| it == *user),
        Kind::Classes => baseline.roster.enrollments.of(user).any(|it| it.class.as_str() == change.id),
        Kind::Schools | Kind::Sessions | Kind::Courses => false,
    };
    changes.iter().filter(about).collect()
}

/// Whether an entry about the user leads to the answer for this product: those of other products do not.
pub(super) fn concerns(entry: &Entry, product: &Product) -> bool {
    match entry.entity.as_str() {
        "user" | "enrollment" => true,
        _ => entry.id.split_once('/').is_some_and(|(code, _)| code == product.code.as_str()),
    }
}

fn link(link: LinkName, ok: Option<bool>, says: impl Into<String>) -> Link {
    Link { link, ok, says: says.into(), conditions: Vec::new(), classes: Vec::new() }
}

impl Case<'_> {
    /// All links.
    pub(super) fn chain(&self) -> Vec<Link> {
        vec![
            self.known(),
            self.row_valid(),
            self.class(),
            self.demand(),
            self.review(),
            self.role(),
            self.seats(),
            self.activation(),
            self.seat(),
            self.contract(),
        ]
    }

    pub(super) fn is_known(&self) -> bool {
        self.question.baseline.roster.users.contains_key(self.question.user)
    }

    /// The latest entry that took the user off the roster.
    pub(super) fn removed(&self) -> Option<&Entry> {
        let mut entries = self.question.audit.iter().filter(|it| it.entity == "user");
        entries.next_back().filter(|it| it.action == "user.removed")
    }

    /// The latest sync failed, so the roster in use is an older one (U23).
    pub(super) fn stale(&self) -> bool {
        self.last_sync().is_some_and(|it| it.status == RunStatus::Failed)
    }

    fn known(&self) -> Link {
        let seen = match self.question.baseline.state.source.as_ref() {
            Some(it) => format!("the roster in use was pulled at {}", it.pulled_at),
            None => "no complete roster has been applied yet".to_owned(),
        };
        let trouble = if self.stale() { "; the latest sync failed" } else { "" };
        let still = self.mode().filter(|_| self.stands_still()).map(|mode| format!("; {mode}")).unwrap_or_default();
        let trouble = format!("{trouble}{still}");
        let says = if self.is_known() {
            format!("in the roster; {seen}{trouble}")
        } else if let Some(entry) = self.removed() {
            let why = entry.reason.as_deref().unwrap_or("absent from a complete pull");
            format!(
                "was in the roster, and left it at {} ({why}; audit entry {}); {seen}{trouble}",
                entry.at, entry.seq
            )
        } else {
            format!("never in the roster; {seen}{trouble}")
        };
        link(LinkName::Known, Some(self.is_known()), says)
    }

    fn row_valid(&self) -> Link {
        let name = LinkName::RowValid;
        let pulled = self.question.runs.iter().find_map(|it| Some((it, it.snapshot.as_ref()?)));
        let Some((run, snapshot)) = pulled else { return link(name, None, "no pull to look at") };
        let shown = self.question.shown.user(self.question.user);
        let warned = snapshot.warnings.iter().find(|warning| {
            warning.code.contains("invalid")
                && warning.ids.iter().any(|id| *id == shown || id == self.question.user.as_str())
        });
        match warned {
            Some(warning) => {
                let says = format!(
                    "the pull of run {} could not use this row, so its last good state counts: {}",
                    run.run, warning.message
                );
                link(name, Some(false), says)
            }
            None if snapshot.invalid == 0 => link(name, Some(true), "every row of the last pull could be used"),
            None => {
                let says = format!(
                    "{} rows of the last pull could not be used; this one is not among the examples of run {}",
                    snapshot.invalid, run.run
                );
                link(name, Some(true), says)
            }
        }
    }

    fn class(&self) -> Link {
        let classes = &self.examined.classes;
        let asks = matches!(self.product.basis, Basis::Enrolled);
        let running = classes.iter().filter(|it| it.standing == Standing::Running).count();
        let says = if !self.is_known() {
            "nothing to look at".to_owned()
        } else if classes.is_empty() {
            "in no class".to_owned()
        } else {
            let told: Vec<String> = classes.iter().take(12).map(|it| self.one_class(it)).collect();
            let more = classes.len().saturating_sub(told.len());
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            format!("{running} of {} classes run today: {}{more}", classes.len(), told.join("; "))
        };
        let ok = (asks && self.is_known()).then_some(running > 0 || self.examined.demand == Demand::Lasts);
        let says = if asks { says } else { format!("the product does not ask for classes; {says}") };
        Link { classes: classes.clone(), ..link(LinkName::Class, ok, says) }
    }

    fn one_class(&self, it: &ClassSeen) -> String {
        let id = self.question.shown.id(&it.class);
        let when = match it.standing {
            Standing::Running => "runs".to_owned(),
            Standing::NotBegun => it.begins.map_or_else(|| "has not begun".to_owned(), |day| format!("begins {day}")),
            Standing::Ended => "has ended for this user".to_owned(),
            Standing::YearOver => "its school year is over".to_owned(),
            Standing::NoClass => "the class is not in the roster".to_owned(),
        };
        match it.reason {
            Some(ReleaseReason::Conditions) => format!("{id} {when}, but does not meet the product's conditions"),
            Some(ReleaseReason::AccessOff) => format!("{id} {when}, but every teacher's access is OFF"),
            _ => format!("{id} {when}"),
        }
    }

    fn demand(&self) -> Link {
        let name = LinkName::Demand;
        let conditions = self.examined.conditions.clone();
        if !self.is_known() {
            return Link { conditions, ..link(name, None, "nothing to look at") };
        }
        let (ok, says) = match self.examined.demand {
            Demand::Pinned => (true, "pinned by a person, whatever the rule says"),
            Demand::Wanted => (true, "wants a seat"),
            Demand::Lasts => (true, "the school year is over; a seat that is there lasts until the contract ends"),
            Demand::Opened if self.seat.is_some() => (true, "may have a seat, and has one"),
            Demand::Opened => {
                (false, "may have a seat and gets one at the first opening of the product, which was not yet")
            }
            Demand::None(reason) => (false, why_not(reason)),
        };
        let decided = match self.examined.decided {
            Some(OverrideKind::Pin) if self.examined.demand != Demand::Pinned => "; pinned by a person",
            Some(OverrideKind::Pin | OverrideKind::Exclude) | None => "",
        };
        let bundle = self.examined.bundle.as_ref().map(|code| format!("; has `{code}`, which contains it"));
        let says = format!("{says}{decided}{}", bundle.unwrap_or_default());
        Link { conditions, ..link(name, Some(ok), says) }
    }

    /// What the district's mode or its quiet hours do to what the source says, in words; none where syncs apply as usual.
    pub(super) fn mode(&self) -> Option<String> {
        self.in_mode().filter(|it| it.mode != DistrictMode::Normal).map(|it| match it.mode {
            DistrictMode::Paused => format!("the source is not asked at all: {it}"),
            DistrictMode::PlanOnly => format!("syncs plan and apply nothing: {it}"),
            DistrictMode::NoRemovals | DistrictMode::Normal => format!("syncs take nothing away: {it}"),
        })
    }

    fn in_mode(&self) -> Option<&ModeEntry> {
        let baseline = self.question.baseline;
        baseline.modes.at(self.question.as_of, baseline.state.time_zone)
    }

    /// Whether nothing of what the source says applies at all.
    pub(super) fn stands_still(&self) -> bool {
        self.in_mode().is_some_and(|it| matches!(it.mode, DistrictMode::Paused | DistrictMode::PlanOnly))
    }

    /// Changes about the user that nobody is asked about and that wait for the end of a mode or of quiet hours.
    pub(super) fn kept_back(&self) -> usize {
        about(self.question.baseline, self.question.user, &self.question.baseline.kept_back).len()
    }

    fn review(&self) -> Link {
        let name = LinkName::Review;
        let kept = self.kept_back();
        if self.held.is_empty() && kept > 0 {
            let why = self.mode().unwrap_or_else(|| "quiet hours".to_owned());
            let says = format!("{kept} changes about this user are kept back and their seats bridged: {why}");
            return link(name, Some(false), says);
        }
        if let Some(mode) = self.mode().filter(|_| self.held.is_empty()) {
            return link(name, Some(true), format!("nothing known about this user waits for a decision; {mode}"));
        }
        let Some(review) = self.question.baseline.review.as_ref().filter(|_| !self.held.is_empty()) else {
            return link(name, Some(true), "nothing about this user waits for a decision");
        };
        let mut groups: Vec<&str> = self.held.iter().flat_map(|it| &it.groups).map(String::as_str).collect();
        groups.sort_unstable();
        groups.dedup();
        let says = format!(
            "{} changes about this user are held in run {} ({}); until a decision the last state counts",
            self.held.len(),
            review.run,
            groups.join(", ")
        );
        link(name, Some(false), says)
    }

    fn role(&self) -> Link {
        let name = LinkName::Role;
        let asked = || self.examined.conditions.iter().filter(|it| matches!(it.condition, "audience" | "roles"));
        let Some(first) = asked().find(|it| !it.met).or_else(|| asked().next_back()) else {
            return link(name, None, "nothing to look at");
        };
        let list = |words: &[String]| if words.is_empty() { "none".to_owned() } else { words.join(", ") };
        let says = format!("has {}; the product is for {}", list(&first.saw), list(&first.wanted));
        link(name, Some(first.met), says)
    }

    fn seats(&self) -> Link {
        let name = LinkName::Seats;
        let Some(sum) = &self.total else { return link(name, None, "no seats were ever bought; see activation") };
        let says = match sum.total {
            None => format!("unlimited; {} assigned", sum.assigned),
            Some(total) => {
                let free = total.saturating_sub(sum.assigned);
                let pool = self.line.as_ref().filter(|_| free > 0).map(|it| {
                    format!("; none of the {free} free ones is in a pool of this user, first `{}`", it.short_of)
                });
                format!(
                    "{} of {total} assigned, {} waiting{}; who has a seat keeps it, the others are served in the published order",
                    sum.assigned,
                    sum.waiting,
                    pool.unwrap_or_default()
                )
            }
        };
        let enough = self.seat.is_some() || (self.line.is_none() && sum.total.is_none_or(|total| sum.assigned < total));
        let covered = self.examined.coverage == Coverage::Covered;
        link(name, covered.then_some(enough), says)
    }

    fn activation(&self) -> Link {
        let activated = self.examined.coverage != Coverage::NotActivated;
        let says = match (&self.total, activated) {
            (_, true) => "the district has the product".to_owned(),
            (Some(sum), false) if sum.access == Access::Upcoming => "the subscription has not begun".to_owned(),
            (_, false) => "the district has no subscription of the product".to_owned(),
        };
        link(LinkName::Activation, Some(activated), says)
    }

    fn seat(&self) -> Link {
        let name = LinkName::Seat;
        if let Some(seat) = &self.seat {
            let used = match seat.last_used_at {
                Some(at) => format!("last used at {at}"),
                None => "never used".to_owned(),
            };
            let state = format!("{:?}", seat.state).to_lowercase();
            return link(
                name,
                Some(true),
                format!("has a seat of pool `{}` since {}, {state}, {used}", seat.pool, seat.since),
            );
        }
        let Some(line) = &self.line else {
            let due = self.examined.demand.waits(false) && self.examined.coverage == Coverage::Covered;
            let says = if due { "no seat yet: the next allocation decides" } else { "no seat, and in no line" };
            return link(name, Some(false), says);
        };
        let ahead: Vec<String> = line.ahead.iter().map(|it| format!("{} {}", it.count, rule_words(it.rule))).collect();
        let ahead = match line.position.saturating_sub(1) {
            _ if !ahead.is_empty() => format!("ahead: {}", ahead.join(", ")),
            0 => "nobody is ahead".to_owned(),
            others => format!("{others} are ahead"),
        };
        let says = format!(
            "waits as number {} of {} since {}, short of a seat in pool `{}`; {ahead}",
            line.position, line.of, line.since, line.short_of
        );
        link(name, Some(false), says)
    }

    fn contract(&self) -> Link {
        let name = LinkName::Contract;
        let expires = self.total.as_ref().and_then(|it| it.expires_on);
        let day = expires.map(|day| day.to_string()).unwrap_or_default();
        match self.examined.coverage {
            Coverage::NotActivated => link(name, None, "no subscription is in force; see activation"),
            Coverage::Covered if self.total.as_ref().is_some_and(|it| it.access == Access::Grace) => {
                link(name, Some(true), format!("expired on {day}, in grace"))
            }
            Coverage::Covered => link(name, Some(true), format!("in force until {day}")),
            Coverage::Suspended | Coverage::Lapsed => link(
                name,
                Some(false),
                format!("ended, last day {day}: seats stay with their users and give no access"),
            ),
        }
    }
}

fn rule_words(rule: crate::allocate::Rule) -> &'static str {
    use crate::allocate::Rule;
    match rule {
        Rule::Pinned => "pinned",
        Rule::Returning => "returning",
        Rule::WaitingLonger => "waiting longer",
        Rule::Order => "earlier in the product's order",
        Rule::Shuffle => "by the fixed shuffle among equals",
    }
}

fn why_not(reason: ReleaseReason) -> &'static str {
    match reason {
        ReleaseReason::Tombstone | ReleaseReason::Absent => "no enrollment counts for the product",
        ReleaseReason::Inactive => "the account is disabled",
        ReleaseReason::Ended => "no class that counts runs today",
        ReleaseReason::Conditions => "a condition of the product is not met",
        ReleaseReason::AccessOff => "no educator of a class has access switched ON",
        ReleaseReason::Excluded => "excluded by a person",
        ReleaseReason::Unassigned => "nobody assigned the product",
        ReleaseReason::Bundled => "has the product through a combined license",
        ReleaseReason::Reassigned => "the seat was handed to someone else",
        ReleaseReason::Expired => "the contract ended",
        ReleaseReason::Reclaimed => "the seat was taken back after a cut",
        ReleaseReason::Erased => "the user was erased",
        ReleaseReason::Reused => "the id was someone else's before",
        ReleaseReason::Reverted => "the run that brought the demand was reverted",
        ReleaseReason::Merged => "another account of the same person has the seat",
    }
}
