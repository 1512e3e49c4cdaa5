use super::chars::{is_token, trim};
use super::refusal::{
    BAD_CODING, BAD_CONNECTION, BAD_LENGTH, CHUNKED_NOT_LAST, CODING_IN_HTTP10, LENGTH_AND_CHUNKED,
    Refusal, TWO_CODINGS, TWO_LENGTHS, UNKNOWN_CODING,
};
use super::{Field, Known, Span, Version};

/// How the end of a body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Framing {
    /// There is no body.
    #[default]
    None,
    /// That many bytes (0 is possible and means an empty body).
    Length(u64),
    /// Chunks, then trailers.
    Chunked,
    /// All until the connection closes; answers only.
    UntilClose,
}

/// The most tokens `Connection` may have over all its lines.
const CONNECTION_TOKENS: u32 = 64;

/// What the fields seen so far say about framing and the connection; the same for both
/// directions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    /// Chunks count where a length is given too.
    pub(super) chunks_win: bool,
    both: bool,
    close: bool,
    keep: bool,
    upgrade_wanted: bool,
    upgrade: Option<Span>,
    upgrades: u32,
    tokens: u32,
    nominates: bool,
}

impl Facts {
    /// Takes note of a field that [`Facts`] knows about; the others are none of its business.
    #[inline]
    pub(super) fn note(
        &mut self,
        known: Known,
        span: Span,
        buf: &[u8],
        version: Version,
    ) -> Result<(), Refusal> {
        match known {
            Known::ContentLength => self.content_length(span.of(buf)),
            Known::TransferEncoding => self.transfer_encoding(span.of(buf), version),
            Known::Connection => self.connection(span.of(buf)),
            Known::Upgrade => {
                self.upgrades += 1;
                self.upgrade = Some(span);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Digits only, once. A list of equal lengths could be merged by RFC 9110 section 8.6; a
    /// sender that needs it is broken or lying, so it is refused.
    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(TWO_LENGTHS);
        }
        if self.chunked && self.chunks_win {
            self.both = true;
            return Ok(());
        }
        if self.chunked {
            return Err(LENGTH_AND_CHUNKED);
        }
        if value.contains(&b',') {
            return Err(TWO_LENGTHS);
        }
        self.length = Some(decimal(value).ok_or(BAD_LENGTH)?);
        Ok(())
    }

    /// Exactly `chunked`, once, in HTTP/1.1.
    fn transfer_encoding(&mut self, value: &[u8], version: Version) -> Result<(), Refusal> {
        if version == Version::H10 {
            return Err(CODING_IN_HTTP10);
        }
        if self.chunked {
            return Err(TWO_CODINGS);
        }
        if self.length.is_some() && !self.chunks_win {
            return Err(LENGTH_AND_CHUNKED);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(odd_coding(value));
        }
        self.chunked = true;
        self.both |= self.length.take().is_some();
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for token in value.split(|&byte| byte == b',') {
            let token = trim(token);
            self.tokens += 1;
            if self.tokens > CONNECTION_TOKENS || !token.iter().all(|&byte| is_token(byte)) {
                return Err(BAD_CONNECTION);
            }
            if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep = true;
            } else if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade_wanted = true;
            } else if !token.is_empty() {
                self.nominates = true;
            }
        }
        Ok(())
    }

    /// Whether the connection may carry another message (RFC 9112 section 9.3).
    pub(super) fn keep_alive(&self, version: Version) -> bool {
        !self.close && !self.both && (version == Version::H11 || self.keep)
    }

    /// The protocols to switch to, when `Connection` says so too and there is one such line only
    /// (RFC 9110 section 7.8). HTTP and TLS over the same connection are not offered: a client
    /// could then speak HTTP to the member unseen.
    pub(super) fn upgrade(&self, buf: &[u8], version: Version) -> Option<Span> {
        let meant = self.upgrade_wanted && self.upgrades == 1 && version == Version::H11;
        self.upgrade.filter(|span| meant && offered(span.of(buf)))
    }

    /// Marks the fields that `Connection` names as not to be passed on.
    pub(super) fn drop_nominated(&self, fields: &mut [Field], buf: &[u8]) -> Result<(), Refusal> {
        if self.nominates { drop_nominated(fields, buf) } else { Ok(()) }
    }
}

/// A decimal number below 2^64: digits only, at least one, at most 20.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 20 {
        return None;
    }
    let mut value = 0u64;
    for byte in digits {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    Some(value)
}

/// Whether all elements are `name[/version]` and none is HTTP or TLS.
fn offered(protocols: &[u8]) -> bool {
    protocols.split(|&byte| byte == b',').all(|protocol| {
        let mut parts = trim(protocol).split(|&byte| byte == b'/');
        let name = parts.next().unwrap_or_default();
        let hidden = [&b"h2c"[..], b"h2", b"http", b"tls"];
        let version = parts.next().unwrap_or(b"1");
        [name, version].iter().all(|part| !part.is_empty() && part.iter().all(|&b| is_token(b)))
            && parts.next().is_none()
            && !hidden.iter().any(|hidden| name.eq_ignore_ascii_case(hidden))
    })
}

/// Why a coding other than `chunked` is refused.
#[cold]
fn odd_coding(value: &[u8]) -> Refusal {
    let mut chunked = 0;
    let mut last_is_chunked = false;
    for coding in value.split(|&byte| byte == b',') {
        let coding = trim(coding);
        if coding.is_empty() || !coding.iter().all(|&byte| is_token(byte)) {
            return BAD_CODING;
        }
        last_is_chunked = coding.eq_ignore_ascii_case(b"chunked");
        chunked += u32::from(last_is_chunked);
    }
    match (chunked, last_is_chunked) {
        (0 | 1, false) => CHUNKED_NOT_LAST,
        (1, true) => UNKNOWN_CODING,
        _ => BAD_CODING,
    }
}

/// Naming Host or a framing field is an attack on the next hop and is refused. Naming what the
/// next hop trusts or needs (who the client is, its credentials and cookies) is a known abuse and
/// has no effect; RFC 9110 section 7.6.1 forbids senders to name end-to-end fields.
#[cold]
fn drop_nominated(fields: &mut [Field], buf: &[u8]) -> Result<(), Refusal> {
    for i in 0..fields.len() {
        if fields[i].known != Known::Connection {
            continue;
        }
        for token in fields[i].value.of(buf).split(|&byte| byte == b',') {
            let token = trim(token);
            match Known::of(token) {
                Known::Host | Known::ContentLength | Known::TransferEncoding => {
                    return Err(BAD_CONNECTION);
                }
                Known::Other if !token.is_empty() => drop_named(fields, buf, token),
                // Known ones are hop-by-hop already, or must not be dropped.
                _ => {}
            }
        }
    }
    Ok(())
}

fn drop_named(fields: &mut [Field], buf: &[u8], name: &[u8]) {
    for field in fields {
        field.drop |= field.name.of(buf).eq_ignore_ascii_case(name);
    }
}
