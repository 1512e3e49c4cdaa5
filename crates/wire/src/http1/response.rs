use super::framing::Facts;
use super::lines::{Line, Lines, ended, version, version_end};
use super::refusal::{
    BAD_START_LINE, BAD_STATUS, BAD_VERSION, BARE_CR, BARE_LF, BODY_FORBIDDEN, CONTROL_BYTE,
    LONG_HEAD, MANY_FIELDS, Refusal,
};
use super::{Field, Framing, Known, Limits, Parsed, Span, Version, chars, field};

/// The head of an answer: offsets into the buffer it was parsed from. Reuse it for the next
/// answer after [`ResponseHead::reset`]; its fields mean nothing until `parse` said `Complete`.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// The version.
    pub version: Version,
    /// The status, 100 to 599; to 999 after [`ResponseHead::parse_wide`].
    pub status: u16,
    /// The reason phrase, possibly empty.
    pub reason: Span,
    /// The field lines, in order.
    pub fields: Vec<Field>,
    /// Whether version and `Connection` let the connection live on; see also
    /// [`ResponseHead::reusable`].
    pub keep_alive: bool,
    /// The protocols named by `Upgrade`, if `Connection` has it too.
    pub upgrade: Option<Span>,
    /// Length of the head in bytes, the empty line included.
    pub len: usize,
    /// A 204 that announces a body all the same: whatever follows cannot be trusted.
    poisoned: bool,
    wide: bool,
    facts: Facts,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Version,
    /// The status begins at the offset.
    Status(usize),
    /// The reason begins at `start` and is good up to `scan`.
    Reason {
        start: usize,
        scan: usize,
    },
    Fields(Lines),
    Done,
}

impl ResponseHead {
    /// An empty head.
    pub fn new() -> ResponseHead {
        ResponseHead::default()
    }

    /// Forgets the answer but keeps the memory.
    pub fn reset(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = ResponseHead { fields, ..ResponseHead::default() };
    }

    /// Parses as far as the bytes go, like [`RequestHead::parse`](super::RequestHead::parse).
    ///
    /// # Errors
    /// Always status 502, with the cause.
    pub fn parse(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, Refusal> {
        let window = limits.window(buf);
        match self.advance(window, limits) {
            Ok(Parsed::Partial) if window.len() == limits.most() => Err(LONG_HEAD.of_member()),
            Ok(parsed) => Ok(parsed),
            Err(refusal) => Err(refusal.of_member()),
        }
    }

    /// Like [`ResponseHead::parse`], for answers that are passed on as httpd does: statuses go up to
    /// 999, and where both a length and chunks are announced, the chunks count and the connection
    /// is not used again (RFC 9112 section 6.3).
    ///
    /// # Errors
    /// Always status 502, with the cause.
    pub fn parse_wide(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, Refusal> {
        self.wide = true;
        self.facts.chunks_win = true;
        self.parse(buf, limits)
    }

    /// How the body ends (RFC 9112 section 6.3), given whether the request was a HEAD. A 101 has
    /// no body: what follows is the other protocol's.
    pub fn framing(&self, request_was_head: bool) -> Framing {
        if request_was_head || self.status < 200 || matches!(self.status, 204 | 304) {
            return Framing::None;
        }
        match self.facts.length {
            Some(length) => Framing::Length(length),
            None if self.facts.chunked => Framing::Chunked,
            None => Framing::UntilClose,
        }
    }

    /// Whether another request may be sent on the connection once this answer is complete.
    pub fn reusable(&self, request_was_head: bool) -> bool {
        self.keep_alive && !self.poisoned && self.framing(request_was_head) != Framing::UntilClose
    }

    /// The values of the fields of that name, in order.
    pub fn field<'a>(&'a self, buf: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        field::values(&self.fields, buf, name)
    }

    /// The first field of that kind.
    pub fn find(&self, known: Known) -> Option<&Field> {
        field::find(&self.fields, known)
    }

    /// The value of `Content-Length`, which also answers to HEAD and 304 may have.
    pub fn content_length(&self) -> Option<u64> {
        self.facts.length
    }

    fn advance(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, Refusal> {
        loop {
            let next = match self.stage {
                Stage::Version => self.read_version(buf)?,
                Stage::Status(start) => self.read_status(buf, start)?,
                Stage::Reason { start, scan } => self.read_reason(buf, start, scan)?,
                Stage::Fields(lines) => return self.read_fields(buf, lines, limits),
                Stage::Done => return Ok(Parsed::Complete),
            };
            match next {
                Some(stage) => self.stage = stage,
                None => return Ok(Parsed::Partial),
            }
        }
    }

    fn read_version(&mut self, buf: &[u8]) -> Result<Option<Stage>, Refusal> {
        if buf.starts_with(b"HTTP/1.1 ") {
            self.version = Version::H11;
            return Ok(Some(Stage::Status(9)));
        }
        match version_end(buf) {
            _ if buf.first().is_some_and(|&first| first != b'H') => Err(BAD_VERSION),
            None if buf.len() > 8 => Err(BAD_VERSION),
            None => Ok(None),
            Some(end) if buf[end] == b' ' => {
                self.version = version(&buf[..end])?;
                Ok(Some(Stage::Status(end + 1)))
            }
            Some(end) => ended(buf, end, BAD_START_LINE),
        }
    }

    /// Three digits, then a space and the reason, or the end of the line: many servers leave out
    /// the space before an empty reason.
    fn read_status(&mut self, buf: &[u8], start: usize) -> Result<Option<Stage>, Refusal> {
        let mut status = 0;
        for at in start..start + 3 {
            match buf.get(at) {
                Some(byte) if byte.is_ascii_digit() => {
                    status = status * 10 + u16::from(byte - b'0');
                }
                _ => return ended(buf, at, BAD_STATUS),
            }
        }
        if !(100..if self.wide { 1000 } else { 600 }).contains(&status) {
            return Err(BAD_STATUS);
        }
        self.status = status;
        let end = start + 3;
        self.reason = Span::new(end, end);
        match (buf.get(end), buf.get(end + 1)) {
            (Some(b' '), _) => Ok(Some(Stage::Reason { start: end + 1, scan: end + 1 })),
            (Some(b'\r'), Some(b'\n')) => Ok(Some(Stage::Fields(Lines::at(end + 2)))),
            _ => ended(buf, end, BAD_STATUS),
        }
    }

    fn read_reason(
        &mut self,
        buf: &[u8],
        start: usize,
        scan: usize,
    ) -> Result<Option<Stage>, Refusal> {
        let mut end = scan;
        loop {
            end = chars::find_control(buf, end);
            match (buf.get(end), buf.get(end + 1)) {
                (None, _) | (Some(b'\r'), None) => {
                    self.stage = Stage::Reason { start, scan: end };
                    return Ok(None);
                }
                (Some(b'\t'), _) => end += 1,
                (Some(b'\r'), Some(b'\n')) => break,
                (Some(b'\r'), _) => return Err(BARE_CR),
                (Some(b'\n'), _) => return Err(BARE_LF),
                _ => return Err(CONTROL_BYTE),
            }
        }
        self.reason = Span::new(start, end);
        Ok(Some(Stage::Fields(Lines::at(end + 2))))
    }

    fn read_fields(
        &mut self,
        buf: &[u8],
        mut lines: Lines,
        limits: &Limits,
    ) -> Result<Parsed, Refusal> {
        loop {
            match lines.next(buf)? {
                Line::Field(name, value) => {
                    if self.fields.len() >= limits.fields {
                        return Err(MANY_FIELDS);
                    }
                    let known = Known::of(name.of(buf));
                    self.facts.note(known, value, buf, self.version)?;
                    self.fields.push(Field { name, value, known, drop: known.is_hop_by_hop() });
                }
                Line::End(len) => {
                    self.len = len;
                    self.finish(buf)?;
                    self.stage = Stage::Done;
                    return Ok(Parsed::Complete);
                }
                Line::More => {
                    self.stage = Stage::Fields(lines);
                    return Ok(Parsed::Partial);
                }
            }
        }
    }

    fn finish(&mut self, buf: &[u8]) -> Result<(), Refusal> {
        self.keep_alive = self.facts.keep_alive(self.version);
        self.upgrade = self.facts.upgrade(buf, self.version);
        if self.status < 200 || self.status == 204 {
            self.forbid_body()?;
        }
        self.facts.drop_nominated(&mut self.fields, buf)
    }

    /// RFC 9110 section 8.6 and RFC 9112 section 6.1: no length, no coding in 1xx and 204. An
    /// announced body before the real answer would shift every answer after it, so it is refused;
    /// after a 204 the connection is not used again. A length of 0 does no harm but is not passed
    /// on either.
    fn forbid_body(&mut self) -> Result<(), Refusal> {
        let announced = self.facts.chunked || self.facts.length.is_some_and(|length| length > 0);
        if announced && self.status < 200 {
            return Err(BODY_FORBIDDEN);
        }
        self.poisoned = announced;
        for field in &mut self.fields {
            field.drop |= field.known == Known::ContentLength;
        }
        Ok(())
    }
}
