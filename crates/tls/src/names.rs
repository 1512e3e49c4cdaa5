//! The names a certificate is for: `dNSName`s and `iPAddress`es of its subjectAltName (RFC 5280
//! section 4.2.1.6), read from its DER.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The object identifier 2.5.29.17.
const ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The names in lower case; none when there are none or the certificate is malformed.
pub(crate) fn of(certificate: &[u8]) -> Vec<String> {
    extensions(certificate).and_then(alt_names).unwrap_or_default()
}

/// The contents of `extensions [3]` in `tbsCertificate`.
fn extensions(certificate: &[u8]) -> Option<&[u8]> {
    let (_, whole, _) = element(certificate)?;
    let (_, mut rest, _) = element(whole)?;
    while !rest.is_empty() {
        let (tag, content, after) = element(rest)?;
        if tag == 0xa3 {
            return element(content).map(|(_, list, _)| list);
        }
        rest = after;
    }
    None
}

fn alt_names(mut list: &[u8]) -> Option<Vec<String>> {
    while !list.is_empty() {
        let (_, extension, after) = element(list)?;
        list = after;
        let (_, id, mut rest) = element(extension)?;
        if id != ALT_NAME {
            continue;
        }
        // `critical` may stand between.
        let (mut tag, mut content, after) = element(rest)?;
        if tag == 0x01 {
            rest = after;
            (tag, content, _) = element(rest)?;
        }
        if tag != 0x04 {
            return None;
        }
        return element(content).and_then(|(_, names, _)| general_names(names));
    }
    None
}

fn general_names(mut list: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while !list.is_empty() {
        let (tag, content, after) = element(list)?;
        list = after;
        match (tag, content) {
            (0x82, name) => names.push(String::from_utf8(name.to_vec()).ok()?.to_ascii_lowercase()),
            (0x87, [a, b, c, d]) => names.push(Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            (0x87, bytes) => {
                let bytes: [u8; 16] = bytes.try_into().ok()?;
                names.push(Ipv6Addr::from(bytes).to_string());
            }
            _ => {}
        }
    }
    Some(names)
}

/// Tag, content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0_usize, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((*tag, content, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        match length {
            0..=127 => [&[tag, length as u8][..], content].concat(),
            _ => [&[tag, 0x82, (length >> 8) as u8, length as u8][..], content].concat(),
        }
    }

    #[test]
    fn names_are_found_and_nonsense_has_none() {
        let names = [
            wrap(0x82, b"Www.Example.com"),
            wrap(0x82, b"*.example.com"),
            wrap(0x87, &[127, 0, 0, 1]),
            wrap(0x81, b"post@example.com"),
        ]
        .concat();
        let value = wrap(0x04, &wrap(0x30, &names));
        let extension = wrap(0x30, &[wrap(0x06, ALT_NAME), wrap(0x01, &[0xff]), value].concat());
        let other = wrap(0x30, &[wrap(0x06, &[0x55, 0x1d, 0x0f]), wrap(0x04, b"x")].concat());
        let list = wrap(0xa3, &wrap(0x30, &[other, extension].concat()));
        let body = wrap(0x30, &[wrap(0x02, &[1]), wrap(0x30, &[0; 200]), list].concat());
        let certificate = wrap(0x30, &body);
        assert_eq!(of(&certificate), ["www.example.com", "*.example.com", "127.0.0.1"]);
        for end in 0..certificate.len() {
            assert!(of(&certificate[..end]).is_empty());
        }
        assert!(of(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).is_empty());
    }
}
