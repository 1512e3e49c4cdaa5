use memchr::memchr;

use super::chars::hex;
use super::host;
use super::refusal::{BAD_PERCENT, BAD_SCHEME, BAD_TARGET, Refusal};
use super::{Method, Span};

/// The form of a request target (RFC 9112 section 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TargetForm {
    /// `/path?query`.
    #[default]
    Origin,
    /// `http://host/path?query`.
    Absolute,
    /// `*`, with OPTIONS.
    Asterisk,
    /// `host:port`, with CONNECT; never accepted, here for logs.
    Authority,
}

/// The scheme of an absolute-form target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

/// A target taken apart; all spans relative to the message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Target {
    pub(super) form: TargetForm,
    pub(super) scheme: Option<Scheme>,
    pub(super) authority: Option<Authority>,
    pub(super) path: Span,
    pub(super) query: Option<Span>,
}

/// The authority that counts for a request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Authority {
    pub(super) whole: Span,
    pub(super) name: Span,
    pub(super) port: Option<u16>,
}

impl Authority {
    pub(super) fn parse(buf: &[u8], whole: Span) -> Result<Authority, Refusal> {
        let (len, port) = host::authority(whole.of(buf))?;
        let name = Span { start: whole.start, end: whole.start + len as u32 };
        Ok(Authority { whole, name, port })
    }
}

impl Target {
    /// Takes `buf[start..end]` apart; the first `?` is at `question`, if there is one. The bytes
    /// were checked before.
    #[inline]
    pub(super) fn parse(
        buf: &[u8],
        start: usize,
        end: usize,
        question: Option<usize>,
        method: Method,
    ) -> Result<Target, Refusal> {
        let mut target = Target {
            path: Span::new(start, question.unwrap_or(end)),
            query: question.map(|at| Span::new(at + 1, end)),
            ..Target::default()
        };
        match &buf[start..end] {
            [b'/', ..] => {}
            b"*" if method == Method::Options => target.form = TargetForm::Asterisk,
            _ => target.absolute(buf)?,
        }
        check_percent(target.path.of(buf))?;
        Ok(target)
    }

    /// `path` is all up to the query; finds scheme and authority in it.
    #[cold]
    fn absolute(&mut self, buf: &[u8]) -> Result<(), Refusal> {
        let bytes = self.path.of(buf);
        let scheme_end = bytes
            .windows(3)
            .position(|three| three == b"://")
            .filter(|&end| end > 0 && bytes[..end].iter().all(|&byte| is_scheme(byte)))
            .ok_or(BAD_TARGET)?;
        let scheme = &bytes[..scheme_end];
        self.scheme = if scheme.eq_ignore_ascii_case(b"http") {
            Some(Scheme::Http)
        } else if scheme.eq_ignore_ascii_case(b"https") {
            Some(Scheme::Https)
        } else {
            return Err(BAD_SCHEME);
        };
        let start = self.path.start as usize + scheme_end + 3;
        let rest = &bytes[scheme_end + 3..];
        let path = start + memchr(b'/', rest).unwrap_or(rest.len());
        self.form = TargetForm::Absolute;
        self.authority = Some(Authority::parse(buf, Span::new(start, path))?);
        self.path.start = path as u32;
        Ok(())
    }
}

fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Each `%` of a path stands before two hexadecimal digits other than `00`. In a query a lone `%`
/// is let through: browsers send it, and nothing before the application reads it.
#[inline]
fn check_percent(path: &[u8]) -> Result<(), Refusal> {
    let mut rest = path;
    while let Some(at) = memchr(b'%', rest) {
        match rest[at + 1..] {
            [b'0', b'0', ..] => return Err(BAD_PERCENT),
            [a, b, ..] if hex(a).is_some() && hex(b).is_some() => rest = &rest[at + 3..],
            _ => return Err(BAD_PERCENT),
        }
    }
    Ok(())
}
