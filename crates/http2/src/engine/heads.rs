//! Heads that came: requests, and trailers.

use evenkeel_wire::http1::Framing;
use evenkeel_wire::http2::frame::{Code, Header, flag, kind, unpadded};
use evenkeel_wire::http2::hpack;

use super::frames::is_ours;
use super::inlet::Inlet;
use super::stream::{Broken, Stream};
use super::{Block, Engine, Event, Fault, PENDING_RESETS, Phase, STREAM_WINDOW, depends_on};
use crate::priority::Priority;
use crate::request::write_head;

/// Bytes before a head that say what it depends on (RFC 7540 section 6.2).
const DEPENDENCY: usize = 5;

impl Engine {
    pub(super) fn headers(
        &mut self,
        header: Header,
        payload: &[u8],
    ) -> Result<Option<Event>, Fault> {
        let id = header.stream;
        let mut block = unpadded(header, payload).ok_or(Fault::Connection(Code::ProtocolError))?;
        if is_ours(id) {
            return Err(Fault::Connection(Code::ProtocolError));
        }
        let mut depends_on_itself = false;
        if header.has(flag::PRIORITY) {
            depends_on_itself = depends_on(block, id);
            block = block.get(DEPENDENCY..).ok_or(Fault::Connection(Code::FrameSizeError))?;
        }
        let ends = header.has(flag::END_STREAM);
        if header.has(flag::END_HEADERS) {
            return self.whole_block(id, ends, depends_on_itself, block);
        }
        self.block = Some(Block { stream: id, ends, depends_on_itself, bytes: block.to_vec() });
        Ok(None)
    }

    pub(super) fn continuation(
        &mut self,
        header: Header,
        payload: &[u8],
    ) -> Result<Option<Event>, Fault> {
        let Some(mut block) = self.block.take() else {
            return Err(Fault::Connection(Code::ProtocolError));
        };
        if block.bytes.len() + payload.len() > self.ours.list_bytes() {
            // Compressed it is no longer than it may be unpacked.
            self.fail(Code::EnhanceYourCalm, "http2-continuations");
            return Ok(None);
        }
        block.bytes.extend_from_slice(payload);
        if header.has(flag::END_HEADERS) {
            let Block { stream, ends, depends_on_itself, bytes } = block;
            return self.whole_block(stream, ends, depends_on_itself, &bytes);
        }
        self.block = Some(block);
        Ok(None)
    }

    fn whole_block(
        &mut self,
        id: u32,
        ends: bool,
        depends_on_itself: bool,
        block: &[u8],
    ) -> Result<Option<Event>, Fault> {
        let is_known = self.streams.contains_key(&id);
        let (head, most) = (&mut self.head, self.ours.list_bytes());
        head.begin(most, is_known);
        // Whatever the head is worth, what follows must be decoded by the same table.
        match self.decoder.decode_while(block, |field| head.take(&field)) {
            Ok(()) => {}
            Err(hpack::Fault::Stopped) => {
                self.fail(Code::EnhanceYourCalm, "http2-heads");
                return Ok(None);
            }
            Err(_) => return Err(Fault::Connection(Code::CompressionError)),
        }
        if is_known {
            return self.trailers_in(id, ends).map(|()| None);
        }
        if id <= self.last {
            let unused = self.closed.by_us(id).is_none();
            let code = if unused { Code::ProtocolError } else { Code::StreamClosed };
            return self.of_gone(id, code).map(|()| None);
        }
        self.last = id;
        if let Phase::Left(_) = self.phase {
            // The client was told that it would not be served.
            self.closed.add(id, true);
            return Ok(None);
        }
        if depends_on_itself {
            return Err(Fault::Stream(Code::ProtocolError));
        }
        self.request(id, ends)
    }

    fn request(&mut self, id: u32, ends: bool) -> Result<Option<Event>, Fault> {
        let most = self.ours.streams;
        if self.active >= most || self.streams.len() >= most as usize + PENDING_RESETS {
            return Err(Fault::Stream(Code::RefusedStream));
        }
        if self.head.is_too_large() {
            self.refuse_head(id, ends);
            return Ok(Some(Event::TooLarge(self.head.times_too_large())));
        }
        if self.head.is_malformed() {
            return Err(Fault::Stream(Code::ProtocolError));
        }
        self.text.clear();
        let asked = write_head(&self.head, ends, &mut self.text)
            .map_err(|_| Fault::Stream(Code::ProtocolError))?;
        let mut inlet = Inlet::new(asked.framing == Framing::Chunked);
        if ends {
            inlet.end(b"");
        }
        let stream = Stream {
            inlet,
            send_window: i64::from(self.send_window_of_streams),
            recv_window: i64::from(STREAM_WINDOW),
            credit: 0,
            lying: 0,
            expects: self.head.length.filter(|_| !asked.socket),
            said: false,
            tunnel: false,
            broken: None,
            priority: self.head.priority.unwrap_or(Priority::UNSAID),
            begun: false,
            writer: None,
            waits: false,
            turn: false,
        };
        self.streams.insert(id, stream);
        self.active += 1;
        Ok(Some(Event::Request { id, asked }))
    }

    /// Answers a head that is larger than was said (RFC 9113 section 10.5.1).
    fn refuse_head(&mut self, id: u32, ends: bool) {
        self.fields.clear();
        self.encoder.begin(&mut self.fields);
        self.encoder.status(431, &mut self.fields);
        let fields = std::mem::take(&mut self.fields);
        let flags = flag::END_HEADERS | flag::END_STREAM;
        self.frame_out(kind::HEADERS, flags, id, &fields);
        self.fields = fields;
        if !ends {
            self.reset_out(id, Code::NoError);
        }
        self.closed.add(id, !ends);
    }

    fn trailers_in(&mut self, id: u32, ends: bool) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        match stream.broken {
            Some(Broken::ByUs) => return Ok(()),
            Some(Broken::ByClient) => return Err(Fault::Stream(Code::StreamClosed)),
            None if stream.inlet.has_ended() => return Err(Fault::Stream(Code::StreamClosed)),
            None => {}
        }
        let whole = stream.expects.is_none_or(|left| left == 0);
        if !ends || !whole || self.head.is_malformed() || self.head.is_too_large() {
            return Err(Fault::Stream(Code::ProtocolError));
        }
        let was_half = stream.is_half();
        stream.inlet.end(self.head.lines());
        stream.inlet.wake();
        self.active -= u32::from(was_half);
        Ok(())
    }
}
