//! One blocking connection with a buffer: heads and bodies off the socket, each read under a
//! deadline.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::client::ClientError;
use crate::message::{Framing, Head};

/// Longest head either side reads: far above any limit a test sets on the server.
const HEAD_MAX: usize = 4 << 20;

/// The fields after the last chunk.
pub(crate) type Trailers = Vec<(String, String)>;

/// A connection and what was read from it but not yet asked for.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) socket: Socket,
    pub(crate) buffer: Vec<u8>,
    pub(crate) timeout: Duration,
}

impl Wire {
    pub(crate) fn new(socket: Socket, timeout: Duration) -> Wire {
        // A unix socket has no such option; the order of small writes matters only on TCP.
        let _ = socket.set_tcp_nodelay(true);
        Wire { socket, buffer: Vec::new(), timeout }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.socket.set_write_timeout(Some(self.timeout))?;
        self.socket.write_all(bytes)?;
        Ok(())
    }

    /// Reads more; false at the end of the stream.
    pub(crate) fn fill(&mut self, deadline: Instant) -> Result<bool, ClientError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ClientError::Timeout);
        }
        self.socket.set_read_timeout(Some(left.max(Duration::from_micros(1))))?;
        let mut room = [0; 16 * 1024];
        loop {
            match self.socket.read(&mut room) {
                Ok(count) => {
                    self.buffer.extend_from_slice(&room[..count]);
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// The next head; `None` when the peer closed before its first byte.
    pub(crate) fn head(&mut self) -> Result<Option<Head>, ClientError> {
        let deadline = self.deadline();
        let mut searched = 0;
        loop {
            let from = searched.min(self.buffer.len());
            if let Some(at) = find(&self.buffer[from..], b"\r\n\r\n") {
                let raw: Vec<u8> = self.buffer.drain(..from + at + 4).collect();
                return Head::parse(&raw).map(Some).map_err(ClientError::Malformed);
            }
            if self.buffer.len() > HEAD_MAX {
                return Err(ClientError::Malformed("head without an end".into()));
            }
            searched = self.buffer.len().saturating_sub(3);
            if !self.fill(deadline)? {
                return match self.buffer.len() {
                    0 => Ok(None),
                    had => Err(ClientError::Cut { had }),
                };
            }
        }
    }

    /// Reads a body to its end and gives its pieces to `sink`; the trailers come back.
    pub(crate) fn body(
        &mut self,
        framing: Framing,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<Trailers, ClientError> {
        match framing {
            Framing::None => Ok(Trailers::new()),
            Framing::Length(length) => self.take(length, &mut sink).map(|()| Trailers::new()),
            Framing::Chunked => self.chunked(&mut sink),
            Framing::UntilClose => {
                let deadline = self.deadline();
                loop {
                    sink(&self.buffer);
                    self.buffer.clear();
                    if !self.fill(deadline)? {
                        return Ok(Trailers::new());
                    }
                }
            }
        }
    }

    /// A line without its CRLF.
    fn line(&mut self) -> Result<String, ClientError> {
        let deadline = self.deadline();
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            self.must_fill(deadline)?;
        }
    }

    fn take(&mut self, length: u64, sink: &mut impl FnMut(&[u8])) -> Result<(), ClientError> {
        let mut left = length;
        loop {
            let now = left.min(self.buffer.len() as u64);
            // No more than the buffer's length, so it fits.
            let count = now as usize;
            sink(&self.buffer[..count]);
            self.buffer.drain(..count);
            left -= now;
            if left == 0 {
                return Ok(());
            }
            let deadline = self.deadline();
            self.must_fill(deadline)?;
        }
    }

    fn chunked(&mut self, sink: &mut impl FnMut(&[u8])) -> Result<Trailers, ClientError> {
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(digits, 16)
                .map_err(|_| ClientError::Malformed(format!("not a chunk size: {line:?}")))?;
            if size == 0 {
                break;
            }
            self.take(size, sink)?;
            if !self.line()?.is_empty() {
                return Err(ClientError::Malformed("chunk longer than its size".into()));
            }
        }
        let mut trailers = Trailers::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(trailers);
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| ClientError::Malformed(format!("not a trailer: {line:?}")))?;
            trailers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    fn must_fill(&mut self, deadline: Instant) -> Result<(), ClientError> {
        if self.fill(deadline)? { Ok(()) } else { Err(ClientError::Cut { had: self.buffer.len() }) }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
