//! What a client sent on a stream and nobody has taken yet. A body without length is given chunk by
//! chunk, as HTTP/1.1 has it; the chunks are made when they are taken.

use std::task::Waker;

use evenkeel_net::Buffer;
use evenkeel_wire::http1::write;
use tokio::io::ReadBuf;

/// The body of a request on its way.
#[derive(Default)]
pub(crate) struct Inlet {
    data: Buffer,
    chunked: bool,
    /// Bytes of the chunk that is being given.
    left: usize,
    /// Framing on its way, and how much of it was given.
    framing: Vec<u8>,
    given: usize,
    /// A chunk was begun, whose end is to be written.
    within: bool,
    /// No more will come; the trailers.
    ended: Option<Vec<u8>>,
    /// The last chunk was written.
    closed: bool,
    pub(crate) reader: Option<Waker>,
}

impl Inlet {
    pub(crate) fn new(chunked: bool) -> Inlet {
        Inlet { chunked, ..Inlet::default() }
    }

    /// More came.
    pub(crate) fn push(&mut self, data: &[u8]) {
        self.data.extend(data);
    }

    /// All has come; `trailers` as lines.
    pub(crate) fn end(&mut self, trailers: &[u8]) {
        self.ended = Some(trailers.to_vec());
    }

    /// Whether all has come.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether there is something to take.
    pub(crate) fn is_ready(&self) -> bool {
        let framing = self.given < self.framing.len() || (self.within && self.left == 0);
        let last = self.chunked && self.ended.is_some() && !self.closed;
        !self.data.is_empty() || framing || last
    }

    /// Gives what fits; how many bytes of data were in it.
    pub(crate) fn take(&mut self, buf: &mut ReadBuf<'_>) -> usize {
        if !self.chunked {
            let n = put(buf, self.data.bytes());
            self.data.consume(n);
            return n;
        }
        let mut taken = 0;
        while buf.remaining() > 0 {
            if self.given < self.framing.len() {
                self.given += put(buf, &self.framing[self.given..]);
            } else if self.left > 0 {
                let n = put(buf, &self.data.bytes()[..self.left]);
                self.data.consume(n);
                self.left -= n;
                taken += n;
            } else if !self.frame() {
                break;
            }
        }
        taken
    }

    /// Writes what comes before or after a chunk; false when there is none for now.
    fn frame(&mut self) -> bool {
        self.framing.clear();
        self.given = 0;
        if std::mem::take(&mut self.within) {
            self.framing.extend_from_slice(b"\r\n");
        } else if !self.data.is_empty() {
            self.left = self.data.len();
            self.within = true;
            write::chunk_size(&mut self.framing, self.left as u64);
        } else if let (Some(trailers), false) = (&self.ended, self.closed) {
            self.framing.extend_from_slice(b"0\r\n");
            self.framing.extend_from_slice(trailers);
            self.framing.extend_from_slice(b"\r\n");
            self.closed = true;
        } else {
            return false;
        }
        true
    }

    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }
}

fn put(buf: &mut ReadBuf<'_>, bytes: &[u8]) -> usize {
    let n = bytes.len().min(buf.remaining());
    buf.put_slice(&bytes[..n]);
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that is there, taken in pieces.
    fn taken(inlet: &mut Inlet, piece: usize) -> (String, usize) {
        let (mut all, mut data) = (Vec::new(), 0);
        while inlet.is_ready() {
            let mut room = vec![0; piece];
            let mut buf = ReadBuf::new(&mut room);
            data += inlet.take(&mut buf);
            all.extend_from_slice(buf.filled());
            if buf.filled().is_empty() {
                break;
            }
        }
        (String::from_utf8(all).unwrap(), data)
    }

    #[test]
    fn a_body_of_known_length_is_given_as_it_came() {
        for piece in [1, 3, 100] {
            let mut inlet = Inlet::new(false);
            inlet.push(b"hello");
            inlet.push(b" world");
            inlet.end(b"a: b\r\n");
            assert_eq!(taken(&mut inlet, piece), ("hello world".to_owned(), 11));
        }
    }

    #[test]
    fn one_without_length_is_given_in_chunks() {
        for piece in [1, 2, 3, 7, 100] {
            let mut inlet = Inlet::new(true);
            assert!(!inlet.is_ready());
            inlet.push(b"hel");
            inlet.push(b"lo");
            assert_eq!(taken(&mut inlet, piece), ("5\r\nhello\r\n".to_owned(), 5));
            inlet.push(b" world");
            assert_eq!(taken(&mut inlet, piece), ("6\r\n world\r\n".to_owned(), 6));
            inlet.end(b"a: b\r\n");
            assert_eq!(taken(&mut inlet, piece), ("0\r\na: b\r\n\r\n".to_owned(), 0));
            assert!(!inlet.is_ready() && inlet.has_ended());
        }
        let mut empty = Inlet::new(true);
        empty.end(b"");
        assert_eq!(taken(&mut empty, 100), ("0\r\n\r\n".to_owned(), 0));
    }
}
