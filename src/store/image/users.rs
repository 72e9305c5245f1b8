//! Users in an image: flags, id, roles, grades, and the personal texts that are there.

use std::collections::BTreeMap;

use super::codec::{Numbering, Reader, Rows, Wording, bit, if_bit, of_role, role};
use crate::model::{Role, Roster, SourceId, User, View};

const ACTIVE: u32 = 6;

/// Of a role, above the three bits of its name.
const PRIMARY: u32 = 3;
const WORD: u32 = 4;

pub(super) fn write(image: &mut Vec<u8>, roster: View<'_>) -> Result<(), serde_json::Error> {
    let mut schools = Numbering::new(roster.schools().values().map(|it| &it.id));
    let none = || Numbering::new([].into_iter());
    let mut words = Wording::default();
    let mut rows = Rows::default();
    for user in roster.users().values() {
        let User { id, roles, active, grades, .. } = user;
        let User { given_name, family_name, email, username, student_number, state_id, .. } = user;
        let personal = [given_name, family_name, email, username, student_number, state_id];
        let flags = personal.iter().zip(0..).fold(bit(ACTIVE, *active), |all, (it, at)| all | bit(at, it.is_some()));
        rows.byte(flags);
        rows.text(id.as_str());
        rows.list(roles.iter(), |rows, it| {
            let Role { role, org, primary, word } = it;
            rows.byte(of_role(*role) | bit(PRIMARY, *primary) | bit(WORD, word.is_some()));
            rows.number(schools.of(org));
            if let Some(word) = word {
                rows.number(words.of(word));
            }
        });
        rows.list(grades.iter(), |rows, it| rows.number(words.of(it)));
        for it in personal.into_iter().flatten() {
            rows.text(it.reveal());
        }
    }
    rows.finish(image, [&schools, &none(), &none()], &words)
}

/// Reads [`write()`] from the front of an image.
pub(super) fn read(image: &mut &[u8], roster: &Roster) -> Option<BTreeMap<SourceId, User>> {
    let mut rows = Reader::new(image, [roster.schools.keys().cloned().collect(), Vec::new(), Vec::new()])?;
    let mut users = Vec::new();
    while !rows.is_done() {
        let flags = rows.byte()?;
        let id = SourceId::from(rows.text()?);
        let roles = rows.list(|rows| {
            let flags = rows.byte()?;
            Some(Role {
                role: role(flags)?,
                org: rows.school()?,
                primary: flags & bit(PRIMARY, true) != 0,
                word: if_bit(flags, WORD, || rows.word())?,
            })
        })?;
        let grades = rows.list(Reader::word)?;
        let mut personal = |at| if_bit(flags, at, || rows.personal());
        let user = User {
            id,
            roles,
            active: flags & bit(ACTIVE, true) != 0,
            given_name: personal(0)?,
            family_name: personal(1)?,
            email: personal(2)?,
            username: personal(3)?,
            grades,
            student_number: personal(4)?,
            state_id: personal(5)?,
        };
        users.push((user.id.clone(), user));
    }
    Some(users.into_iter().collect())
}
