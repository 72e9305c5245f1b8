//! The answer for people.

use std::fmt::Write as _;

use super::{Explanation, LinkName};

/// How a link that holds, one that does not, and one that is not asked are marked.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    /// It holds.
    pub yes: &'static str,
    /// It does not.
    pub no: &'static str,
    /// It is not asked.
    pub open: &'static str,
}

impl Marks {
    /// For a terminal.
    pub const SIGNS: Self = Self { yes: "✓", no: "✗", open: "·" };
    /// For a pipe.
    pub const WORDS: Self = Self { yes: "ok", no: "BROKEN", open: "-" };
}

impl LinkName {
    /// As people read it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Known => "known to the feed",
            Self::RowValid => "row usable",
            Self::Class => "class begun, not ended",
            Self::Demand => "in demand",
            Self::Review => "not held for review",
            Self::Role => "role",
            Self::Seats => "enough seats",
            Self::Activation => "product activated",
            Self::Seat => "has a seat",
            Self::Contract => "contract gives access",
        }
    }
}

/// Several lines: the verdict with the first broken link, the whole chain, who must act, and the audit entries.
pub fn text(it: &Explanation, marks: Marks) -> String {
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").unwrap_or_default();
    line(format!("{} / {} / {}  access: {}", it.district, it.product, it.user, it.access));
    if let Some(link) = it.chain.iter().find(|link| Some(link.link) == it.broken) {
        line(format!("  first broken link: {}: {}", link.link.words(), link.says));
    }
    line(String::new());
    for link in &it.chain {
        let mark = match link.ok {
            Some(true) => marks.yes,
            Some(false) => marks.no,
            None => marks.open,
        };
        let width = marks.no.chars().count();
        line(format!("  {mark:<width$}  {:<22}  {}", link.link.words(), link.says));
        for seen in &link.conditions {
            let met = if seen.met { marks.yes } else { marks.no };
            let list = |words: &[String]| if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
            line(format!(
                "  {:<width$}  {:<22}    {met} {}: wanted {}; saw {}",
                "",
                "",
                seen.condition,
                list(&seen.wanted),
                list(&seen.saw)
            ));
        }
    }
    line(String::new());
    line(format!("  who must act: {}", it.who.words()));
    line(format!("  what to do:   {}", it.todo));
    if let Some(ticket) = &it.ticket {
        line(format!("  ticket:       {ticket}"));
    }
    if !it.audit.is_empty() {
        let older =
            if it.audit_omitted > 0 { format!(" ({} older left out)", it.audit_omitted) } else { String::new() };
        line(format!("  audit entries that led here{older}:"));
        for entry in &it.audit {
            let reason = entry.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            line(format!("    {:>6}  {}  {:<20}  {}{reason}", entry.seq, entry.at, entry.action, entry.id));
        }
    }
    out
}
