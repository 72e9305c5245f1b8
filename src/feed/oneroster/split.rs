//! A page taken apart into the bytes of its rows without reading them. It knows the plain form of a page alone, one list under
//! the collection's name; what looks otherwise, broken pages among it, is left to [`super::envelope`].

use memchr::{memchr2, memchr3};

/// The rows of `{"KEY":[{…},{…}]}`; none of anything else.
pub(crate) fn rows<'a>(body: &'a [u8], key: &str) -> Option<Vec<&'a [u8]>> {
    let mut rest = Rest(body);
    rest.sign(b'{')?;
    rest.sign(b'"')?;
    rest.0 = rest.0.strip_prefix(key.as_bytes())?.strip_prefix(b"\"")?;
    rest.sign(b':')?;
    rest.sign(b'[')?;
    let mut rows = Vec::new();
    if rest.sign(b']').is_none() {
        loop {
            rows.push(rest.object()?);
            if rest.sign(b',').is_none() {
                rest.sign(b']')?;
                break;
            }
        }
    }
    rest.sign(b'}')?;
    rest.blanks();
    rest.0.is_empty().then_some(rows)
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

    fn texts(body: &str) -> Option<Vec<&str>> {
        let rows = rows(body.as_bytes(), "users")?;
        Some(rows.into_iter().map(|it| std::str::from_utf8(it).unwrap()).collect())
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
            assert_eq!(rows(&whole.as_bytes()[..end], "users"), None, "cut at {end}");
        }
    }
}
