use super::refusal::{BAD_LENGTH, BAD_NAME, BAD_STATUS, BAD_VALUE, LONG_HEAD, MANY_FIELDS};
use crate::http1::{Field, Known, Limits, Parsed, Refusal, Span, chars, write};

/// The head of a CGI answer (RFC 3875 section 6): offsets into the buffer it was parsed from.
/// Reuse it for the next answer after [`Head::reset`]; it means nothing until `parse` said
/// `Complete`.
///
/// The status is that of `Status`; without it 302 if there is a `Location`, else 200. A `Location`
/// that is a path (section 6.2.2) goes to the client as well: there is no redirection within the
/// balancer.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// 200 to 599.
    pub status: u16,
    /// The reason phrase of `Status`, possibly empty.
    pub reason: Span,
    /// The field lines, in order. `Status` itself and hop-by-hop fields are marked `drop`.
    pub fields: Vec<Field>,
    /// The value of `Content-Length`. The responder may write more or less than that all the same;
    /// the caller has to count.
    pub content_length: Option<u64>,
    /// Length of the head in bytes, the empty line included; the body follows.
    pub len: usize,
    /// Where the current line begins.
    line: usize,
    /// No line ends before this.
    scan: usize,
    has_location: bool,
}

impl Head {
    /// An empty head.
    pub fn new() -> Head {
        Head::default()
    }

    /// Forgets the answer but keeps the memory.
    pub fn reset(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Head { fields, ..Head::default() };
    }

    /// Parses as far as the bytes go; call again with the same bytes and more behind them while it
    /// says `Partial`. Lines end with LF or CRLF. Of `limits` the bytes and the fields count.
    ///
    /// # Errors
    /// Always status 502, with the cause.
    pub fn parse(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, Refusal> {
        if self.len > 0 {
            return Ok(Parsed::Complete);
        }
        let most = limits.head_bytes.min(16 << 20);
        let window = &buf[..buf.len().min(most)];
        while let Some(offset) = memchr::memchr(b'\n', window.get(self.scan..).unwrap_or_default())
        {
            let feed = self.scan + offset;
            let start = std::mem::replace(&mut self.line, feed + 1);
            self.scan = feed + 1;
            let text = &window[start..feed];
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if text.is_empty() {
                self.len = feed + 1;
                if self.status == 0 {
                    self.status = if self.has_location { 302 } else { 200 };
                }
                return Ok(Parsed::Complete);
            }
            if self.fields.len() >= limits.fields {
                return Err(MANY_FIELDS);
            }
            self.read_line(text, start)?;
        }
        self.scan = window.len();
        if window.len() == most { Err(LONG_HEAD) } else { Ok(Parsed::Partial) }
    }

    /// Appends the head as HTTP/1.1 has it, without the fields marked `drop`. `buf` is what the
    /// head was parsed from.
    pub fn write_http1(&self, buf: &[u8], out: &mut Vec<u8>) {
        write::status_line(out, self.status, self.reason.of(buf));
        for field in self.fields.iter().filter(|field| !field.drop) {
            write::field(out, field.name.of(buf), field.value.of(buf));
        }
        write::end(out);
    }

    /// One line without its end, which begins at `start`.
    fn read_line(&mut self, text: &[u8], start: usize) -> Result<(), Refusal> {
        let colon = text.iter().position(|&byte| !chars::is_token(byte));
        let colon = colon.filter(|&at| at > 0 && text[at] == b':').ok_or(BAD_NAME)?;
        let (name, after) = (&text[..colon], &text[colon + 1..]);
        if after.iter().any(|&byte| chars::is_control(byte) && byte != b'\t') {
            return Err(BAD_VALUE);
        }
        let value = chars::trim(after);
        // No control bytes but HTAB are left, so what is trimmed here is what was trimmed there.
        let lead = after.len() - after.trim_ascii_start().len();
        let begin = start + colon + 1 + lead;
        let known = Known::of(name);
        let is_status = name.eq_ignore_ascii_case(b"status");
        match known {
            _ if is_status => self.read_status(value, begin)?,
            Known::Location => self.has_location = true,
            Known::ContentLength => {
                let length = decimal(value).ok_or(BAD_LENGTH)?;
                if self.content_length.replace(length).is_some() {
                    return Err(BAD_LENGTH);
                }
            }
            _ => {}
        }
        self.fields.push(Field {
            name: Span::new(start, start + colon),
            value: Span::new(begin, begin + value.len()),
            known,
            drop: is_status || known.is_hop_by_hop(),
        });
        Ok(())
    }

    /// Three digits, then perhaps a space and the reason (section 6.3.3).
    fn read_status(&mut self, value: &[u8], begin: usize) -> Result<(), Refusal> {
        let (digits, reason) = value.split_at_checked(3).ok_or(BAD_STATUS)?;
        let status = decimal(digits).ok_or(BAD_STATUS)? as u16;
        let is_apart = reason.is_empty() || reason[0] == b' ';
        if self.status != 0 || !is_apart || !(200..600).contains(&status) {
            return Err(BAD_STATUS);
        }
        let lead = reason.len() - reason.trim_ascii_start().len();
        self.status = status;
        self.reason = Span::new(begin + 3 + lead, begin + value.len());
        Ok(())
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}
