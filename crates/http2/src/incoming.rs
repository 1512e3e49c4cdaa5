//! One request of a client, carried between its stream and a pipe.

use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_net::pipe::PipeStream;
use evenkeel_net::stream::{RecvHalf, SendHalf};
use evenkeel_net::{Buffer, Deadline, Stream};
use evenkeel_wire::http1::{BodyReader, Framing, Parsed, ResponseHead};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::Request;

use crate::answer::{self, LIMITS};
use crate::body::{Cut, Giving, send, take_in};
use crate::request::{self, Asked, Malformed};

/// A request as it came.
pub struct Incoming {
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
}

/// A request with a good head.
pub struct Admitted {
    head: Vec<u8>,
    asked: Asked,
    body: RecvStream,
    respond: SendResponse<Bytes>,
}

/// How a stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The client got its whole answer.
    Answered,
    /// The client reset the stream, or its connection broke.
    Cancelled,
    /// The answer was cut; the stream was reset.
    Cut,
}

impl Incoming {
    pub(crate) fn new(request: Request<RecvStream>, respond: SendResponse<Bytes>) -> Incoming {
        Incoming { request, respond }
    }

    /// Reads the head. `nonce`: random, for the handshake of a WebSocket. A malformed request is
    /// answered by resetting its stream (RFC 9113 section 8.1.1).
    pub fn admit(mut self, nonce: [u8; 16]) -> Option<Admitted> {
        let (parts, body) = self.request.into_parts();
        let mut head = Vec::with_capacity(512);
        match request::write_head(&parts, body.is_end_stream(), nonce, &mut head) {
            Ok(asked) => Some(Admitted { head, asked, body, respond: self.respond }),
            Err(Malformed) => {
                self.respond.send_reset(Reason::PROTOCOL_ERROR);
                None
            }
        }
    }
}

impl Admitted {
    /// Writes the request as HTTP/1.1 to the pipe, whose other end serves it, and reads the answer
    /// from it. Dropping the future resets the stream. `patience`: how long the client may keep its
    /// window closed.
    pub async fn carry(self, pipe: PipeStream, patience: Duration) -> End {
        let Admitted { head, asked, mut body, mut respond } = self;
        let mut stream = Stream::Memory(pipe);
        let (mut recv, mut send) = stream.split();
        let mut sending = None;
        let answering = answer(&mut recv, &mut respond, &mut sending, asked, patience);
        let asking = ask(&mut body, &mut send, &head, asked);
        match both(asking, answering).await {
            // If the rest of the request is of no use now, the engine says so (RFC 9113 section
            // 8.1) after the last frame of the answer.
            Ok(()) => End::Answered,
            Err(cut) => {
                stream.reset_on_close();
                // A reset overtakes frames that wait: let them go first.
                tokio::task::yield_now().await;
                match &mut sending {
                    Some(sending) => sending.send_reset(Reason::INTERNAL_ERROR),
                    None => respond.send_reset(Reason::INTERNAL_ERROR),
                }
                match cut {
                    Cut::Peer | Cut::Stalled => End::Cancelled,
                    Cut::Deaf | Cut::Broken | Cut::Garbled => End::Cut,
                }
            }
        }
    }
}

/// Runs both directions until the answer has ended, or the peer or its request broke.
async fn both(
    asking: impl Future<Output = Result<(), Cut>>,
    answering: impl Future<Output = Result<(), Cut>>,
) -> Result<(), Cut> {
    let (mut asking, mut answering) = (pin!(asking), pin!(answering));
    let mut open = true;
    poll_fn(|cx| {
        if open && let Poll::Ready(asked) = asking.as_mut().poll(cx) {
            open = false;
            match asked {
                // The answer may come all the same.
                Ok(()) | Err(Cut::Deaf) => {}
                Err(cut) => return Poll::Ready(Err(cut)),
            }
        }
        answering.as_mut().poll(cx)
    })
    .await
}

async fn ask(
    body: &mut RecvStream,
    pipe: &mut SendHalf<'_>,
    head: &[u8],
    asked: Asked,
) -> Result<(), Cut> {
    send(pipe, [IoSlice::new(head)]).await?;
    match asked {
        Asked { socket: true, .. } => take_in(body, pipe, None).await,
        Asked { framing: Framing::None, .. } => Ok(()),
        Asked { framing, .. } => take_in(body, pipe, Some(framing)).await,
    }
}

async fn answer(
    pipe: &mut RecvHalf<'_>,
    respond: &mut SendResponse<Bytes>,
    sending: &mut Option<SendStream<Bytes>>,
    asked: Asked,
    patience: Duration,
) -> Result<(), Cut> {
    let mut buffer = Buffer::new();
    let mut head = ResponseHead::new();
    loop {
        receive_head(pipe, respond, &mut buffer, &mut head).await?;
        let response = answer::response(buffer.bytes(), &head).ok_or(Cut::Broken)?;
        let framing = match head.status {
            101 if asked.socket => Framing::UntilClose,
            101 => return Err(Cut::Broken),
            100..=199 => {
                respond.send_informational(response).map_err(|_| Cut::Peer)?;
                buffer.consume(head.len);
                continue;
            }
            _ => head.framing(asked.head),
        };
        let reader = BodyReader::new(framing, &LIMITS);
        let to = respond.send_response(response, reader.is_done()).map_err(|_| Cut::Peer)?;
        let to = sending.insert(to);
        buffer.consume(head.len);
        if reader.is_done() {
            return Ok(());
        }
        let (wait, text) = (Deadline::never(), None);
        return Giving { pipe, buffer: &mut buffer, reader, text, to, patience, wait }.run().await;
    }
}

/// Receives until a head is whole, unless the peer resets the stream first.
async fn receive_head(
    pipe: &mut RecvHalf<'_>,
    respond: &mut SendResponse<Bytes>,
    buffer: &mut Buffer,
    head: &mut ResponseHead,
) -> Result<(), Cut> {
    head.reset();
    loop {
        if !buffer.is_empty()
            && head.parse(buffer.bytes(), &LIMITS).map_err(|_| Cut::Broken)? == Parsed::Complete
        {
            return Ok(());
        }
        let received = poll_fn(|cx| {
            if respond.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(Cut::Peer));
            }
            pipe.poll_recv(cx, buffer, LIMITS.head_bytes).map_err(|_| Cut::Broken)
        });
        if received.await? == 0 {
            return Err(Cut::Broken);
        }
    }
}
