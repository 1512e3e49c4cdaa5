//! The end of the stream in memory that the exchange sends its requests to.

use std::future::poll_fn;
use std::io::IoSlice;
use std::task::Poll;

use evenkeel_net::{Buffer, Deadline, Stream};
use evenkeel_wire::http1::{BodyReader, Framing, Known, Limits, Parsed, RequestHead, write};

use super::FACTS;

/// Heads were checked by the listener; these only bound what is held.
const LIMITS: Limits = Limits { head_bytes: 1 << 20, target_bytes: 1 << 20, fields: 1000 };
/// Bytes that wait.
const AHEAD: usize = 64 * 1024;

/// Requests of an exchange, one after the other.
pub(super) struct Front {
    stream: Stream,
    buffer: Buffer,
    head: RequestHead,
    body: Option<BodyReader>,
    pub(super) asked: Asked,
}

/// A request, taken apart.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) method: Vec<u8>,
    pub(super) path: Vec<u8>,
    pub(super) query: Option<Vec<u8>>,
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body's length; `None`: not known before its end.
    pub(super) length: Option<u64>,
    pub(super) facts: Facts,
}

/// What is told about the client.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) client: String,
    pub(super) client_port: u16,
    pub(super) local: String,
    pub(super) local_port: u16,
    pub(super) https: bool,
    /// The host the client asked for.
    pub(super) host: String,
    /// The path and query the client asked for.
    pub(super) target: String,
    /// The member was found by the route of the client's session.
    pub(super) is_bound: bool,
}

impl Front {
    pub(super) fn new(stream: Stream) -> Front {
        let (buffer, head) = (Buffer::new(), RequestHead::new());
        Front { stream, buffer, head, body: None, asked: Asked::default() }
    }

    /// Waits for the next request; false when there is none.
    pub(super) async fn next(&mut self) -> bool {
        self.head.reset();
        loop {
            match self.head.parse(self.buffer.bytes(), &LIMITS) {
                Ok(Parsed::Complete) => break,
                Ok(Parsed::Partial) => {}
                Err(_) => return false,
            }
            if self.receive().await == 0 {
                return false;
            }
        }
        self.take_apart();
        self.buffer.consume(self.head.len);
        true
    }

    fn take_apart(&mut self) {
        let (head, buf) = (&self.head, self.buffer.bytes());
        let mut facts = None;
        let mut fields = Vec::new();
        for field in &head.fields {
            let (name, value) = (field.name.of(buf), field.value.of(buf));
            if name.eq_ignore_ascii_case(FACTS) {
                facts.get_or_insert_with(|| Facts::read(value));
            } else if !field.drop && field.known != Known::ContentLength {
                fields.push((name.to_vec(), value.to_vec()));
            }
        }
        self.asked = Asked {
            method: head.method_span.of(buf).to_vec(),
            path: head.path_or_root(buf).to_vec(),
            query: head.query.map(|span| span.of(buf).to_vec()),
            fields,
            length: match head.body {
                Framing::None => Some(0),
                Framing::Length(length) => Some(length),
                _ => None,
            },
            facts: facts.unwrap_or_default(),
        };
        self.body = Some(BodyReader::new(head.body, &LIMITS));
    }

    /// The next bytes of the body, at most `most`; `Ok(None)` at its end.
    pub(super) async fn body(&mut self, most: usize) -> Result<Option<Vec<u8>>, Gone> {
        loop {
            let Some(reader) = &mut self.body else { return Ok(None) };
            if reader.is_done() {
                return Ok(None);
            }
            if !self.buffer.is_empty() {
                let input = self.buffer.bytes();
                let input = &input[..input.len().min(most)];
                let piece = reader.step(input).map_err(|_| Gone)?;
                let data = input[piece.skip..piece.skip + piece.data].to_vec();
                let eaten = piece.skip + piece.data;
                self.buffer.consume(eaten);
                if !data.is_empty() {
                    return Ok(Some(data));
                }
                if eaten > 0 || reader.is_done() {
                    continue;
                }
            }
            if self.receive().await == 0 {
                return Err(Gone);
            }
        }
    }

    async fn receive(&mut self) -> usize {
        let mut never = Deadline::never();
        self.stream.recv(&mut self.buffer, AHEAD, &mut never).await.unwrap_or(0)
    }

    /// Receives from the member, unless the exchange goes first.
    pub(super) async fn receive_from(
        &mut self,
        member: &mut Stream,
        buffer: &mut Buffer,
        most: usize,
    ) -> Result<(), Gone> {
        let (mut front, _) = self.stream.split();
        let (mut recv, _) = member.split();
        poll_fn(|cx| {
            if let Poll::Ready(received) = recv.poll_recv(cx, buffer, most) {
                return Poll::Ready(match received {
                    Ok(n) if n > 0 => Ok(()),
                    _ => Err(Gone),
                });
            }
            match front.poll_recv(cx, &mut self.buffer, AHEAD) {
                Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(Gone)),
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// Sends bytes of an answer to the exchange.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        send(&mut self.stream, bytes).await
    }
}

/// One of the two sides has gone: there is nobody to go on for.
#[derive(Debug)]
pub(super) struct Gone;

/// Sends all the bytes.
pub(super) async fn send(stream: &mut Stream, bytes: &[u8]) -> Result<(), Gone> {
    if bytes.is_empty() {
        return Ok(());
    }
    stream.send(&mut [IoSlice::new(bytes)], &mut Deadline::never()).await.map_err(|_| Gone)
}

/// Ends a head that was written with its empty line, framed for a body of unknown length if its
/// own is not known.
pub(super) fn frame(out: &mut Vec<u8>, chunked: bool) {
    if chunked {
        out.truncate(out.len().saturating_sub(2));
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
    }
}

/// Writes a piece of a body.
pub(super) fn piece(out: &mut Vec<u8>, data: &[u8], chunked: bool) {
    if data.is_empty() {
        return;
    }
    if chunked {
        write::chunk_size(out, data.len() as u64);
    }
    out.extend_from_slice(data);
    if chunked {
        out.extend_from_slice(b"\r\n");
    }
}

impl Facts {
    fn read(value: &[u8]) -> Facts {
        let text = String::from_utf8_lossy(value);
        let mut words = text.split(' ');
        let mut next = || words.next().unwrap_or_default().to_owned();
        Facts {
            client: next(),
            client_port: next().parse().unwrap_or(0),
            local: next(),
            local_port: next().parse().unwrap_or(0),
            https: next() == "1",
            host: next(),
            target: next(),
            is_bound: next() == "1",
        }
    }
}
