//! Words that stand in personal fields and nowhere else, looked for in everything else the program says (safety.md, People's data;
//! reliability.md K1, T12). As they are, in either case, and as programs write bytes down: percent-encoded, escaped as in JSON and
//! HTML, in hex, in the three shifts of base64 whole or in lines, in UTF-16 either way round.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// None is part of another, of a path, or of a word that the program says.
pub(crate) const CANARIES: [&str; 12] = [
    "Zyxgiven",
    "Zyxfamily",
    "Zyxmiddle",
    "zyxmail",
    "zyxlogin",
    "Zyxnumber77",
    "Zyxstate88",
    "Zyxphone99",
    "Zyxsms66",
    "Zyxsecret55",
    "Zyxdate44",
    "zyxid33",
];

/// An id that is an e-mail address.
pub(crate) const ADDRESS: &str = "zyxid33@zyxmail.example";

fn each(word: &str, one: impl Fn(u32) -> String) -> String {
    word.chars().map(|c| one(c.into())).collect()
}

/// The inner characters of a word's base64 that do not depend on what stands before and after it, at each of three shifts.
fn base64s(word: &str) -> Vec<String> {
    let shifts = (0..3).flat_map(|shift| {
        let shifted = [&b"xxx"[..shift], word.as_bytes()].concat();
        [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)].map(|text| {
            let end = text.len() - usize::from(!shifted.len().is_multiple_of(3));
            let start = if shift == 0 { 0 } else { shift + 1 };
            text.get(start..end).unwrap().to_owned()
        })
    });
    shifts.collect()
}

/// Where a canary shows, and how.
pub(crate) fn found(bytes: &[u8]) -> Option<String> {
    // Without the zero bytes UTF-16 reads as what it stands for, either way round.
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
    let text = String::from_utf8_lossy(&text).into_owned();
    let unbroken: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let folded = text.to_lowercase();
    for canary in CANARIES {
        let lower = canary.to_lowercase();
        let told = |how: &str, at: usize| {
            let around = String::from_utf8_lossy(folded.as_bytes().get(at.saturating_sub(120)..).unwrap()).into_owned();
            Some(format!("`{canary}` {how}: …{}…", around.chars().take(260).collect::<String>()))
        };
        for (how, needle) in [
            ("as it is", lower.clone()),
            ("percent-encoded", each(&lower, |c| format!("%{c:02x}"))),
            ("escaped as in JSON", each(&lower, |c| format!("\\u{c:04x}"))),
            ("escaped as in HTML", each(&lower, |c| format!("&#{c};"))),
            ("escaped as in HTML, in hex", each(&lower, |c| format!("&#x{c:x};"))),
        ] {
            if let Some(at) = folded.find(&needle) {
                return told(how, at);
            }
        }
        for word in [canary.to_owned(), lower.clone(), canary.to_uppercase()] {
            if let Some(at) = folded.find(&hex::encode(&word)) {
                return told("in hex", at);
            }
            // A percent-encoded or escaped word may keep the case of its own letters.
            let encodings = [
                each(&word, |c| format!("%{c:02x}")),
                each(&word, |c| format!("\\u{c:04x}")),
                each(&word, |c| format!("&#{c};")),
                each(&word, |c| format!("&#x{c:x};")),
            ];
            if let Some(at) = encodings.iter().find_map(|it| folded.find(it)) {
                return told("escaped", at);
            }
            if base64s(&word).iter().any(|it| unbroken.contains(it.as_str())) {
                return told("in base64", 0);
            }
        }
    }
    None
}

/// Searches, and fails where one shows.
#[track_caller]
pub(crate) fn search(what: &str, said: impl AsRef<[u8]>) {
    if let Some(shown) = found(said.as_ref()) {
        panic!("{what} shows {shown}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(word: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        word.encode_utf16().flat_map(bytes).collect()
    }

    /// The search can fail: every canary, planted in every encoding and case, between other words, is found.
    #[test]
    fn k1_a_planted_leak_is_found_in_every_encoding() {
        let noise = "{\"level\":\"TRACE\",\"message\":\"GET /v1/access?district=oak&user=4711, eyJhbGciOi, 00ff\"}";
        assert_eq!(found(noise.as_bytes()), None, "and nothing is found where nothing is");
        assert_eq!(found(&utf16(noise, u16::to_le_bytes)), None);
        for canary in CANARIES {
            for word in [canary.to_owned(), canary.to_lowercase(), canary.to_uppercase()] {
                let mut planted: Vec<Vec<u8>> = vec![
                    word.clone().into_bytes(),
                    each(&word, |c| format!("%{c:02X}")).into_bytes(),
                    each(&word, |c| format!("\\u{c:04X}")).into_bytes(),
                    each(&word, |c| format!("&#{c};")).into_bytes(),
                    each(&word, |c| format!("&#x{c:X};")).into_bytes(),
                    hex::encode(&word).into_bytes(),
                    hex::encode_upper(&word).into_bytes(),
                    utf16(&word, u16::to_le_bytes),
                    utf16(&word, u16::to_be_bytes),
                ];
                for before in ["", "k", "ki", "kim"] {
                    let text = format!("{before}{word}, who");
                    let encoded = STANDARD_NO_PAD.encode(&text);
                    planted.push(encoded.clone().into_bytes());
                    planted.push(URL_SAFE_NO_PAD.encode(&text).into_bytes());
                    let lines: Vec<&str> = encoded.as_bytes().chunks(5).map(|it| str::from_utf8(it).unwrap()).collect();
                    planted.push(lines.join("\r\n").into_bytes());
                }
                for leak in planted {
                    let said = [noise.as_bytes(), &leak, noise.as_bytes()].concat();
                    assert!(found(&said).is_some(), "{word}: {}", String::from_utf8_lossy(&leak));
                }
            }
        }
    }
}
