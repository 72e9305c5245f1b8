//! One message for each recipient: what they asked to hear of, and nothing of anyone else's district.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::model::{About, DistrictId, Message, Notice, NoticeKind, Support, Timestamp};

use super::text;

/// Which notices a recipient gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of these districts; empty for all.
    pub districts: BTreeSet<DistrictId>,
    /// Of these kinds; empty for all.
    pub kinds: BTreeSet<NoticeKind>,
}

impl Filter {
    /// Whether anything of a district is told.
    pub fn hears_of(&self, district: &DistrictId) -> bool {
        self.districts.is_empty() || self.districts.contains(district)
    }

    /// The notice as this recipient gets it. A week's digest is cut to the kinds that were asked for beside it, if any were.
    fn of(&self, notice: &Notice) -> Option<Notice> {
        let whose = self.hears_of(&notice.district);
        let what = self.kinds.is_empty() || self.kinds.contains(&notice.kind());
        let mut notice = Some(notice).filter(|_| whose && what)?.clone();
        let any_alert = self.kinds.iter().any(|it| matches!(it, NoticeKind::Alert(_)));
        if let About::Weekly { open, .. } = &mut notice.about
            && any_alert
        {
            open.retain(|it| self.kinds.contains(&NoticeKind::Alert(it.kind)));
            if open.is_empty() {
                return None;
            }
        }
        Some(notice)
    }
}

/// What a message says beside its notices.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// Where the pages are, without a slash at its end.
    pub dashboard: Option<&'a str>,
    /// Whom to ask.
    pub support: Option<&'a Support>,
}

/// The message of one recipient about everything that came together; none if nothing of it is theirs. The id follows from
/// recipient and keys.
pub fn compose(recipient: &str, filter: &Filter, notices: &[Notice], around: Around<'_>) -> Option<Message> {
    let mut theirs: Vec<Notice> = notices.iter().filter_map(|it| filter.of(it)).collect();
    theirs.sort_by(|a, b| (&a.district, a.kind(), &a.key).cmp(&(&b.district, b.kind(), &b.key)));
    if theirs.is_empty() {
        return None;
    }
    let keys = theirs.iter().map(|it| format!("{}\n{}", it.district, it.key));
    Some(Message {
        id: id(std::iter::once(recipient.to_owned()).chain(keys)),
        word: "digest".to_owned(),
        subject: subject(&theirs),
        text: text::digest(&theirs, around),
        notices: theirs,
    })
}

/// A message that says that messages arrive.
pub fn trial(recipient: &str, at: Timestamp) -> Message {
    let subject = "rosterd: a test message".to_owned();
    let text = format!(
        "This is a test of `{recipient}` in [notify], sent at {at}. Nothing happened and nothing is to be done.\n\n\
         What is told here from now on: held runs, failed syncs, few or no licenses left, coverage that ends.\n"
    );
    let id = id(["test".to_owned(), recipient.to_owned(), at.to_string()]);
    Message { id, word: "test".to_owned(), subject, text, notices: Vec::new() }
}

fn id(parts: impl IntoIterator<Item = String>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update(b"\n");
    }
    hex::encode(hash.finalize().iter().take(16).copied().collect::<Vec<u8>>())
}

/// `rosterd: springfield: changes held for review, licenses running low (3)`.
fn subject(notices: &[Notice]) -> String {
    let districts: BTreeSet<&DistrictId> = notices.iter().map(|it| &it.district).collect();
    let place = match (districts.first(), districts.len()) {
        (Some(one), 1) => one.to_string(),
        (_, n) => format!("{n} districts"),
    };
    let words = NoticeKind::ALL.into_iter().filter_map(|kind| {
        let title = text::title(kind);
        match notices.iter().filter(|it| it.kind() == kind).count() {
            0 => None,
            1 => Some(title.to_owned()),
            n => Some(format!("{title} ({n})")),
        }
    });
    let words: Vec<String> = words.collect();
    format!("rosterd: {place}: {}", words.join(", "))
}
