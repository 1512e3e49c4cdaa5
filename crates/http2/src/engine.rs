//! The connection of a client as a machine: bytes in, bytes and events out; no socket and no clock.
//!
//! What streams send is written straight into the bytes that go out, behind a header of its frame;
//! what they receive lies in their [`Inlet`] until they take it. Windows open as they do. Whatever
//! a client can make the machine keep has a bound: streams, heads, bytes not taken, and answers to
//! its frames, for beyond [`REPLIES`] bytes that do not leave nothing more is heard.

#[cfg(any(test, feature = "exercise"))]
pub(crate) mod exercise;
mod frames;
mod heads;
mod inlet;
mod said;
mod stream;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use evenkeel_net::{Buffer, Micros};
use evenkeel_wire::http1::ResponseHead;
use evenkeel_wire::http2::frame::{
    Code, HEADER, Header, PAYLOAD, PREFACE, WINDOW, kind, number, setting,
};
use evenkeel_wire::http2::hpack::{Decoder, Encoder};

use crate::guard::Guard;
use crate::head::{Head, PER_FIELD};
use crate::request::Asked;
use stream::{Closed, Stream};
use turns::Turns;

/// Bytes that a client may send on one stream before any is taken: at 50 ms of distance, that is
/// 5 MB a second for a single upload.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Bytes that a client may send on all its streams before any is taken: what one connection can
/// make us hold.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// The dynamic table of a client's heads (the usual size).
const TABLE: usize = 4096;
/// Bytes that wait to leave before answers give no more.
const OUT: usize = 64 * 1024;
/// Bytes that wait to leave before the client is heard no more.
pub(crate) const REPLIES: usize = OUT + 32 * 1024;
/// What an answer gives in its turn, while others wait for theirs.
const TURN: usize = PAYLOAD;
/// Streams that the client or we have reset, and whose requests are still being given up.
const PENDING_RESETS: usize = 20;
/// What our PING after the first GOAWAY says.
const FAREWELL: [u8; 8] = *b"farewell";

/// How a connection is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Streams open at once; 100.
    pub streams: u32,
    /// Bytes of a head, names and values.
    pub head_bytes: usize,
    /// Fields of a head.
    pub fields: usize,
    /// Points of its flood budget that are spent already.
    pub spent: u64,
}

impl Settings {
    /// Bytes of a head by the count of RFC 9113 section 6.5.2.
    fn list_bytes(&self) -> usize {
        self.head_bytes.saturating_add(self.fields.saturating_mul(PER_FIELD))
    }
}

/// What frames ask of whoever runs the machine.
#[derive(Debug)]
pub(crate) enum Event {
    /// A request has come; its head is in [`Engine::text`].
    Request { id: u32, asked: Asked },
    /// A request was refused, for this cause.
    Refused(&'static str),
    /// A head was so many times as large as one may be; its request was refused.
    TooLarge(usize),
}

/// Why a frame is not in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// The stream ends.
    Stream(Code),
    /// The connection ends.
    Connection(Code),
}

/// How far the connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// The preface has not all come.
    Preface,
    /// The client's settings come first (RFC 9113 section 3.4).
    Greeting,
    Open,
    /// The client was told to open no more streams, but may have done so meanwhile.
    Leaving,
    /// Streams above this one will not be served.
    Left(u32),
    /// Nothing more is heard.
    Over,
}

/// A head that is spread over frames.
#[derive(Debug)]
struct Block {
    stream: u32,
    ends: bool,
    depends_on_itself: bool,
    bytes: Vec<u8>,
}

/// The connection of a client.
pub(crate) struct Engine {
    ours: Settings,
    phase: Phase,
    /// Why it had to end, if that was the client's doing.
    cause: Option<&'static str>,
    /// The client opens no more.
    peer_left: bool,
    streams: Streams,
    /// Streams that neither side has ended.
    active: u32,
    /// The highest stream that the client opened.
    last: u32,
    closed: Closed,
    decoder: Decoder,
    encoder: Encoder,
    block: Option<Block>,
    head: Head,
    /// The head of the request that came last, as HTTP/1.1.
    pub(crate) text: Vec<u8>,
    /// A block of fields that is being written.
    fields: Vec<u8>,
    /// The head of an answer that is being read.
    pub(crate) answer: ResponseHead,
    /// Bytes of DATA that may be sent on the connection.
    send_window: i64,
    /// Those of a new stream.
    send_window_of_streams: u32,
    /// Bytes of DATA that the client may send on the connection.
    recv_window: i64,
    /// Those that were taken, and about which it was not told.
    credit: u32,
    turns: Turns,
    /// Streams that wait for the connection's window.
    starved: Vec<u32>,
    out: Buffer,
    guard: Guard,
    /// Answers that were cut, not yet asked about.
    cuts: u32,
    /// Bytes that the last frame brought for a stream that was reset.
    ignored: usize,
}

/// Streams by their numbers.
type Streams = HashMap<u32, Stream, BuildHasherDefault<Spread>>;

/// A hash of a number that costs a multiplication. Numbers of streams only grow, so a client has no
/// choice of collisions.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Engine {
    /// A machine that has said its settings.
    pub(crate) fn new(ours: Settings, now: Micros) -> Engine {
        let mut engine = Engine {
            ours,
            phase: Phase::Preface,
            cause: None,
            peer_left: false,
            streams: Streams::default(),
            active: 0,
            last: 0,
            closed: Closed::default(),
            decoder: Decoder::new(TABLE),
            encoder: Encoder::new(),
            block: None,
            head: Head::default(),
            text: Vec::new(),
            fields: Vec::new(),
            answer: ResponseHead::new(),
            send_window: i64::from(WINDOW),
            send_window_of_streams: WINDOW,
            recv_window: i64::from(CONNECTION_WINDOW),
            credit: 0,
            turns: Turns::default(),
            starved: Vec::new(),
            out: Buffer::new(),
            guard: Guard::new(ours.spent, now),
            cuts: 0,
            ignored: 0,
        };
        engine.greet();
        engine
    }

    fn greet(&mut self) {
        let list = u32::try_from(self.ours.list_bytes()).unwrap_or(u32::MAX);
        let settings = [
            (setting::MAX_CONCURRENT_STREAMS, self.ours.streams),
            (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW),
            (setting::MAX_HEADER_LIST_SIZE, list),
            (setting::ENABLE_CONNECT_PROTOCOL, 1),
            (setting::NO_RFC7540_PRIORITIES, 1),
        ];
        let mut payload = [0; 30];
        for (six, (id, value)) in payload.chunks_exact_mut(6).zip(settings) {
            six[..2].copy_from_slice(&id.to_be_bytes());
            six[2..].copy_from_slice(&value.to_be_bytes());
        }
        self.frame_out(kind::SETTINGS, 0, 0, &payload);
        let more = CONNECTION_WINDOW - WINDOW;
        self.frame_out(kind::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
    }

    /// Takes frames off the bytes that came, up to the first that means something for the outside,
    /// or `most` of them. Gives how many bytes were used, and what it means.
    pub(crate) fn hear(
        &mut self,
        bytes: &[u8],
        most: &mut u32,
        now: &impl Fn() -> Micros,
    ) -> (usize, Option<Event>) {
        let mut used = 0;
        if self.phase == Phase::Preface {
            used = self.hear_preface(bytes);
        }
        while self.is_hearing() && *most > 0 && self.phase != Phase::Preface {
            let Some(header) = Header::read(&bytes[used..]) else { break };
            if header.length > PAYLOAD {
                self.fail(Code::FrameSizeError, "http2-protocol");
                break;
            }
            let whole = used + HEADER..used + HEADER + header.length;
            let Some(payload) = bytes.get(whole.clone()) else { break };
            (used, *most) = (whole.end, *most - 1);
            if let Err(cause) = self.guard.frame(&header, now) {
                self.fail(Code::EnhanceYourCalm, cause);
                break;
            }
            match self.frame(header, payload) {
                Ok(None) => self.charge_ignored(now),
                Ok(Some(event)) => {
                    if let Event::TooLarge(times) = event {
                        self.charge_head(times, now);
                    }
                    return (used, Some(event));
                }
                Err(Fault::Connection(code)) => self.fail(code, "http2-protocol"),
                Err(Fault::Stream(code)) => {
                    let cause = self.refuse(header.stream, code, now);
                    return (used, Some(Event::Refused(cause)));
                }
            }
        }
        (used, None)
    }

    fn hear_preface(&mut self, bytes: &[u8]) -> usize {
        let have = bytes.len().min(PREFACE.len());
        if bytes[..have] != PREFACE[..have] {
            self.fail(Code::ProtocolError, "http2-protocol");
            return 0;
        }
        if have < PREFACE.len() {
            return 0;
        }
        self.phase = Phase::Greeting;
        have
    }

    /// Resets a stream because of what the client sent. Such streams cost as much as those that the
    /// client resets itself, for a client can make us do it.
    fn refuse(&mut self, id: u32, code: Code, now: &impl Fn() -> Micros) -> &'static str {
        self.reset(id, code);
        let (paid, cause) = match code {
            Code::RefusedStream => (self.guard.refused(now), "http2-refused"),
            Code::ProtocolError => (self.guard.reset(now), "http2-malformed"),
            _ => (self.guard.reset(now), "http2-stream"),
        };
        if let Err(cause) = paid {
            self.fail(Code::EnhanceYourCalm, cause);
        }
        cause
    }

    /// What comes for a stream that was reset was on its way, up to a point.
    fn charge_ignored(&mut self, now: &impl Fn() -> Micros) {
        let bytes = std::mem::take(&mut self.ignored);
        if bytes > 0
            && let Err(cause) = self.guard.ignored(bytes, now)
        {
            self.fail(Code::EnhanceYourCalm, cause);
        }
    }

    /// A head was so many times as large as one may be.
    fn charge_head(&mut self, times: usize, now: &impl Fn() -> Micros) {
        if let Err(cause) = self.guard.head(times, now) {
            self.fail(Code::EnhanceYourCalm, cause);
        }
    }

    /// Whether frames are taken now.
    pub(crate) fn is_hearing(&self) -> bool {
        self.phase != Phase::Over && self.out.len() < REPLIES
    }

    /// Whether the client's preface has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.phase != Phase::Preface
    }

    /// Whether nothing more happens once the last bytes have left.
    pub(crate) fn is_over(&self) -> bool {
        let done = self.peer_left || matches!(self.phase, Phase::Left(_));
        self.phase == Phase::Over || (done && self.streams.is_empty())
    }

    /// Why it had to end, if that was the client's doing.
    pub(crate) fn cause(&self) -> Option<&'static str> {
        self.cause
    }

    /// Points of the flood budget that were spent and have not come back.
    pub(crate) fn spent(&mut self, now: Micros) -> u64 {
        self.guard.spent(now)
    }

    /// Whether the client is being sent away.
    pub(crate) fn is_failed(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Streams whose requests are under way.
    pub(crate) fn open(&self) -> usize {
        self.streams.len()
    }

    /// Answers that were cut since this was asked.
    pub(crate) fn take_cuts(&mut self) -> u32 {
        std::mem::take(&mut self.cuts)
    }

    /// What is to be sent.
    pub(crate) fn out(&self) -> &[u8] {
        self.out.bytes()
    }

    /// So many bytes were sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.out.consume(bytes);
        self.guard.sent(bytes);
        self.give_turns();
    }

    /// Tells the client to open no more streams; those that are open go on. What it sent before it
    /// heard so is served: the last stream is named when our PING has come back (RFC 9113 section
    /// 6.8).
    pub(crate) fn wind_down(&mut self) {
        if matches!(self.phase, Phase::Greeting | Phase::Open | Phase::Preface) {
            self.goaway(i32::MAX.cast_unsigned(), Code::NoError);
            self.frame_out(kind::PING, 0, 0, &FAREWELL);
            self.phase = Phase::Leaving;
        }
    }

    fn goaway(&mut self, last: u32, code: Code) {
        let mut payload = [0; 8];
        payload[..4].copy_from_slice(&last.to_be_bytes());
        payload[4..].copy_from_slice(&(code as u32).to_be_bytes());
        self.frame_out(kind::GOAWAY, 0, 0, &payload);
    }

    /// Ends the connection for an error of the client's.
    fn fail(&mut self, code: Code, cause: &'static str) {
        if self.phase == Phase::Over {
            return;
        }
        self.goaway(self.last, code);
        self.cause = Some(cause);
        self.break_off();
    }

    /// The connection broke or ended: so do all streams.
    pub(crate) fn break_off(&mut self) {
        self.phase = Phase::Over;
        for stream in self.streams.values_mut() {
            stream.break_off();
        }
        self.active = 0;
    }

    fn frame_out(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let header = Header { length: payload.len(), kind, flags, stream };
        self.out.extend(&header.bytes());
        self.out.extend(payload);
    }

    fn reset_out(&mut self, id: u32, code: Code) {
        self.frame_out(kind::RST_STREAM, 0, id, &(code as u32).to_be_bytes());
    }
}

/// Whether what a stream is said to depend on is the stream itself, which must not be (RFC 7540
/// section 5.3.1).
fn depends_on(payload: &[u8], stream: u32) -> bool {
    number(payload) == Some(stream)
}
