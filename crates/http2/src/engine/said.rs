//! What streams say: heads, data, ends; and whose turn it is.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker};

use evenkeel_wire::http1::ResponseHead;
use evenkeel_wire::http2::frame::{Code, HEADER, Header, PAYLOAD, flag, kind};
use tokio::io::ReadBuf;

use super::{Engine, OUT, STREAM_WINDOW, TURN};
use crate::engine::stream::{Broken, Stream};
use crate::{answer, fields};

/// Frames that all there is room for makes.
const PIECES: usize = OUT.div_ceil(PAYLOAD);

impl Engine {
    /// Whether a stream may write now. If not, it is woken when it is its turn.
    pub(crate) fn poll_turn(&mut self, id: u32, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let is_full = self.out.len() >= OUT;
        let Some(stream) = self.streams.get_mut(&id) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        if stream.broken.is_some() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if stream.said {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let turn = std::mem::take(&mut stream.turn);
        if stream.waits {
            stream.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if !is_full && (turn || !self.turns.precede(stream.priority.urgency)) {
            return Poll::Ready(Ok(()));
        }
        stream.waits = true;
        stream.writer = Some(cx.waker().clone());
        // Whose turn it was and who found no room comes first the next time; so does, among those
        // that are not to be mixed, whoever has begun.
        let first = turn || (!stream.priority.incremental && stream.begun);
        self.turns.push(id, stream.priority.urgency, first);
        Poll::Pending
    }

    /// Ready when some bytes of data may leave, whoever's they are. If not, the stream waits for its
    /// turn.
    pub(crate) fn poll_room(&mut self, id: u32, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let is_full = self.out.len() >= OUT || self.send_window <= 0;
        let stream = self.streams.get_mut(&id);
        let Some(stream) = stream.filter(|stream| !stream.said && stream.broken.is_none()) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        if stream.waits {
            stream.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let turn = std::mem::take(&mut stream.turn);
        if is_full || stream.send_window <= 0 {
            self.wait(id, cx.waker());
            return Poll::Pending;
        }
        if turn {
            // It may have nothing to send yet; then others should.
            self.give_turns();
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes of data that the stream may send now.
    pub(crate) fn room(&self, id: u32) -> usize {
        let window = self.streams.get(&id).map_or(0, |stream| stream.send_window);
        let window = window.min(self.send_window).max(0);
        let out = OUT.saturating_sub(self.out.len());
        let most = if self.turns.is_empty() { out } else { out.min(TURN) };
        usize::try_from(window).unwrap_or(0).min(most)
    }

    /// The stream found no room: it is woken when there is some.
    pub(crate) fn wait(&mut self, id: u32, waker: &Waker) {
        let is_full = self.out.len() >= OUT;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.writer = Some(waker.clone());
        if stream.waits {
            return;
        }
        if stream.send_window <= 0 {
            // The turn is another's.
            return self.give_turns();
        }
        stream.waits = true;
        if self.send_window <= 0 && !is_full {
            self.starved.push(id);
            self.give_turns();
        } else {
            let first = !stream.priority.incremental && stream.begun;
            self.turns.push(id, stream.priority.urgency, first);
        }
    }

    /// The connection's window has opened.
    pub(super) fn feed_starved(&mut self) {
        if self.send_window <= 0 {
            return;
        }
        for id in std::mem::take(&mut self.starved) {
            if let Some(stream) = self.streams.get(&id) {
                self.turns.push(id, stream.priority.urgency, false);
            }
        }
        self.give_turns();
    }

    /// Lets as many write as there is room for.
    pub(super) fn give_turns(&mut self) {
        if self.turns.is_empty() {
            return;
        }
        let mut places = OUT.saturating_sub(self.out.len()).div_ceil(TURN);
        while places > 0
            && let Some(id) = self.turns.pop()
        {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            stream.waits = false;
            stream.turn = true;
            stream.wake_writer();
            places -= 1;
        }
    }

    /// Sends a head; `ends`: the answer ends with it.
    pub(crate) fn say_head(&mut self, id: u32, buf: &[u8], head: &ResponseHead, ends: bool) {
        self.fields.clear();
        self.encoder.begin(&mut self.fields);
        answer::encode(buf, head, &mut self.encoder, &mut self.fields);
        self.say_fields(id, ends);
    }

    /// Sends trailers, given as lines; the answer ends with them.
    pub(crate) fn say_trailers(&mut self, id: u32, lines: &[u8]) {
        self.fields.clear();
        self.encoder.begin(&mut self.fields);
        for (name, value) in fields::lines(lines) {
            self.encoder.field(name, value, &mut self.fields);
        }
        self.say_fields(id, true);
    }

    fn say_fields(&mut self, id: u32, ends: bool) {
        let fields = std::mem::take(&mut self.fields);
        let mut pieces = fields.chunks(PAYLOAD).peekable();
        let (mut kind, mut flags) = (kind::HEADERS, if ends { flag::END_STREAM } else { 0 });
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                flags |= flag::END_HEADERS;
            }
            self.frame_out(kind, flags, id, piece);
            (kind, flags) = (kind::CONTINUATION, 0);
        }
        self.fields = fields;
        if ends {
            self.said(id);
        }
    }

    /// Sends data, no more than there is [`Engine::room`]; `ends`: the answer ends with it.
    pub(crate) fn say_data(&mut self, id: u32, data: &[u8], ends: bool) {
        for (header, piece) in frames(id, data, ends) {
            self.out.extend(&header);
            self.out.extend(piece);
        }
        self.spend(id, data.len(), ends);
    }

    /// The same, but offers all that waits and the data to `send` first, which takes some of it:
    /// only the rest is copied.
    pub(crate) fn offer_data(
        &mut self,
        id: u32,
        data: &[u8],
        ends: bool,
        send: impl FnOnce(&[IoSlice<'_>]) -> usize,
    ) {
        let mut headers = [[0; HEADER]; PIECES];
        let mut slices = [IoSlice::new(&[]); 1 + 2 * PIECES];
        slices[0] = IoSlice::new(self.out.bytes());
        let mut count = 1;
        for ((header, piece), place) in frames(id, data, ends).zip(&mut headers) {
            *place = header;
            slices[count] = IoSlice::new(place);
            slices[count + 1] = IoSlice::new(piece);
            count += 2;
        }
        let waiting = if slices[0].is_empty() { 1 } else { 0 };
        let sent = send(&slices[waiting..count]);
        self.guard.sent(sent);
        let mut gone = sent.saturating_sub(self.out.len());
        self.out.consume(sent);
        for (header, piece) in frames(id, data, ends) {
            for part in [&header[..], piece] {
                let skipped = gone.min(part.len());
                gone -= skipped;
                self.out.extend(&part[skipped..]);
            }
        }
        self.spend(id, data.len(), ends);
        self.give_turns();
    }

    /// Counts data that was sent.
    fn spend(&mut self, id: u32, bytes: usize, ends: bool) {
        self.send_window -= bytes as i64;
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.send_window -= bytes as i64;
            stream.begun = true;
        }
        if ends {
            self.said(id);
        }
    }

    /// The answer has ended. The rest of the request is of no use (RFC 9113 section 8.1).
    fn said(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        self.active -= u32::from(stream.is_active());
        stream.said = true;
        self.guard.served();
        if stream.is_half() {
            self.active += 1;
            return;
        }
        // One that has come whole has an end that is on its way.
        let is_whole = stream.expects == Some(0);
        if !stream.inlet.has_ended() && !is_whole {
            stream.broken = Some(Broken::ByUs);
            stream.inlet.wake();
            self.reset_out(id, Code::NoError);
        }
    }

    /// The answer has made the stream a tunnel.
    pub(crate) fn tunnel(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.tunnel = true;
        }
    }

    /// Whether more of the answer can be sent.
    pub(crate) fn is_open(&self, id: u32) -> bool {
        self.streams.get(&id).is_some_and(|stream| !stream.said && stream.broken.is_none())
    }

    /// Ready when the stream has something to give, or has ended. `until_end`: the end of what the
    /// client sends is one too; otherwise it only ends with its answer.
    pub(crate) fn poll_heard(
        &mut self,
        id: u32,
        until_end: bool,
        cx: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        if stream.is_deaf() {
            return Poll::Ready(Ok(()));
        }
        if stream.inlet.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if stream.broken.is_some() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if until_end && stream.inlet.has_ended() {
            return Poll::Ready(Ok(()));
        }
        stream.inlet.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Gives what the client sent, and lets it send more.
    pub(crate) fn take(&mut self, id: u32, buf: &mut ReadBuf<'_>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.is_deaf() {
            return;
        }
        let taken = stream.inlet.take(buf);
        stream.lying = stream.lying.saturating_sub(taken as u32);
        stream.credit += taken as u32;
        let credit = stream.credit;
        if credit >= STREAM_WINDOW / 2 && !stream.inlet.has_ended() && stream.broken.is_none() {
            stream.credit = 0;
            stream.recv_window += i64::from(credit);
            self.frame_out(kind::WINDOW_UPDATE, 0, id, &credit.to_be_bytes());
        }
        self.give_credit(taken);
    }

    /// Resets a stream, if it has not ended.
    pub(crate) fn reset(&mut self, id: u32, code: Code) {
        if let Some(stream) = self.streams.get_mut(&id) {
            self.active -= u32::from(stream.is_active());
            stream.broken = Some(Broken::ByUs);
            stream.wake();
        } else {
            self.closed.add(id, true);
        }
        self.reset_out(id, code);
    }

    /// The answer ends too early, and its stream with it.
    pub(crate) fn cut(&mut self, id: u32) {
        if self.is_open(id) {
            self.cuts += 1;
            self.reset(id, Code::InternalError);
        }
    }

    /// Nobody serves the stream any more; if its answer has not ended, or a tunnel's other direction,
    /// it is reset.
    pub(crate) fn leave(&mut self, id: u32) {
        self.cut(id);
        if self.streams.get(&id).is_some_and(Stream::is_active) {
            self.reset(id, Code::Cancel);
        }
        let Some(stream) = self.streams.remove(&id) else { return };
        let lying = stream.lying as usize;
        if stream.waits {
            self.turns.remove(id);
            self.starved.retain(|starved| *starved != id);
        }
        let is_coming = stream.broken == Some(Broken::ByUs) || !stream.inlet.has_ended();
        self.closed.add(id, is_coming && stream.broken != Some(Broken::ByClient));
        if self.phase != super::Phase::Over {
            self.give_credit(lying);
            self.give_turns();
        }
    }
}

/// Data as frames: each header, and what follows it.
fn frames(id: u32, data: &[u8], ends: bool) -> impl Iterator<Item = ([u8; HEADER], &[u8])> {
    let count = data.len().div_ceil(PAYLOAD).max(1);
    (0..count).map(move |n| {
        let piece = &data[n * PAYLOAD..data.len().min((n + 1) * PAYLOAD)];
        let flags = if ends && n + 1 == count { flag::END_STREAM } else { 0 };
        let header = Header { length: piece.len(), kind: kind::DATA, flags, stream: id };
        (header.bytes(), piece)
    })
}
