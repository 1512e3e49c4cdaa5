//! Which bytes may stand where, as tables, and the search for the byte that ends a value.

/// RFC 9110 section 5.6.2: the bytes of a token.
#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Bytes let through in a request target; the rest ends it. See [`TARGET`].
#[inline]
pub(crate) fn is_target(byte: u8) -> bool {
    TARGET[byte as usize]
}

/// Bytes of a registered name as a host: letters, digits, `-`, `.`, `_`, `~`. RFC 3986 would also
/// allow percent-encoding and `!$&'()*+,;=`; no real host has them and parsers differ over them.
#[inline]
pub(crate) fn is_host(byte: u8) -> bool {
    HOST[byte as usize]
}

/// Whether the byte may not stand in a field value (RFC 9110 section 5.5), HTAB aside.
#[inline]
pub(crate) fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

/// The first control byte (HTAB counts as one) at or after `from`; the length when there is none.
///
/// Eight bytes a step. The tricks may flag a byte above the first hit wrongly, never below it, so
/// the lowest flag is exact.
#[inline]
pub(crate) fn find_control(bytes: &[u8], from: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let mut at = from;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let below_space = word.wrapping_sub(ONES * 0x20) & !word;
        let flipped = word ^ (ONES * 0x7f);
        let delete = flipped.wrapping_sub(ONES) & !flipped;
        let hit = (below_space | delete) & HIGH;
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if is_control(byte) {
            break;
        }
        at += 1;
    }
    at
}

/// The value of a hexadecimal digit.
#[inline]
pub(crate) fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Without spaces and tabs at both ends (RFC 9110 section 5.6.3, OWS).
#[inline]
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

static TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");
static HOST: [bool; 256] = table(b"-._~");
/// RFC 3986 plus `"<>[]^`{|}`, which browsers and command-line clients send raw in queries and
/// which no parser takes for a delimiter. Not let through: controls, space, `#`, `\`, non-ASCII.
static TARGET: [bool; 256] = table(b"-._~!$&'()*+,;=:@/?%\"<>[]^`{|}");

const fn table(marks: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = true;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_search_agrees_with_the_plain_loop_for_every_byte_and_place() {
        for byte in 0..=255u8 {
            for place in 0..20 {
                for filler in [b' ', b'a', 0x7e, 0x80, 0xff] {
                    let mut bytes = [filler; 20];
                    bytes[place] = byte;
                    let plain = bytes.iter().position(|&b| is_control(b)).unwrap_or(20);
                    assert_eq!(find_control(&bytes, 0), plain, "{byte:#x} at {place}");
                }
            }
        }
    }

    #[test]
    fn two_neighbours_do_not_hide_the_first_hit() {
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let bytes = [first, second, b'a', b'a', b'a', b'a', b'a', b'a'];
                let plain = bytes.iter().position(|&b| is_control(b)).unwrap_or(8);
                assert_eq!(find_control(&bytes, 0), plain);
            }
        }
    }

    #[test]
    fn separators_are_no_token_bytes() {
        for byte in *b"\"(),/:;<=>?@[\\]{} \t\r\n\0\x7f\x80\xff" {
            assert!(!is_token(byte), "{byte:#x}");
        }
    }

    #[test]
    fn a_target_has_no_space_fragment_backslash_or_high_byte() {
        for byte in *b" #\\\t\r\n\0\x7f\x80\xff" {
            assert!(!is_target(byte), "{byte:#x}");
        }
    }
}
