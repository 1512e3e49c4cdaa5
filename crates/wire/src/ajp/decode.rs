use super::refusal::{
    BAD_ASK, BAD_CONTENT_LENGTH, BAD_LENGTH, BAD_MAGIC, BAD_NAME, BAD_STATUS, BAD_STRING, BAD_TYPE,
    BAD_VALUE, LONG_BODY, LONG_HEAD, MANY_FIELDS, OUT_OF_ORDER,
};
use super::{Field, Head, Limits, Name, codes};
use crate::http1::{Known, Refusal, Span, chars};

/// What a container said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Nothing more in these bytes: call again with what is left of them and more behind it.
    NeedMore,
    /// The head of the answer is in [`Decoder::head`]; valid until the bytes change.
    Head,
    /// A part of the body, by offsets into the bytes given.
    Body(Span),
    /// What came so far is to reach the client. May come before the head, and means nothing then.
    Flush,
    /// The container wants this many bytes of the request's body, at least 1.
    GetBody(u16),
    /// The answer is complete.
    End {
        /// Whether the connection takes another request.
        reuse: bool,
    },
    /// The answer to [`CPING`](super::CPING).
    Pong,
}

/// Makes events of what a container sends in one exchange. Holds no bytes: a head is decoded once
/// its packet is whole in the caller's buffer, body bytes are passed on as they come.
#[derive(Clone, Debug)]
pub struct Decoder {
    limits: Limits,
    state: State,
    head: Head,
    /// Whether the head was there.
    begun: bool,
    /// Bytes the body may still have, if the head announced it.
    body_left: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// A packet begins.
    Packet,
    /// Within a body packet; that many bytes of data, then a NUL.
    Data(u16),
    /// The exchange is over.
    Done,
}

/// The types of packets that a container sends.
const SEND_BODY_CHUNK: u8 = 3;
const SEND_HEADERS: u8 = 4;
const END_RESPONSE: u8 = 5;
const GET_BODY_CHUNK: u8 = 6;
const CPONG: u8 = 9;

impl Decoder {
    /// For the first exchange of a connection.
    pub fn new(limits: &Limits) -> Decoder {
        Decoder {
            limits: *limits,
            state: State::Packet,
            head: Head::default(),
            begun: false,
            body_left: None,
        }
    }

    /// For the next exchange; keeps the memory.
    pub fn reset(&mut self) {
        let mut fields = std::mem::take(&mut self.head.fields);
        fields.clear();
        *self = Decoder { head: Head { fields, ..Head::default() }, ..Decoder::new(&self.limits) };
    }

    /// The head, once [`Event::Head`] was there.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Bytes of the body that `Content-Length` announced and that did not come; after the end of
    /// an answer that may have a body, more than 0 means it is cut off.
    pub fn body_left(&self) -> Option<u64> {
        self.body_left
    }

    /// Takes bytes from the start of `input` and says how many, with what they meant. The rest,
    /// in front of what is received next, is for the next call. After [`Event::End`] nothing is
    /// taken any more: bytes that are left over were not asked for.
    ///
    /// # Errors
    /// Always status 502, with the cause; the connection is of no further use.
    pub fn step(&mut self, input: &[u8]) -> Result<(usize, Event), Refusal> {
        // Offsets then fit a span.
        let input = &input[..input.len().min(1 << 24)];
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match self.state {
                State::Done => return Ok((at, Event::NeedMore)),
                State::Data(_) if rest.is_empty() => return Ok((at, Event::NeedMore)),
                State::Data(0) if rest[0] != 0 => return Err(BAD_STRING),
                State::Data(0) => {
                    self.state = State::Packet;
                    at += 1;
                }
                State::Data(left) => {
                    let taken = rest.len().min(usize::from(left));
                    self.state = State::Data(left - taken as u16);
                    return Ok((at + taken, Event::Body(Span::new(at, at + taken))));
                }
                State::Packet => match self.packet(input, at)? {
                    None => return Ok((at, Event::NeedMore)),
                    Some((end, Some(event))) => return Ok((end, event)),
                    Some((end, None)) => at = end,
                },
            }
        }
    }

    /// The packet at `at`: where to go on and perhaps what it meant. `None`: not there yet.
    fn packet(
        &mut self,
        input: &[u8],
        at: usize,
    ) -> Result<Option<(usize, Option<Event>)>, Refusal> {
        let rest = &input[at..];
        if !b"AB".starts_with(&rest[..rest.len().min(2)]) {
            return Err(BAD_MAGIC);
        }
        let &[_, _, high, low, kind, ..] = rest else { return Ok(None) };
        let length = u16::from_be_bytes([high, low]);
        let end = at + 4 + usize::from(length);
        let exact = match kind {
            SEND_BODY_CHUNK => {
                return self
                    .chunk(rest, length)
                    .map(|next| next.map(|(taken, event)| (at + taken, event)));
            }
            SEND_HEADERS if usize::from(length) + 4 > self.limits.packet() => {
                return Err(LONG_HEAD);
            }
            SEND_HEADERS => length,
            END_RESPONSE => 2,
            GET_BODY_CHUNK => 3,
            CPONG => 1,
            _ => return Err(BAD_TYPE),
        };
        if length != exact || length == 0 {
            return Err(BAD_LENGTH);
        }
        let Some(content) = input.get(at + 5..end) else { return Ok(None) };
        let event = match (kind, content) {
            (SEND_HEADERS, _) => {
                self.read_head(input, at + 5, end)?;
                Event::Head
            }
            (END_RESPONSE, _) if !self.begun => return Err(OUT_OF_ORDER),
            (END_RESPONSE, flag) => {
                self.state = State::Done;
                Event::End { reuse: flag == [1] }
            }
            (GET_BODY_CHUNK, [0, 0]) => return Err(BAD_ASK),
            (GET_BODY_CHUNK, &[high, low]) => Event::GetBody(u16::from_be_bytes([high, low])),
            _ if self.begun => return Err(OUT_OF_ORDER),
            _ => Event::Pong,
        };
        Ok(Some((end, Some(event))))
    }

    /// The seven bytes before the data of a body packet.
    fn chunk(
        &mut self,
        rest: &[u8],
        length: u16,
    ) -> Result<Option<(usize, Option<Event>)>, Refusal> {
        let &[_, _, _, _, _, high, low, ..] = rest else {
            return if length < 4 { Err(BAD_LENGTH) } else { Ok(None) };
        };
        let data = u16::from_be_bytes([high, low]);
        if u32::from(length) != u32::from(data) + 4 {
            return Err(BAD_LENGTH);
        }
        if data > 0 && !self.begun {
            return Err(OUT_OF_ORDER);
        }
        if let Some(left) = &mut self.body_left {
            *left = left.checked_sub(u64::from(data)).ok_or(LONG_BODY)?;
        }
        self.state = State::Data(data);
        Ok(Some((7, (data == 0).then_some(Event::Flush))))
    }

    /// Status, reason and fields; they must fill `from` to `end`.
    fn read_head(&mut self, input: &[u8], from: usize, end: usize) -> Result<(), Refusal> {
        if self.begun {
            return Err(OUT_OF_ORDER);
        }
        self.begun = true;
        let mut reader = Reader { bytes: &input[..end], at: from };
        let status = reader.number()?;
        if !(200..600).contains(&status) {
            return Err(BAD_STATUS);
        }
        let reason = value(input, reader.string()?.unwrap_or_default())?;
        let digits = [status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
        let is_status = reason.of(input) == digits;
        self.head.status = status;
        self.head.reason = if is_status { Span::default() } else { reason };
        let count = reader.number()?;
        if usize::from(count) > self.limits.fields {
            return Err(MANY_FIELDS);
        }
        for _ in 0..count {
            let name = reader.name()?;
            let value = value(input, reader.string()?.unwrap_or_default())?;
            let known = Known::of(name.of(input));
            if known == Known::ContentLength {
                let length = decimal(value.of(input)).ok_or(BAD_CONTENT_LENGTH)?;
                if self.head.content_length.replace(length).is_some() {
                    return Err(BAD_CONTENT_LENGTH);
                }
            }
            self.head.fields.push(Field { name, value, known, drop: known.is_hop_by_hop() });
        }
        self.body_left = self.head.content_length;
        if reader.at == end { Ok(()) } else { Err(BAD_LENGTH) }
    }
}

/// Reads a packet that is whole.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn number(&mut self) -> Result<u16, Refusal> {
        let number = self.peek().ok_or(BAD_LENGTH)?;
        self.at += 2;
        Ok(number)
    }

    fn peek(&self) -> Option<u16> {
        let two = self.bytes.get(self.at..)?.first_chunk()?;
        Some(u16::from_be_bytes(*two))
    }

    /// `None` for the string that is none.
    fn string(&mut self) -> Result<Option<Span>, Refusal> {
        let length = self.number()?;
        if length == 0xFFFF {
            return Ok(None);
        }
        let start = self.at;
        let end = start + usize::from(length);
        if self.bytes.get(end) != Some(&0) {
            return Err(BAD_STRING);
        }
        self.at = end + 1;
        Ok(Some(Span::new(start, end)))
    }

    fn name(&mut self) -> Result<Name, Refusal> {
        let first = self.peek().ok_or(BAD_LENGTH)?;
        if first >> 8 == 0xA0 {
            self.at += 2;
            return codes::answer_field(first).map(Name::Coded).ok_or(BAD_NAME);
        }
        let span = self.string()?.ok_or(BAD_NAME)?;
        let name = span.of(self.bytes);
        if name.is_empty() || !name.iter().all(|&byte| chars::is_token(byte)) {
            return Err(BAD_NAME);
        }
        Ok(Name::Spelt(span))
    }
}

/// Without the whitespace around it; control bytes would let a member begin a new line.
fn value(input: &[u8], span: Span) -> Result<Span, Refusal> {
    let bytes = span.of(input);
    if bytes.iter().any(|&byte| chars::is_control(byte) && byte != b'\t') {
        return Err(BAD_VALUE);
    }
    let trimmed = chars::trim(bytes);
    let lead = bytes.len() - bytes.trim_ascii_start().len();
    let start = span.start as usize + lead;
    Ok(Span::new(start, start + trimmed.len()))
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
