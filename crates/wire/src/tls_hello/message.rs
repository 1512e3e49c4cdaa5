use super::{MESSAGE_HEADER, Span};

const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const PRE_SHARED_KEY: u16 = 41;
const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;
const RENEGOTIATION_INFO: u16 = 0xff01;
const TLS13: u16 = 0x0304;
/// The longest host name (RFC 1035 section 2.3.4).
const NAME_BYTES: usize = 255;

/// What is of interest in a message, as places in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) server_name: Option<Span>,
    /// The list of protocols, without its length.
    pub(super) alpn: Span,
    pub(super) version: u16,
    /// As the message has it outside its extensions.
    pub(super) legacy_version: u16,
    pub(super) offers_tls13: bool,
    /// The bodies of extensions that are not checked here, with the lengths within them.
    pub(super) groups: Option<Span>,
    pub(super) shares: Option<Span>,
    pub(super) schemes: Option<Span>,
    pub(super) renegotiation: Option<Span>,
    pub(super) resumes: bool,
}

/// Reads the message (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2), its header included.
pub(super) fn parse(message: &[u8]) -> Option<Found> {
    let mut all = Reader { bytes: message, at: MESSAGE_HEADER, end: message.len() };
    let legacy_version = all.number(2)?;
    let mut found = Found { version: legacy_version, legacy_version, ..Found::default() };
    all.skip(32)?;
    let session = all.vector(1)?;
    let ciphers = all.vector(2)?;
    let compressions = all.vector(1)?;
    if session.left() > 32
        || ciphers.left() < 2
        || ciphers.left() % 2 != 0
        || compressions.left() == 0
    {
        return None;
    }
    if all.left() == 0 {
        // TLS 1.2 and before may come without extensions.
        return Some(found);
    }
    let mut extensions = all.vector(2)?;
    if all.left() != 0 {
        return None;
    }
    let mut seen = [false; 3];
    while extensions.left() != 0 {
        let kind = extensions.number(2)?;
        let mut body = extensions.vector(2)?;
        let seen = match kind {
            SERVER_NAME => &mut seen[0],
            ALPN => &mut seen[1],
            SUPPORTED_VERSIONS => &mut seen[2],
            _ => {
                found.note(kind, body.span());
                continue;
            }
        };
        if std::mem::replace(seen, true) {
            return None;
        }
        match kind {
            SERVER_NAME => found.server_name = server_name(&mut body)?,
            ALPN => found.alpn = alpn(&mut body)?,
            _ => {
                let (highest, offers_tls13) = versions(&mut body)?;
                found.version = highest.max(found.version);
                found.offers_tls13 = offers_tls13;
            }
        }
        if body.left() != 0 {
            return None;
        }
    }
    Some(found)
}

/// The protocols of a checked list.
pub(super) fn protocols(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let (&len, tail) = rest.split_first()?;
        let (name, tail) = tail.split_at_checked(len.into())?;
        rest = tail;
        Some(name)
    })
}

/// At most one name of each type (RFC 6066 section 3).
fn server_name(body: &mut Reader<'_>) -> Option<Option<Span>> {
    let mut list = body.vector(2)?;
    let mut found = None;
    if list.left() == 0 {
        return None;
    }
    while list.left() != 0 {
        let kind = list.number(1)?;
        let name = list.vector(2)?;
        if kind == 0 {
            let span = name.span();
            if found.is_some() || !is_host_name(span.of(name.bytes)) {
                return None;
            }
            found = Some(span);
        }
    }
    Some(found)
}

/// Letters, digits, `-`, `.`, `_`, not empty, no empty labels.
fn is_host_name(name: &[u8]) -> bool {
    (1..=NAME_BYTES).contains(&name.len())
        && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        && name[0] != b'.'
        && !name.windows(2).any(|two| two == b"..")
}

fn alpn(body: &mut Reader<'_>) -> Option<Span> {
    let list = body.vector(2)?;
    let span = list.span();
    let mut rest = list;
    if rest.left() == 0 {
        return None;
    }
    while rest.left() != 0 {
        if rest.vector(1)?.left() == 0 {
            return None;
        }
    }
    Some(span)
}

/// The highest version, and whether TLS 1.3 is among them; the reserved ones clients mix in (GREASE,
/// RFC 8701) are left out.
fn versions(body: &mut Reader<'_>) -> Option<(u16, bool)> {
    let mut list = body.vector(1)?;
    if list.left() == 0 {
        return None;
    }
    let (mut highest, mut tls13) = (0, false);
    while list.left() != 0 {
        let version = list.number(2)?;
        if version >> 8 == 3 {
            highest = highest.max(version);
        }
        tls13 |= version == TLS13;
    }
    Some((highest, tls13))
}

impl Found {
    /// Keeps where an extension is that only those look into who end TLS.
    fn note(&mut self, kind: u16, body: Span) {
        match kind {
            SUPPORTED_GROUPS => self.groups = Some(body),
            KEY_SHARE => self.shares = Some(body),
            SIGNATURE_ALGORITHMS => self.schemes = Some(body),
            RENEGOTIATION_INFO => self.renegotiation = Some(body),
            PRE_SHARED_KEY => self.resumes = true,
            _ => {}
        }
    }
}

/// The numbers of a list of two bytes each, as far as it goes.
pub(super) fn numbers(body: &[u8]) -> impl Iterator<Item = u16> {
    let list = body.get(2..).unwrap_or_default();
    list.as_chunks().0.iter().map(|&two| u16::from_be_bytes(two))
}

/// The groups of key shares, as far as they go.
pub(super) fn share_groups(body: &[u8]) -> impl Iterator<Item = u16> {
    let mut rest = Reader { bytes: body, at: 2.min(body.len()), end: body.len() };
    std::iter::from_fn(move || {
        let group = rest.number(2)?;
        rest.vector(2)?;
        Some(group)
    })
}

/// A part of the message, read from its start.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    fn left(&self) -> usize {
        self.end - self.at
    }

    fn span(&self) -> Span {
        Span::new(self.at, self.end)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        (bytes <= self.left()).then(|| self.at += bytes)
    }

    /// A number of one or two bytes.
    fn number(&mut self, bytes: usize) -> Option<u16> {
        let start = self.at;
        self.skip(bytes)?;
        Some(self.bytes[start..self.at].iter().fold(0, |value, &byte| value << 8 | u16::from(byte)))
    }

    /// A part that comes with its length before it, in one or two bytes.
    fn vector(&mut self, length_bytes: usize) -> Option<Reader<'a>> {
        let len = self.number(length_bytes)?;
        let start = self.at;
        self.skip(len.into())?;
        Some(Reader { bytes: self.bytes, at: start, end: self.at })
    }
}
