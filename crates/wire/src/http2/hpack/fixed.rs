//! The fields that every table begins with (RFC 7541 appendix A).

use super::words::is_name;

/// Names and values by index, from 1.
const FIELDS: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

/// How many they are; the entries of the dynamic table have the indices above.
pub(super) const COUNT: usize = FIELDS.len();

pub(super) const STATUS: u8 = 8;
pub(super) const AGE: u8 = 21;
pub(super) const AUTHORIZATION: u8 = 23;
pub(super) const CONTENT_LENGTH: u8 = 28;
pub(super) const CONTENT_RANGE: u8 = 30;
pub(super) const COOKIE: u8 = 32;
pub(super) const ETAG: u8 = 34;
pub(super) const LAST_MODIFIED: u8 = 44;
pub(super) const LOCATION: u8 = 46;
pub(super) const PROXY_AUTHORIZATION: u8 = 49;
pub(super) const SET_COOKIE: u8 = 55;

/// The field of an index.
#[inline]
pub(super) fn get(index: usize) -> Option<(&'static [u8], &'static [u8])> {
    FIELDS.get(index.wrapping_sub(1)).copied()
}

/// The first index of a name, whatever its case; 0 when there is none.
#[inline]
pub(super) fn find(name: &[u8]) -> u8 {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return 0 };
    let index = SLOTS[slot(name.len(), *first, *last)];
    match get(index.into()) {
        Some((lower, _)) if is_name(name, lower) => index,
        _ => 0,
    }
}

/// The index of the field, where it stands in the table with this value; 0 when it does not.
/// `name` is the index of its name.
#[inline]
pub(super) fn find_pair(name: u8, value: &[u8]) -> u8 {
    match (name, value) {
        (2, b"GET") => 2,
        (2, b"POST") => 3,
        (4, b"/") => 4,
        (4, b"/index.html") => 5,
        (6, b"http") => 6,
        (6, b"https") => 7,
        (STATUS, b"200") => 8,
        (STATUS, b"204") => 9,
        (STATUS, b"206") => 10,
        (STATUS, b"304") => 11,
        (STATUS, b"400") => 12,
        (STATUS, b"404") => 13,
        (STATUS, b"500") => 14,
        (16, b"gzip, deflate") => 16,
        _ => 0,
    }
}

const SLOT_BITS: u32 = 7;

/// Indices by [`slot`].
static SLOTS: [u8; 1 << SLOT_BITS] = slots();

/// Each name has a slot to itself; the multiplier was looked for until it was so.
#[inline]
const fn slot(len: usize, first: u8, last: u8) -> usize {
    let key = len as u32 | ((first | 0x20) as u32) << 8 | ((last | 0x20) as u32) << 16;
    (key.wrapping_mul(0x64ad_062f) >> (32 - SLOT_BITS)) as usize
}

const fn slots() -> [u8; 1 << SLOT_BITS] {
    let mut slots = [0; 1 << SLOT_BITS];
    // From the end, so that a name that is there with several values gets the first.
    let mut index = COUNT;
    while index > 0 {
        let name = FIELDS[index - 1].0;
        let slot = slot(name.len(), name[0], name[name.len() - 1]);
        assert!(slots[slot] == 0 || slots[slot] as usize == index + 1);
        slots[slot] = index as u8;
        index -= 1;
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        for (at, (name, value)) in FIELDS.iter().enumerate() {
            let first = 1 + FIELDS.iter().position(|field| field.0 == *name).unwrap_or(at);
            assert_eq!(usize::from(find(name)), first);
            assert_eq!(usize::from(find(&name.to_ascii_uppercase())), first);
            assert_eq!(get(at + 1), Some((*name, *value)));
            let pair = if value.is_empty() { 0 } else { at + 1 };
            assert_eq!(usize::from(find_pair(find(name), value)), pair);
        }
        assert_eq!((get(0), get(62)), (None, None));
    }

    #[test]
    fn other_names_are_not_found() {
        for name in [&b""[..], b"a", b"dats", b"x-etag", b"content-lengtj", b"\x1apath", b"cookie2"]
        {
            assert_eq!(find(name), 0, "{name:?}");
        }
        for (name, _) in FIELDS {
            for place in 0..name.len() {
                let mut other = name.to_vec();
                other[place] ^= 0x40;
                assert_eq!(find(&other), 0, "{other:?}");
                assert_eq!(find(&name[..place]) > 0, FIELDS.iter().any(|f| f.0 == &name[..place]));
            }
        }
    }

    #[test]
    fn names_with_rules_have_their_index() {
        let rows = [
            (STATUS, ":status"),
            (AGE, "age"),
            (AUTHORIZATION, "authorization"),
            (CONTENT_LENGTH, "content-length"),
            (CONTENT_RANGE, "content-range"),
            (COOKIE, "cookie"),
            (ETAG, "etag"),
            (LAST_MODIFIED, "last-modified"),
            (LOCATION, "location"),
            (PROXY_AUTHORIZATION, "proxy-authorization"),
            (SET_COOKIE, "set-cookie"),
        ];
        for (index, name) in rows {
            assert_eq!(find(name.as_bytes()), index);
        }
    }
}
