use super::chars::{is_target, is_token, trim};
use super::field::{Disguise, disguise};
use super::framing::Facts;
use super::lines::{Line, Lines, ended, version, version_end};
use super::refusal::*;
use super::target::{Authority, Target};
use super::{
    Field, Framing, Known, Limits, Method, Parsed, Scheme, Span, TargetForm, Version, field,
};

/// The longest method looked at (RFC 9112 section 3: longer ones get 501).
const METHOD_BYTES: usize = 32;

/// The head of a request: offsets into the buffer it was parsed from. Reuse it for the next
/// request after [`RequestHead::reset`]; its fields mean nothing until `parse` said `Complete`.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The method as sent.
    pub method_span: Span,
    /// The form of the target.
    pub form: TargetForm,
    /// The target as sent.
    pub target: Span,
    /// The path, without query; `*` for the asterisk-form, empty for an absolute-form without one
    /// (see [`RequestHead::path_or_root`]).
    pub path: Span,
    /// What follows the first `?` of the target, if there is one.
    pub query: Option<Span>,
    /// The scheme of an absolute-form target.
    pub scheme: Option<Scheme>,
    /// The authority that counts, with port: that of an absolute-form target, which then replaces
    /// Host (RFC 9112 section 3.2.2), else Host's. Absent in HTTP/1.0 only.
    pub host: Option<Span>,
    /// `host` without port, IPv6 addresses with their brackets.
    pub host_name: Option<Span>,
    /// The port of `host`, if it has one.
    pub port: Option<u16>,
    /// The version.
    pub version: Version,
    /// The field lines, in order.
    pub fields: Vec<Field>,
    /// How the body ends; never [`Framing::UntilClose`].
    pub body: Framing,
    /// Whether the client lets the connection live on.
    pub keep_alive: bool,
    /// The protocols the client would switch to (value of `Upgrade`), if it asks properly.
    pub upgrade: Option<Span>,
    /// Whether the client waits for `100 Continue` (HTTP/1.1 only).
    pub expect_continue: bool,
    /// Whether the client takes trailers (`TE: trailers`).
    pub te_trailers: bool,
    /// Whether a field name becomes that of a framing field when `_` is read as `-`, as in
    /// `Content_Length`. No honest client sends one; refuse it unless members are known to care.
    pub lookalike: bool,
    /// Length of the head in bytes, the empty line included.
    pub len: usize,
    facts: Facts,
    hosts: u32,
    stage: Stage,
}

/// Where in the head the parser stands; offsets are where to go on.
#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Start,
    /// The method begins at the offset.
    Method(usize),
    /// The target begins at `start`, is good up to `scan`, its first `?` is at `question`.
    Target {
        start: usize,
        scan: usize,
        question: Option<usize>,
    },
    /// The version begins at the offset.
    Version(usize),
    Fields(Lines),
    Done,
}

impl RequestHead {
    /// An empty head.
    pub fn new() -> RequestHead {
        RequestHead::default()
    }

    /// Forgets the request but keeps the memory.
    pub fn reset(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = RequestHead { fields, ..RequestHead::default() };
    }

    /// Parses as far as the bytes go. `buf` begins with the request; call again with more bytes
    /// after the same beginning until the head is `Complete`. A violation is refused as soon as
    /// it is seen, and how the bytes were cut never changes the verdict.
    ///
    /// # Errors
    /// What RFC 9112 forbids, and more: see [`CAUSES`].
    pub fn parse(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, Refusal> {
        let window = limits.window(buf);
        let parsed = self.advance(window, limits)?;
        if parsed == Parsed::Partial && window.len() == limits.most() {
            return Err(LONG_HEAD);
        }
        Ok(parsed)
    }

    /// The values of the fields of that name, in order.
    pub fn field<'a>(&'a self, buf: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        field::values(&self.fields, buf, name)
    }

    /// The first field of that kind.
    pub fn find(&self, known: Known) -> Option<&Field> {
        field::find(&self.fields, known)
    }

    /// The path to route by: `/` when an absolute-form target has none.
    pub fn path_or_root<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        if self.path.is_empty() { b"/" } else { self.path.of(buf) }
    }

    /// Appends the target a member is sent: the origin-form of what came, or `*`
    /// (RFC 9112 section 3.2.4 for OPTIONS without path).
    pub fn write_target(&self, buf: &[u8], out: &mut Vec<u8>) {
        if !self.path.is_empty() {
            out.extend_from_slice(self.path.of(buf));
        } else if self.method == Method::Options && self.query.is_none() {
            out.push(b'*');
        } else {
            out.push(b'/');
        }
        if let Some(query) = self.query {
            out.push(b'?');
            out.extend_from_slice(query.of(buf));
        }
    }

    fn advance(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, Refusal> {
        loop {
            let next = match self.stage {
                Stage::Start => begin(buf)?,
                Stage::Method(start) => self.read_method(buf, start)?,
                Stage::Target { start, scan, question } => {
                    self.read_target(buf, start, scan, question, limits)?
                }
                Stage::Version(start) => self.read_version(buf, start)?,
                Stage::Fields(lines) => return self.read_fields(buf, lines, limits),
                Stage::Done => return Ok(Parsed::Complete),
            };
            match next {
                Some(stage) => self.stage = stage,
                None => return Ok(Parsed::Partial),
            }
        }
    }

    fn read_method(&mut self, buf: &[u8], start: usize) -> Result<Option<Stage>, Refusal> {
        let mut end = start;
        while let Some(&byte) = buf.get(end)
            && is_token(byte)
        {
            end += 1;
            if end - start > METHOD_BYTES {
                return Err(LONG_METHOD);
            }
        }
        if buf.get(end) != Some(&b' ') {
            return ended(buf, end, BAD_METHOD);
        }
        self.method = Method::of(&buf[start..end]);
        self.method_span = Span::new(start, end);
        if self.method == Method::Connect {
            return Err(CONNECT);
        }
        Ok(Some(Stage::Target { start: end + 1, scan: end + 1, question: None }))
    }

    fn read_target(
        &mut self,
        buf: &[u8],
        start: usize,
        scan: usize,
        mut question: Option<usize>,
        limits: &Limits,
    ) -> Result<Option<Stage>, Refusal> {
        let mut end = scan;
        while let Some(&byte) = buf.get(end) {
            let good = match byte {
                b'?' => {
                    question = question.or(Some(end));
                    true
                }
                // Browsers send it raw in queries; in a path some servers take it for a slash.
                b'\\' => question.is_some(),
                _ => is_target(byte),
            };
            if !good {
                break;
            }
            end += 1;
            if end - start > limits.target_bytes {
                return Err(LONG_TARGET);
            }
        }
        if buf.get(end) != Some(&b' ') || end == start {
            if end == buf.len() {
                self.stage = Stage::Target { start, scan: end, question };
            }
            let otherwise = match buf.get(end) {
                Some(b' ' | b'\r') if end == start => BAD_START_LINE,
                Some(b'\r') => BAD_VERSION,
                _ => BAD_TARGET,
            };
            return ended(buf, end, otherwise);
        }
        self.target = Span::new(start, end);
        if self.target.of(buf) == b"*" && self.method_span.of(buf) == b"PRI" {
            return Err(HTTP2_PREFACE);
        }
        let target = Target::parse(buf, start, end, question, self.method)?;
        self.form = target.form;
        self.scheme = target.scheme;
        self.path = target.path;
        self.query = target.query;
        if let Some(authority) = target.authority {
            self.take_authority(authority);
        }
        Ok(Some(Stage::Version(end + 1)))
    }

    fn read_version(&mut self, buf: &[u8], start: usize) -> Result<Option<Stage>, Refusal> {
        let rest = &buf[start..];
        if rest.starts_with(b"HTTP/1.1\r\n") {
            self.version = Version::H11;
            return Ok(Some(Stage::Fields(Lines::at(start + 10))));
        }
        let Some(end) = version_end(rest) else {
            return if rest.len() > 8 { Err(BAD_VERSION) } else { Ok(None) };
        };
        match (rest[end], rest.get(end + 1)) {
            (b'\r', Some(b'\n')) => {}
            (b' ' | b'\t', _) if end == 0 => return Err(BAD_START_LINE),
            _ => return ended(buf, start + end, BAD_VERSION),
        }
        self.version = version(&rest[..end])?;
        Ok(Some(Stage::Fields(Lines::at(start + end + 2))))
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
                    let field = self.take_field(buf, name, value)?;
                    self.fields.push(field);
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

    #[inline]
    fn take_field(&mut self, buf: &[u8], name: Span, value: Span) -> Result<Field, Refusal> {
        let text = name.of(buf);
        let known = Known::of(text);
        let mut drop = known.is_hop_by_hop();
        match known {
            Known::Other => match disguise(text) {
                Disguise::None => {}
                Disguise::Framing => self.lookalike = true,
                Disguise::Forwarding => drop = true,
            },
            Known::Host => self.take_host(buf, value)?,
            Known::Expect => self.take_expect(value.of(buf))?,
            Known::Te => self.te_trailers |= takes_trailers(value.of(buf)),
            _ => self.facts.note(known, value, buf, self.version)?,
        }
        Ok(Field { name, value, known, drop })
    }

    fn take_host(&mut self, buf: &[u8], value: Span) -> Result<(), Refusal> {
        self.hosts += 1;
        if self.hosts > 1 {
            return Err(TWO_HOSTS);
        }
        let authority = Authority::parse(buf, value)?;
        // The target's own authority counts; Host must be sound all the same.
        if self.form != TargetForm::Absolute {
            self.take_authority(authority);
        }
        Ok(())
    }

    fn take_authority(&mut self, authority: Authority) {
        self.host = Some(authority.whole);
        self.host_name = Some(authority.name);
        self.port = authority.port;
    }

    fn take_expect(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(UNKNOWN_EXPECTATION);
        }
        // A 1.0 client cannot mean it (RFC 9110 section 10.1.1).
        self.expect_continue = self.version == Version::H11;
        Ok(())
    }

    fn finish(&mut self, buf: &[u8]) -> Result<(), Refusal> {
        if self.version == Version::H11 && self.hosts == 0 {
            return Err(NO_HOST);
        }
        self.body = match self.facts.length {
            Some(length) => Framing::Length(length),
            None if self.facts.chunked => Framing::Chunked,
            None => Framing::None,
        };
        self.keep_alive = self.facts.keep_alive(self.version);
        self.upgrade = self.facts.upgrade(buf, self.version);
        self.facts.drop_nominated(&mut self.fields, buf)
    }
}

/// Skips one empty line (RFC 9112 section 2.2) and looks at the first byte.
fn begin(buf: &[u8]) -> Result<Option<Stage>, Refusal> {
    let start = match buf {
        [b'\r', b'\n', ..] => 2,
        [b'\r'] => return Ok(None),
        _ => 0,
    };
    match buf.get(start) {
        None => Ok(None),
        Some(&byte) if is_token(byte) => Ok(Some(Stage::Method(start))),
        Some(b'\r') if start > 0 => ended(buf, start, LEADING_EMPTY_LINES),
        Some(0x16) => Err(TLS_IN_CLEAR),
        Some(b' ' | b'\t') => Err(BAD_START_LINE),
        Some(_) => ended(buf, start, BAD_METHOD),
    }
}

fn takes_trailers(value: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|coding| trim(coding).eq_ignore_ascii_case(b"trailers"))
}
