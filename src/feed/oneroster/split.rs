//! A page taken apart into the bytes of its rows without reading them. It knows the plain form of a page alone, one list under
//! the collection's name; what looks otherwise, broken pages among it, is left to [`super::envelope`].

use memchr::memmem::Finder;
use memchr::{memchr2, memchr3};

use crate::feed::recognize::Found;

/// A row that is longer is not guessed at: what is hashed in vain must not add up.
const FARTHEST: usize = 8192;

/// A row, and what is known of it where that was asked on the way.
pub(crate) type Split<'a> = (&'a [u8], Option<Found>);

/// The rows of `{"KEY":[{…},{…}]}`; none of anything else.
///
/// Where a row ends is mostly not read but guessed: where the next one seems to begin. If what lies before is a row that is
/// known, byte for byte, then it ends there, since no object is the beginning of another one. Whatever is not known is read
/// sign by sign.
pub(crate) fn rows<'a>(body: &'a [u8], key: &str, find: impl Fn(&[u8]) -> Found) -> Option<Vec<Split<'a>>> {
    let mut rest = Rest(body);
    rest.sign(b'{')?;
    rest.sign(b'"')?;
    rest.0 = rest.0.strip_prefix(key.as_bytes())?.strip_prefix(b"\"")?;
    rest.sign(b':')?;
    rest.sign(b'[')?;
    let mut rows: Vec<Split<'a>> = Vec::new();
    if rest.sign(b']').is_none() {
        let mut between: Option<Finder<'_>> = None;
        loop {
            rest.blanks();
            let from = rest.0;
            let near = from.get(..FARTHEST).unwrap_or(from);
            let guess = between.as_ref().and_then(|it| near.get(..=it.find(near)?));
            let guess = guess.map(|row| (row, find(row)));
            if let Some((row, found)) = guess.filter(|(_, found)| found.place.is_some()) {
                rest.0 = from.get(row.len()..)?;
                rows.push((row, Some(found)));
            } else {
                let row = rest.object()?;
                rows.push((row, guess.filter(|(it, _)| it.len() == row.len()).map(|(_, found)| found)));
            }
            let end = rest.0;
            if rest.sign(b',').is_none() {
                rest.sign(b']')?;
                break;
            }
            between = between.or_else(|| Some(Finder::new(seam(from, end)?)));
        }
    }
    rest.sign(b'}')?;
    rest.blanks();
    rest.0.is_empty().then_some(rows)
}

/// What stands between the row that `from` begins with and the next: from its last brace, which is before `end`, to the first
/// name of the next. None if that is no name.
fn seam<'a>(from: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let last = from.len().checked_sub(end.len())?.checked_sub(1)?;
    let mut rest = Rest(from.get(last + 1..)?);
    rest.sign(b',')?;
    rest.sign(b'{')?;
    rest.sign(b'"')?;
    let name = from.len() - rest.0.len();
    from.get(last..=text_end(from, name)?)
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn blanks(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    /// Takes one sign, and what is blank before it.
    fn sign(&mut self, sign: u8) -> Option<()> {
        self.blanks();
        let (first, rest) = self.0.split_first()?;
        (*first == sign).then(|| self.0 = rest)
    }

    /// Takes one object: up to the brace that closes the first, those in texts not counted.
    fn object(&mut self) -> Option<&'a [u8]> {
        self.blanks();
        if self.0.first() != Some(&b'{') {
            return None;
        }
        let whole = self.0;
        let (mut depth, mut at) = (0_usize, 0_usize);
        loop {
            at += memchr3(b'"', b'{', b'}', whole.get(at..)?)?;
            match whole.get(at)? {
                b'{' => depth += 1,
                b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        let (object, rest) = whole.split_at_checked(at + 1)?;
                        self.0 = rest;
                        return Some(object);
                    }
                }
                _ => at = text_end(whole, at + 1)?,
            }
            at += 1;
        }
    }
}

/// Where the text that begins at `at` ends.
fn text_end(whole: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', whole.get(at..)?)?;
        if whole.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Knows some rows.
    fn knowing(known: &[&str]) -> impl Fn(&[u8]) -> Found {
        let hash = |row: &[u8]| twox_hash::XxHash3_128::oneshot(row);
        let known: Vec<u128> = known.iter().map(|it| hash(it.as_bytes())).collect();
        move |row| Found { hash: hash(row), place: known.iter().position(|it| *it == hash(row)) }
    }

    fn split<'a>(body: &'a str, known: &[&str]) -> Option<Vec<&'a str>> {
        let find = knowing(known);
        let rows = rows(body.as_bytes(), "users", &find)?;
        for (row, found) in &rows {
            assert!(found.is_none_or(|found| found == find(row)));
        }
        Some(rows.into_iter().map(|(it, _)| std::str::from_utf8(it).unwrap()).collect())
    }

    fn texts(body: &str) -> Option<Vec<&str>> {
        split(body, &[])
    }

    /// Seams in texts and in lists within a row, rows that are known and rows that are not, every mixture of them.
    #[test]
    fn a_guess_changes_no_row() {
        let rows = [
            r#"{"id":"1","t":"a"}"#,
            r#"{"id":"2","t":"},{\"id\":\"3\"}"}"#,
            r#"{"id":"3","of":[{"id":"4"},{"id":"5"}],"t":"x"}"#,
            r#"{"id":"1","t":"a","more":{"id":"1","t":"a"}}"#,
            r#"{"id":"4"}"#,
            "{}",
            r#"{"other":1}"#,
        ];
        for known in 0..1_usize << rows.len() {
            let known: Vec<&str> = (0..rows.len()).filter(|bit| known >> bit & 1 == 1).map(|bit| rows[bit]).collect();
            for turn in 0..rows.len() {
                let mut turned = rows.to_vec();
                turned.rotate_left(turn);
                for comma in [",", " ,\n"] {
                    let page = format!("{{\"users\":[{}]}}", turned.join(comma));
                    assert_eq!(split(&page, &known), Some(turned.clone()), "{page} {known:?}");
                    let torn = page.strip_suffix("]}").unwrap();
                    assert_eq!(split(torn, &known), None, "{torn}");
                }
            }
        }
    }

    #[test]
    fn rows_are_found_whatever_stands_in_their_texts() {
        assert_eq!(texts(r#"{"users":[]}"#), Some(Vec::new()));
        let rows = [r#"{"a":"}{\"]","b":{"c":[{}]}}"#, "{}", r#"{"a":"\\"}"#, r#"{"é":"\u0022"}"#];
        let page = format!(" {{ \"users\" : [ {} ] }}\n", rows.join(" ,\n"));
        assert_eq!(texts(&page), Some(rows.to_vec()));
    }

    /// What it gives is what a whole reading gives, or nothing.
    #[test]
    fn anything_but_the_plain_form_is_left_to_the_reader_of_envelopes() {
        for page in [
            "",
            "{}",
            "null",
            r#"{"users":null}"#,
            r#"{"classes":[{}]}"#,
            r#"{"warnings":[],"users":[{}]}"#,
            r#"{"users":[{}],"more":1}"#,
            r#"{"users":[{},]}"#,
            r#"{"users":[1]}"#,
            r#"{"users":[{}]}x"#,
            "\u{feff}{\"users\":[{}]}",
        ] {
            assert_eq!(texts(page), None, "{page}");
        }
        let whole = r#"{"users":[{"a":"é\"}"},{"b":{}}]}"#;
        for end in 0..whole.len() {
            assert_eq!(rows(&whole.as_bytes()[..end], "users", knowing(&[whole])), None, "cut at {end}");
        }
    }
}
