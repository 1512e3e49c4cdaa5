use super::refusal::{BAD_END, BAD_ID, BAD_TYPE, BAD_VERSION};
use super::{END_REQUEST, HEADER_BYTES, STDERR, STDOUT};
use crate::http1::{Refusal, Span};

/// What a responder said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Nothing more in these bytes: call again with what is left of them and more behind it.
    NeedMore,
    /// A part of the answer, by offsets into the bytes given.
    Stdout(Span),
    /// A part of what goes to the log.
    Stderr(Span),
    /// The request is over.
    End {
        /// What a CGI program would have given to `exit`.
        app_status: u32,
        /// Whether the responder took the request at all.
        protocol_status: ProtocolStatus,
    },
}

/// How a request ended (FastCGI section 5.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtocolStatus {
    /// As it should.
    Complete,
    /// Refused: a second request on the connection, of a responder that takes one at a time.
    CantMultiplex,
    /// Refused: the responder has no room.
    Overloaded,
    /// Refused: it is no responder.
    UnknownRole,
}

/// Makes events of the records for one request. Holds no bytes: what the records carry is passed
/// on as it comes. The end of a stream is no event, as some responders leave it out.
#[derive(Clone, Debug)]
pub struct Decoder {
    id: u16,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// A record begins.
    Header,
    /// Within a record of a stream: bytes left, and of the padding behind them.
    Content { is_error: bool, left: u16, padding: u8 },
    /// The request is over.
    Done,
}

impl Decoder {
    /// For the request that was begun with that `id`.
    pub fn new(id: u16) -> Decoder {
        Decoder { id, state: State::Header }
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
            match &mut self.state {
                State::Done => return Ok((at, Event::NeedMore)),
                State::Content { left: 0, padding: 0, .. } => self.state = State::Header,
                State::Content { .. } if rest.is_empty() => return Ok((at, Event::NeedMore)),
                State::Content { left: 0, padding, .. } => {
                    let taken = rest.len().min(usize::from(*padding));
                    *padding -= taken as u8;
                    at += taken;
                }
                State::Content { is_error, left, .. } => {
                    let taken = rest.len().min(usize::from(*left));
                    *left -= taken as u16;
                    let span = Span::new(at, at + taken);
                    let event = if *is_error { Event::Stderr(span) } else { Event::Stdout(span) };
                    return Ok((at + taken, event));
                }
                State::Header => match self.record(rest)? {
                    None => return Ok((at, Event::NeedMore)),
                    Some((taken, Some(event))) => return Ok((at + taken, event)),
                    Some((taken, None)) => at += taken,
                },
            }
        }
    }

    /// The record that `rest` begins with: how much of it is dealt with and perhaps what it meant.
    /// `None`: not there yet.
    fn record(&mut self, rest: &[u8]) -> Result<Option<(usize, Option<Event>)>, Refusal> {
        if rest.first().is_some_and(|&version| version != 1) {
            return Err(BAD_VERSION);
        }
        let Some((header, content)) = rest.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let &[_, kind, id_high, id_low, high, low, padding, _] = header;
        if !matches!(kind, STDOUT | STDERR | END_REQUEST) {
            return Err(BAD_TYPE);
        }
        if u16::from_be_bytes([id_high, id_low]) != self.id {
            return Err(BAD_ID);
        }
        let length = u16::from_be_bytes([high, low]);
        if kind != END_REQUEST {
            self.state = State::Content { is_error: kind == STDERR, left: length, padding };
            return Ok(Some((HEADER_BYTES, None)));
        }
        if length != 8 {
            return Err(BAD_END);
        }
        let Some(&[a, b, c, d, status, ..]) = content.get(..8 + usize::from(padding)) else {
            return Ok(None);
        };
        let protocol_status = match status {
            0 => ProtocolStatus::Complete,
            1 => ProtocolStatus::CantMultiplex,
            2 => ProtocolStatus::Overloaded,
            3 => ProtocolStatus::UnknownRole,
            _ => return Err(BAD_END),
        };
        self.state = State::Done;
        let app_status = u32::from_be_bytes([a, b, c, d]);
        let taken = HEADER_BYTES + 8 + usize::from(padding);
        Ok(Some((taken, Some(Event::End { app_status, protocol_status }))))
    }
}
