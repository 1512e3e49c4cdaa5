use super::{Known, Span};

/// One field line of a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Field {
    /// The name as sent.
    pub name: Span,
    /// The value without whitespace at its ends.
    pub value: Span,
    /// Which name it is, if the balancer has an opinion about it.
    pub known: Known,
    /// Not to be passed on as it stands: a hop-by-hop field ([`Known::is_hop_by_hop`]), one that
    /// `Connection` names, or a disguised forwarding field such as `X_Forwarded_For`, which many
    /// application servers cannot tell from the real one.
    pub drop: bool,
}

/// The values of the fields of that name (in lower case or not), in order of appearance.
pub fn values<'a>(
    fields: &'a [Field],
    buf: &'a [u8],
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> + 'a {
    fields
        .iter()
        .filter(move |field| {
            field.name.len() == name.len()
                && field.name.of(buf).eq_ignore_ascii_case(name.as_bytes())
        })
        .map(move |field| field.value.of(buf))
}

/// The first field of that kind.
pub fn find(fields: &[Field], known: Known) -> Option<&Field> {
    fields.iter().find(|field| field.known == known)
}

/// What an unknown name pretends to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Disguise {
    None,
    Framing,
    Forwarding,
}

/// Whether a name with `_` for `-` would be one that matters: CGI-like interfaces make the same
/// variable of both.
#[inline]
pub(super) fn disguise(name: &[u8]) -> Disguise {
    if !matches!(name.len(), 9 | 14..=17) {
        return Disguise::None;
    }
    let real: &[(&[u8], Disguise)] = match name.len() {
        9 => &[(b"x-real-ip", Disguise::Forwarding)],
        14 => &[(b"content-length", Disguise::Framing)],
        15 => &[(b"x-forwarded-for", Disguise::Forwarding)],
        16 => &[
            (b"x-forwarded-host", Disguise::Forwarding),
            (b"x-forwarded-port", Disguise::Forwarding),
        ],
        _ => &[
            (b"transfer-encoding", Disguise::Framing),
            (b"x-forwarded-proto", Disguise::Forwarding),
        ],
    };
    real.iter()
        .find(|(real, _)| same_with_underscores(name, real))
        .map_or(Disguise::None, |row| row.1)
}

fn same_with_underscores(name: &[u8], lower: &[u8]) -> bool {
    name.iter().zip(lower).all(|(&a, &b)| a.eq_ignore_ascii_case(&b) || (a == b'_' && b == b'-'))
}
