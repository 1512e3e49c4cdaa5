//! What the cookie says, and what an application's session id says.

use evenkeel_plan::CookieAffinity;

/// Hexadecimal digits of a keyed value: 128 bits.
const TOKEN_DIGITS: usize = 32;

/// The cookie's value for a member: its tag, or, with a key, a token from which neither the member
/// can be learnt nor another one chosen.
pub fn cookie_value(plan: &CookieAffinity, pool: &str, tag: &str) -> String {
    match &plan.key {
        None => tag.to_owned(),
        Some(secret) => token(secret, pool, tag),
    }
}

/// The position of the member that a cookie's value names.
pub fn tag_for<'a>(
    plan: &CookieAffinity,
    pool: &str,
    value: &[u8],
    mut tags: impl Iterator<Item = &'a str>,
) -> Option<usize> {
    let Some(secret) = &plan.key else { return tags.position(|tag| tag.as_bytes() == value) };
    if value.len() != TOKEN_DIGITS {
        return None;
    }
    tags.position(|tag| same(token(secret, pool, tag).as_bytes(), value))
}

/// The tag in an application's session id: what follows the first separator. Without one, there
/// is none; with `None` as separator, the whole value is the tag.
pub fn session_tag(value: &[u8], separator: Option<u8>) -> Option<&[u8]> {
    let tag = match separator {
        None => value,
        Some(separator) => {
            let at = value.iter().position(|byte| *byte == separator)?;
            &value[at + 1..]
        }
    };
    (!tag.is_empty()).then_some(tag)
}

/// BLAKE3 keyed by the secret; the pool's name keeps equal tags of two pools apart.
fn token(secret: &str, pool: &str, tag: &str) -> String {
    let key = blake3::derive_key("evenkeel affinity cookie v1", secret.as_bytes());
    let mut hasher = blake3::Hasher::new_keyed(&key);
    hasher.update(pool.as_bytes()).update(b"\0").update(tag.as_bytes());
    let hex = hasher.finalize().to_hex();
    hex[..TOKEN_DIGITS].to_owned()
}

/// Compares without telling by its time where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_cookie_names_the_tag() {
        let plan = CookieAffinity::named("R");
        assert_eq!(cookie_value(&plan, "p", "a"), "a");
        assert_eq!(tag_for(&plan, "p", b"b", ["a", "b"].into_iter()), Some(1));
        assert_eq!(tag_for(&plan, "p", b"c", ["a", "b"].into_iter()), None);
    }

    #[test]
    fn a_keyed_cookie_hides_the_tag_and_cannot_be_forged() {
        let plan = CookieAffinity { key: Some("secret".into()), ..CookieAffinity::named("R") };
        let value = cookie_value(&plan, "p", "b");
        assert_eq!(value.len(), TOKEN_DIGITS);
        assert_eq!(tag_for(&plan, "p", value.as_bytes(), ["a", "b"].into_iter()), Some(1));
        assert_eq!(tag_for(&plan, "other", value.as_bytes(), ["a", "b"].into_iter()), None);
        assert_eq!(tag_for(&plan, "p", b"b", ["a", "b"].into_iter()), None);
        let other = CookieAffinity { key: Some("other".into()), ..plan };
        assert_eq!(tag_for(&other, "p", value.as_bytes(), ["a", "b"].into_iter()), None);
    }

    #[test]
    fn the_tag_of_a_session_follows_the_first_separator() {
        let cases: [(&str, Option<u8>, Option<&str>); 6] = [
            ("x.b", Some(b'.'), Some("b")),
            ("x.b.c", Some(b'.'), Some("b.c")),
            (".b", Some(b'.'), Some("b")),
            ("x.", Some(b'.'), None),
            ("x", Some(b'.'), None),
            ("whole", None, Some("whole")),
        ];
        for (value, separator, expected) in cases {
            assert_eq!(
                session_tag(value.as_bytes(), separator),
                expected.map(str::as_bytes),
                "{value}"
            );
        }
    }
}
