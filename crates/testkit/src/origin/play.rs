//! One connection of an origin: requests in, steps played.

use std::io::Write;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use socket2::Socket;

use super::{KEPT, Received, Shared, lock};
use crate::answer::{Step, head_bytes};
use crate::client::ClientError;
use crate::message::{Framing, Head};
use crate::wire::Wire;

/// A connection idle for longer than any test lasts is left.
const IDLE: Duration = Duration::from_secs(300);
const BODY_KEPT: usize = 64 * 1024;

/// What to do with the connection after a step.
enum Then {
    GoOn,
    End,
}

/// Serves until the other side or a step ends the connection.
pub(super) fn serve(socket: Socket, number: u64, shared: &Arc<Shared>) {
    let mut connection = Connection { wire: Wire::new(socket, IDLE), shared, number, unread: None };
    // An error here is the end of the connection, which is all there is to say about it.
    while let Ok(true) = connection.exchange() {}
}

struct Connection<'a> {
    wire: Wire,
    shared: &'a Arc<Shared>,
    number: u64,
    /// The request body still on the socket.
    unread: Option<Framing>,
}

impl Connection<'_> {
    /// One request; false when the connection is over.
    fn exchange(&mut self) -> Result<bool, ClientError> {
        let Some(head) = self.wire.head()? else { return Ok(false) };
        self.unread = Some(head.framing(None).map_err(ClientError::Malformed)?);
        let script = Arc::clone(&lock(&self.shared.script));
        let steps = script(&head).steps;
        let is_head = head.method() == "HEAD";
        self.record(head);
        for step in &steps {
            if let Then::End = self.play(step, is_head)? {
                return Ok(false);
            }
        }
        self.discard_body()?;
        Ok(true)
    }

    fn record(&self, head: Head) {
        self.shared.requests.fetch_add(1, Ordering::SeqCst);
        let mut received = lock(&self.shared.received);
        if received.len() == KEPT {
            received.pop_front();
        }
        received.push_back(Received {
            head,
            body: Vec::new(),
            body_length: 0,
            trailers: Vec::new(),
            connection: self.number,
        });
    }

    fn play(&mut self, step: &Step, is_head: bool) -> Result<Then, ClientError> {
        match step {
            Step::ReadBody => self.discard_body()?,
            Step::Pause(time) => thread::sleep(*time),
            Step::Send(bytes) if is_head => self.wire.send(head_only(bytes))?,
            Step::Send(bytes) => self.wire.send(bytes)?,
            Step::Trickle(bytes, every) => {
                for byte in bytes {
                    self.wire.send(&[*byte])?;
                    thread::sleep(*every);
                }
            }
            Step::Fill(_) if is_head => {}
            Step::Fill(length) => self.send_filling(*length)?,
            Step::Echo => {
                let body = self.read_body()?;
                let length = format!("Content-Length: {}\r\n", body.len());
                let mut bytes = head_bytes(200, &[], &length);
                bytes.extend_from_slice(&body);
                self.wire.send(&bytes)?;
            }
            Step::EchoStream => self.echo_stream()?,
            Step::Hang => {
                while self.wire.fill(self.wire.deadline())? {
                    self.wire.buffer.clear();
                }
                return Ok(Then::End);
            }
            Step::Tunnel => {
                self.tunnel()?;
                return Ok(Then::End);
            }
            Step::Close => {
                // Tell the other side even while the test still holds a clone of the socket.
                let _ = self.wire.socket.shutdown(Shutdown::Both);
                return Ok(Then::End);
            }
            Step::Reset => {
                self.reset();
                return Ok(Then::End);
            }
        }
        Ok(Then::GoOn)
    }

    /// A reset needs the last descriptor closed, so the registered clone goes first.
    fn reset(&self) {
        let _ = self.wire.socket.set_linger(Some(Duration::ZERO));
        lock(&self.shared.open).remove(&self.number);
    }

    fn send_filling(&mut self, length: u64) -> Result<(), ClientError> {
        let block = [b'x'; 64 * 1024];
        let mut left = length;
        while left > 0 {
            // No more than the block, so it fits.
            let count = left.min(block.len() as u64) as usize;
            self.wire.send(&block[..count])?;
            left -= count as u64;
        }
        Ok(())
    }

    fn echo_stream(&mut self) -> Result<(), ClientError> {
        let framing = self.unread.take().unwrap_or(Framing::None);
        let mut socket = self.wire.socket.try_clone()?;
        let mut result = Ok(());
        self.wire.body(framing, |piece| {
            if !piece.is_empty() && result.is_ok() {
                let size = format!("{:x}\r\n", piece.len());
                result = socket.write_all(&[size.as_bytes(), piece, b"\r\n"].concat());
            }
        })?;
        result?;
        self.wire.send(b"0\r\n\r\n")
    }

    fn tunnel(&mut self) -> Result<(), ClientError> {
        loop {
            let bytes = std::mem::take(&mut self.wire.buffer);
            self.wire.send(&bytes)?;
            if !self.wire.fill(self.wire.deadline())? {
                self.wire.socket.shutdown(Shutdown::Write)?;
                return Ok(());
            }
        }
    }

    fn discard_body(&mut self) -> Result<(), ClientError> {
        let Some(framing) = self.unread.take() else { return Ok(()) };
        if framing == Framing::None {
            return Ok(());
        }
        let (mut kept, mut length) = (Vec::new(), 0);
        let trailers = self.wire.body(framing, |piece| {
            let room = BODY_KEPT - kept.len();
            kept.extend_from_slice(&piece[..piece.len().min(room)]);
            length += piece.len() as u64;
        })?;
        self.keep_body(kept, length, trailers);
        Ok(())
    }

    fn read_body(&mut self) -> Result<Vec<u8>, ClientError> {
        let framing = self.unread.take().unwrap_or(Framing::None);
        let mut body = Vec::new();
        let trailers = self.wire.body(framing, |piece| body.extend_from_slice(piece))?;
        let kept = body[..body.len().min(BODY_KEPT)].to_vec();
        self.keep_body(kept, body.len() as u64, trailers);
        Ok(body)
    }

    fn keep_body(&self, body: Vec<u8>, length: u64, trailers: Vec<(String, String)>) {
        let mut received = lock(&self.shared.received);
        if let Some(mine) = received.iter_mut().rev().find(|r| r.connection == self.number) {
            mine.body = body;
            mine.body_length = length;
            mine.trailers = trailers;
        }
    }
}

/// The part of an answer that a `HEAD` gets.
fn head_only(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    end.map_or(bytes, |end| &bytes[..end + 4])
}
