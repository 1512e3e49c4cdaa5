//! Names and values, eight bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;

/// Whether a name in any case is this one in lower case.
#[inline]
pub(super) fn is_name(name: &[u8], lower: &[u8]) -> bool {
    if name.len() != lower.len() {
        return false;
    }
    let (mut rest, mut others) = (name, lower);
    while let Some((a, b)) = word(&mut rest).zip(word(&mut others)) {
        if small(a) != b {
            return false;
        }
    }
    small(last(name)) == last(lower)
}

/// A hash of a field, the same for its name in any case. Never 0, which is no field.
#[inline]
pub(super) fn hash(name: &[u8], value: &[u8]) -> u32 {
    let start = (name.len() as u64) << 32 | value.len() as u64;
    let named = mix_all(start, name, small);
    (mix_all(named, value, |word| word) >> 32) as u32 | 1
}

#[inline]
fn mix_all(start: u64, text: &[u8], change: impl Fn(u64) -> u64) -> u64 {
    let (mut hash, mut rest) = (start, text);
    while let Some(word) = word(&mut rest) {
        hash = mix(hash, change(word));
    }
    mix(hash, change(last(text)))
}

#[inline]
fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 29
}

/// The next eight bytes, if others follow.
#[inline]
fn word(rest: &mut &[u8]) -> Option<u64> {
    let (eight, tail) = rest.split_first_chunk::<8>().filter(|(_, tail)| !tail.is_empty())?;
    *rest = tail;
    Some(u64::from_le_bytes(*eight))
}

/// The last eight bytes; fewer as a word that tells them apart from others of their number.
#[inline]
fn last(bytes: &[u8]) -> u64 {
    if let Some(eight) = bytes.last_chunk::<8>() {
        return u64::from_le_bytes(*eight);
    }
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Makes the upper-case letters among eight bytes small.
#[inline]
fn small(word: u64) -> u64 {
    // In the top bit of each byte, where no sum overflows into the next.
    let low = word & (0x7f * ONES);
    let from_a = low + (0x80 - b'A' as u64) * ONES;
    let beyond_z = low + (0x7f - b'Z' as u64) * ONES;
    let upper = from_a & !beyond_z & !word & (0x80 * ONES);
    word | upper >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_alone_are_made_small() {
        for byte in 0..=255_u8 {
            for place in 0..8 {
                let mut bytes = *b"aZ-\xc1\xffA@[";
                bytes[place] = byte;
                let want = u64::from_le_bytes(bytes.map(|byte| byte.to_ascii_lowercase()));
                assert_eq!(small(u64::from_le_bytes(bytes)), want);
            }
        }
    }

    #[test]
    fn names_are_the_same_in_any_case_and_only_whole() {
        let lower = b"access-control-allow-origin";
        for len in 0..=lower.len() {
            let lower = &lower[..len];
            let upper = lower.to_ascii_uppercase();
            assert!(is_name(&upper, lower) && is_name(lower, lower));
            assert_eq!(hash(&upper, b"a"), hash(lower, b"a"));
            for place in 0..len {
                for change in [1, 0x80, 0x40] {
                    let mut other = upper.clone();
                    other[place] ^= change;
                    assert!(!is_name(&other, lower));
                    assert_ne!(hash(&other, b"a"), hash(lower, b"a"));
                }
                assert!(!is_name(&upper[..place], lower) && !is_name(&upper, &lower[..place]));
            }
        }
    }

    #[test]
    fn hashes_tell_fields_apart() {
        let fields = (0..400).map(|n| (format!("x-{}", n % 20), n.to_string()));
        let mut hashes: Vec<_> =
            fields.map(|(name, value)| hash(name.as_bytes(), value.as_bytes())).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 400);
        assert_ne!(hash(b"ab", b"c"), hash(b"a", b"bc"));
        assert_ne!(hash(b"a", b"12345678"), hash(b"a", b"123456789"));
        assert_ne!(hash(b"a", b"A"), hash(b"a", b"a"));
    }
}
