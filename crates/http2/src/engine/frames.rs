//! Frames that came, one by one (RFC 9113 section 6), heads aside.

use evenkeel_wire::http2::frame::{
    Code, Header, WINDOW_MAX, flag, kind, number, setting, settings, unpadded,
};

use super::stream::Broken;
use super::{CONNECTION_WINDOW, Engine, Event, FAREWELL, Fault, Phase, depends_on};
use crate::priority::Priority;

impl Engine {
    /// What a frame means.
    pub(super) fn frame(&mut self, header: Header, payload: &[u8]) -> Result<Option<Event>, Fault> {
        let continues = header.kind == kind::CONTINUATION;
        let block = self.block.as_ref().map(|block| block.stream);
        let settings = header.kind == kind::SETTINGS && !header.has(flag::ACK);
        // Nothing comes between the parts of a head (RFC 9113 section 4.3), or before settings.
        let in_order = if block.is_some() {
            continues && block == Some(header.stream)
        } else {
            !continues && (settings || self.phase != Phase::Greeting)
        };
        if !in_order {
            return Err(Fault::Connection(Code::ProtocolError));
        }
        match header.kind {
            kind::HEADERS => return self.headers(header, payload),
            kind::CONTINUATION => return self.continuation(header, payload),
            kind::DATA => self.data_in(header, payload)?,
            kind::PRIORITY => priority(header, payload)?,
            kind::RST_STREAM => self.reset_in(header, payload)?,
            kind::SETTINGS => self.settings_in(header, payload)?,
            kind::PUSH_PROMISE => return Err(Fault::Connection(Code::ProtocolError)),
            kind::PING => self.ping(header, payload)?,
            kind::GOAWAY => self.goaway_in(header, payload)?,
            kind::WINDOW_UPDATE => self.window_update(header, payload)?,
            kind::PRIORITY_UPDATE => self.priority_update(header, payload)?,
            _ => {}
        }
        Ok(None)
    }

    fn data_in(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        if header.stream == 0 {
            return Err(Fault::Connection(Code::ProtocolError));
        }
        // Padding counts too (RFC 9113 section 6.9.1).
        self.recv_window -= payload.len() as i64;
        if self.recv_window < 0 {
            return Err(Fault::Connection(Code::FlowControlError));
        }
        let data = unpadded(header, payload).ok_or(Fault::Connection(Code::ProtocolError))?;
        let ends = header.has(flag::END_STREAM);
        let kept = self.data_of_stream(header.stream, data, payload.len(), ends);
        // What nobody will take was taken.
        self.give_credit(payload.len() - kept.unwrap_or(0));
        kept.map(|_| ())
    }

    /// Gives how many bytes lie there now until they are taken.
    fn data_of_stream(
        &mut self,
        id: u32,
        data: &[u8],
        counted: usize,
        ends: bool,
    ) -> Result<usize, Fault> {
        let Some(stream) = self.streams.get_mut(&id) else {
            self.of_gone(id, Code::StreamClosed)?;
            self.ignored += counted;
            return Ok(0);
        };
        match stream.broken {
            Some(Broken::ByUs) => {
                self.ignored += counted;
                return Ok(0);
            }
            Some(Broken::ByClient) => return Err(Fault::Stream(Code::StreamClosed)),
            None if stream.inlet.has_ended() => return Err(Fault::Stream(Code::StreamClosed)),
            None => {}
        }
        stream.recv_window -= counted as i64;
        if stream.recv_window < 0 {
            return Err(Fault::Stream(Code::FlowControlError));
        }
        if let Some(left) = &mut stream.expects {
            let rest = left.checked_sub(data.len() as u64);
            *left = rest.ok_or(Fault::Stream(Code::ProtocolError))?;
            if ends && *left > 0 {
                return Err(Fault::Stream(Code::ProtocolError));
            }
        }
        stream.inlet.push(data);
        stream.lying += data.len() as u32;
        stream.credit += (counted - data.len()) as u32;
        if ends {
            self.active -= u32::from(stream.is_half());
            stream.inlet.end(b"");
        }
        stream.inlet.wake();
        Ok(data.len())
    }

    /// A frame on a stream that is not under way: what is still coming for one that we reset is let
    /// pass; what comes for one that never began, or that ended, ends the connection.
    pub(super) fn of_gone(&self, id: u32, code: Code) -> Result<(), Fault> {
        match self.closed.by_us(id) {
            _ if self.is_idle(id) => Err(Fault::Connection(Code::ProtocolError)),
            Some(true) => Ok(()),
            Some(false) | None => Err(Fault::Connection(code)),
        }
    }

    /// Whether the client never began the stream.
    fn is_idle(&self, id: u32) -> bool {
        is_ours(id) || id > self.last
    }

    fn reset_in(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        if payload.len() != 4 {
            return Err(Fault::Connection(Code::FrameSizeError));
        }
        let id = header.stream;
        if self.is_idle(id) {
            return Err(Fault::Connection(Code::ProtocolError));
        }
        if let Some(stream) = self.streams.get_mut(&id)
            && stream.broken.is_none()
        {
            self.active -= u32::from(stream.is_active());
            stream.broken = Some(Broken::ByClient);
            stream.wake();
        }
        Ok(())
    }

    fn settings_in(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        if header.stream != 0 {
            return Err(Fault::Connection(Code::ProtocolError));
        }
        let acknowledges = header.has(flag::ACK);
        if !payload.len().is_multiple_of(6) || (acknowledges && !payload.is_empty()) {
            return Err(Fault::Connection(Code::FrameSizeError));
        }
        if acknowledges {
            return Ok(());
        }
        let mut window = self.send_window_of_streams;
        for (id, value) in settings(payload) {
            match id {
                setting::HEADER_TABLE_SIZE => {
                    self.encoder.limit(usize::try_from(value).unwrap_or(usize::MAX));
                }
                setting::ENABLE_PUSH if value > 1 => {
                    return Err(Fault::Connection(Code::ProtocolError));
                }
                setting::INITIAL_WINDOW_SIZE if i64::from(value) > WINDOW_MAX => {
                    return Err(Fault::Connection(Code::FlowControlError));
                }
                setting::INITIAL_WINDOW_SIZE => window = value,
                setting::MAX_FRAME_SIZE if !(16_384..1 << 24).contains(&value) => {
                    return Err(Fault::Connection(Code::ProtocolError));
                }
                // Larger ones would make others wait longer, and save nothing.
                _ => {}
            }
        }
        self.resize_windows(window)?;
        if self.phase == Phase::Greeting {
            self.phase = Phase::Open;
        }
        self.frame_out(kind::SETTINGS, flag::ACK, 0, b"");
        Ok(())
    }

    /// RFC 9113 section 6.9.2.
    fn resize_windows(&mut self, window: u32) -> Result<(), Fault> {
        let change = i64::from(window) - i64::from(self.send_window_of_streams);
        self.send_window_of_streams = window;
        if change == 0 {
            return Ok(());
        }
        for stream in self.streams.values_mut() {
            let was_closed = stream.send_window <= 0;
            stream.send_window += change;
            if stream.send_window > WINDOW_MAX {
                return Err(Fault::Connection(Code::FlowControlError));
            }
            if was_closed && stream.send_window > 0 && !stream.waits {
                stream.wake_writer();
            }
        }
        Ok(())
    }

    fn ping(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        if header.stream != 0 {
            return Err(Fault::Connection(Code::ProtocolError));
        }
        if payload.len() != 8 {
            return Err(Fault::Connection(Code::FrameSizeError));
        }
        if !header.has(flag::ACK) {
            self.frame_out(kind::PING, flag::ACK, 0, payload);
        } else if self.phase == Phase::Leaving && payload == FAREWELL {
            self.goaway(self.last, Code::NoError);
            self.phase = Phase::Left(self.last);
        }
        Ok(())
    }

    fn goaway_in(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        if header.stream != 0 {
            return Err(Fault::Connection(Code::ProtocolError));
        }
        if payload.len() < 8 {
            return Err(Fault::Connection(Code::FrameSizeError));
        }
        self.peer_left = true;
        Ok(())
    }

    fn window_update(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        if payload.len() != 4 {
            return Err(Fault::Connection(Code::FrameSizeError));
        }
        let more = i64::from(number(payload).unwrap_or(0));
        let id = header.stream;
        if id == 0 {
            if more == 0 {
                return Err(Fault::Connection(Code::ProtocolError));
            }
            self.send_window += more;
            if self.send_window > WINDOW_MAX {
                return Err(Fault::Connection(Code::FlowControlError));
            }
            self.feed_starved();
            return Ok(());
        }
        if self.is_idle(id) {
            return Err(Fault::Connection(Code::ProtocolError));
        }
        if more == 0 {
            return Err(Fault::Stream(Code::ProtocolError));
        }
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        stream.send_window += more;
        if stream.send_window > WINDOW_MAX {
            return Err(Fault::Stream(Code::FlowControlError));
        }
        if stream.send_window > 0 && stream.send_window <= more && !stream.waits {
            stream.wake_writer();
        }
        Ok(())
    }

    /// RFC 9218 section 7.1.
    fn priority_update(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        let Some(id) = number(payload) else {
            return Err(Fault::Connection(Code::FrameSizeError));
        };
        if header.stream != 0 || is_ours(id) {
            return Err(Fault::Connection(Code::ProtocolError));
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.priority = Priority::read(&payload[4..]);
        }
        Ok(())
    }

    /// Bytes of data were taken, or nobody will take them: the client may send as many again. It is
    /// told when it is worth a frame.
    pub(super) fn give_credit(&mut self, bytes: usize) {
        self.credit += bytes as u32;
        if self.credit >= CONNECTION_WINDOW / 2 {
            self.frame_out(kind::WINDOW_UPDATE, 0, 0, &self.credit.to_be_bytes());
            self.recv_window += i64::from(std::mem::take(&mut self.credit));
        }
    }
}

/// Whether the number is one of a stream that we could begin, and never do; or the connection's.
pub(super) fn is_ours(id: u32) -> bool {
    id.is_multiple_of(2)
}

/// Priorities of RFC 7540 say nothing here, but must be well-formed.
fn priority(header: Header, payload: &[u8]) -> Result<(), Fault> {
    match header.stream {
        0 => Err(Fault::Connection(Code::ProtocolError)),
        _ if payload.len() != 5 => Err(Fault::Stream(Code::FrameSizeError)),
        stream if depends_on(payload, stream) => Err(Fault::Stream(Code::ProtocolError)),
        _ => Ok(()),
    }
}
