//! Bodies as servers pack them. A page is there as a whole before anyone reads it, so it is unpacked as a whole: in half the time
//! of a decoder that must be able to stop anywhere.

use std::io::Read as _;

use bytes::BytesMut;
use flate2::read::MultiGzDecoder;
use libdeflater::{DecompressionError, Decompressor};

/// Why a body cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unpacking {
    /// It is not what it says it is, or not all of it came.
    Broken,
    /// It is larger than a page may be.
    TooLarge,
    /// Nobody asked for this packing.
    Unknown,
}

/// Unpacks what came as `packing` into `room`, whose content counts for nothing; at most `limit` bytes.
pub(crate) fn body(packing: &str, packed: &[u8], room: BytesMut, limit: usize) -> Result<BytesMut, Unpacking> {
    let is_gzip = ["gzip", "x-gzip"].iter().any(|it| packing.eq_ignore_ascii_case(it));
    match packed {
        // What a server sends of an empty body is nothing, whatever it calls it.
        [] => Ok(BytesMut::new()),
        _ if is_gzip => gzip(packed, room, limit),
        _ => Err(Unpacking::Unknown),
    }
}

/// What gzip says at its end of the length of what was packed, below 4 GiB (RFC 1952, ISIZE).
fn told(packed: &[u8]) -> Option<usize> {
    let last = packed.last_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*last)).ok()
}

fn gzip(packed: &[u8], mut room: BytesMut, limit: usize) -> Result<BytesMut, Unpacking> {
    let told = told(packed).ok_or(Unpacking::Broken)?;
    if told > limit {
        return Err(Unpacking::TooLarge);
    }
    room.resize(told, 0);
    match Decompressor::new().gzip_decompress(packed, &mut room) {
        Ok(length) if length == told => Ok(room),
        // Packed in several pieces, each of which tells its own length only.
        Ok(_) | Err(DecompressionError::InsufficientSpace) => in_pieces(packed, room, limit),
        Err(DecompressionError::BadData) => Err(Unpacking::Broken),
    }
}

fn in_pieces(packed: &[u8], mut room: BytesMut, limit: usize) -> Result<BytesMut, Unpacking> {
    let mut whole = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(packed).take(most).read_to_end(&mut whole).map_err(|_| Unpacking::Broken)?;
    if whole.len() > limit {
        return Err(Unpacking::TooLarge);
    }
    room.clear();
    room.extend_from_slice(&whole);
    Ok(room)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(packed: &[u8], limit: usize) -> Result<Vec<u8>, Unpacking> {
        gzip(packed, BytesMut::from(&b"what was there before"[..]), limit).map(|it| it.to_vec())
    }

    #[test]
    fn what_was_packed_comes_out_whether_in_one_piece_or_in_several() {
        let (one, other) = (vec![b'a'; 70_000], b"b".repeat(30));
        for text in [&one[..], &other[..], b"", b"x"] {
            assert_eq!(unpacked(&packed(text), 70_000).unwrap(), text);
        }
        for (first, second) in [(&one, &other), (&other, &one)] {
            let both = [packed(first), packed(second)].concat();
            assert_eq!(unpacked(&both, 80_000).unwrap(), [&first[..], second].concat());
        }
    }

    /// T1: what it comes to is bounded whatever it says of itself.
    #[test]
    fn nothing_comes_out_that_is_larger_than_a_page() {
        let bomb = packed(&vec![0; 1 << 20]);
        assert_eq!(unpacked(&bomb, (1 << 20) - 1), Err(Unpacking::TooLarge));
        let mut lying = bomb.clone();
        let end = lying.len();
        lying[end - 4..].copy_from_slice(&7_u32.to_le_bytes());
        assert!(unpacked(&lying, 1000).is_err());
        let several = [bomb, packed(b"x")].concat();
        assert_eq!(unpacked(&several, 1000), Err(Unpacking::TooLarge));
    }

    #[test]
    fn a_body_that_breaks_off_or_was_changed_on_its_way_is_seen_at_every_byte() {
        let whole = packed(b"{\"users\":[{\"sourcedId\":\"1\"}]}");
        for end in 0..whole.len() {
            assert!(unpacked(&whole[..end], 1000).is_err(), "cut at {end}");
        }
        // Its head says when and where it was packed, which nobody reads.
        for at in 10..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 0x10;
            // The last byte of what is packed has bits that mean nothing.
            let same = unpacked(&whole, 1000);
            let other = unpacked(&other, 1000);
            assert!(other.is_err() || other == same, "changed at {at}");
        }
    }
}
