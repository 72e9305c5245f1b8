//! Numbers and parts of a value that is bytes.

/// Puts a number as LEB128.
pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or_default());
}

/// Takes a number that [`put`] wrote.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Puts bytes behind their length.
pub(super) fn put_part(image: &mut Vec<u8>, part: &[u8]) {
    put(image, size(part.len()));
    image.extend_from_slice(part);
}

/// Takes what [`put_part`] wrote.
pub(super) fn take_part<'a>(image: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take(image)?).ok()?;
    let (part, rest) = image.split_at_checked(length)?;
    *image = rest;
    Some(part)
}

pub(super) fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
