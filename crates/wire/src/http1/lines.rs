use super::chars::{find_control, is_control, is_token};
use super::refusal::{
    BAD_FIELD_NAME, BAD_START_LINE, BAD_VERSION, BARE_CR, BARE_LF, CONTROL_BYTE, LEADING_SPACE,
    OBS_FOLD, OTHER_VERSION, Refusal, SPACE_BEFORE_COLON,
};
use super::{Span, Version};

/// What the next field line is.
pub(super) enum Line {
    /// A field; the value is trimmed.
    Field(Span, Span),
    /// The empty line; the section ends before this offset.
    End(usize),
    /// The buffer ends within the line.
    More,
}

/// Reads field lines one after the other; remembers within a line where to go on, so that no byte
/// is looked at twice however slowly they come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    /// Where the section begins.
    start: usize,
    /// Where the line begins.
    line: usize,
    /// The bytes of the line before this are known to be good.
    scan: usize,
    /// Where its colon is; 0 while not found (no colon can be at offset 0).
    colon: usize,
}

impl Lines {
    pub(super) fn at(start: usize) -> Lines {
        Lines { start, line: start, scan: start, colon: 0 }
    }

    /// The next line of `buf`, which must begin with the same bytes on each call.
    #[inline]
    pub(super) fn next(&mut self, buf: &[u8]) -> Result<Line, Refusal> {
        if self.colon == 0 {
            let mut at = self.scan;
            while let Some(&byte) = buf.get(at)
                && is_token(byte)
            {
                at += 1;
            }
            if at == self.line || buf.get(at) != Some(&b':') {
                return self.no_name(buf, at);
            }
            self.colon = at;
            self.scan = at + 1;
        }
        let mut at = self.scan;
        loop {
            at = find_control(buf, at);
            match buf.get(at) {
                Some(b'\r') => match buf.get(at + 1) {
                    Some(b'\n') => break,
                    Some(_) => return Err(BARE_CR),
                    None => return Ok(self.more(at)),
                },
                Some(b'\t') => at += 1,
                Some(b'\n') => return Err(BARE_LF),
                Some(_) => return Err(CONTROL_BYTE),
                None => return Ok(self.more(at)),
            }
        }
        let name = Span::new(self.line, self.colon);
        let value = trimmed(buf, self.colon + 1, at);
        self.line = at + 2;
        self.scan = at + 2;
        self.colon = 0;
        Ok(Line::Field(name, value))
    }

    #[cold]
    fn more(&mut self, scanned: usize) -> Line {
        self.scan = scanned;
        Line::More
    }

    /// The line is empty, cut off, or broken at `at`, before a colon.
    #[cold]
    fn no_name(&mut self, buf: &[u8], at: usize) -> Result<Line, Refusal> {
        match buf.get(at) {
            None => Ok(self.more(at)),
            Some(b'\r') => match buf.get(at + 1) {
                None => Ok(self.more(at)),
                Some(b'\n') if at == self.line => Ok(Line::End(at + 2)),
                Some(b'\n') => Err(BAD_FIELD_NAME),
                Some(_) => Err(BARE_CR),
            },
            Some(b'\n') => Err(BARE_LF),
            Some(b' ' | b'\t') if at > self.line => Err(SPACE_BEFORE_COLON),
            Some(b' ' | b'\t') if at > self.start => Err(OBS_FOLD),
            Some(b' ' | b'\t') => Err(LEADING_SPACE),
            Some(&byte) if is_control(byte) => Err(CONTROL_BYTE),
            Some(_) => Err(BAD_FIELD_NAME),
        }
    }
}

#[inline]
fn trimmed(buf: &[u8], mut start: usize, mut end: usize) -> Span {
    while start < end && matches!(buf[start], b' ' | b'\t') {
        start += 1;
    }
    while end > start && matches!(buf[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    Span::new(start, end)
}

/// A part of the start line ended at `at` with something other than its space: `None` when that
/// is for want of bytes, else why it is refused.
#[cold]
pub(super) fn ended<T>(buf: &[u8], at: usize, otherwise: Refusal) -> Result<Option<T>, Refusal> {
    match (buf.get(at), buf.get(at + 1)) {
        (None, _) | (Some(b'\r'), None) => Ok(None),
        (Some(b'\r'), Some(b'\n')) => Err(otherwise),
        (Some(b'\r'), Some(_)) => Err(BARE_CR),
        (Some(b'\n'), _) => Err(BARE_LF),
        (Some(b'\t'), _) => Err(BAD_START_LINE),
        (Some(&byte), _) if is_control(byte) => Err(CONTROL_BYTE),
        _ => Err(otherwise),
    }
}

/// Where the version ends: its first byte that is no visible character, within nine bytes.
pub(super) fn version_end(rest: &[u8]) -> Option<usize> {
    rest.iter().take(9).position(|&byte| byte == b' ' || is_control(byte))
}

/// `HTTP/` in capitals, a digit, a point, a digit (RFC 9112 section 2.3).
pub(super) fn version(text: &[u8]) -> Result<Version, Refusal> {
    match text {
        b"HTTP/1.0" => Ok(Version::H10),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(Version::H11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(OTHER_VERSION),
        _ => Err(BAD_VERSION),
    }
}
