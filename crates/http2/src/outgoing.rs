//! One request to a member, carried between a pipe and its stream.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_net::pipe::PipeStream;
use evenkeel_net::stream::{RecvHalf, SendHalf};
use evenkeel_net::{Buffer, Deadline};
use evenkeel_wire::http1::{BodyReader, Framing, Limits, Parsed, RequestHead, write};
use h2::Reason;
use h2::client::{ResponseFuture, SendRequest};
use http::{Response, StatusCode, header};

use crate::accept_key::accept;
use crate::body::{Cut, Giving, send, take_in, take_in_web};
use crate::fields::write_lines;
use crate::outward;
use crate::settling::Settling;
use crate::web::{Decoder, Web};

/// Bounds of heads whose sender has already bounded them.
const LIMITS: Limits = Limits { head_bytes: 4 << 20, target_bytes: 4 << 20, fields: 20_000 };
/// How the pipe says that the member broke the rules of HTTP/2. No system ends a stream so.
pub const MALFORMED: io::ErrorKind = io::ErrorKind::InvalidInput;
/// Whoever sends the request gives up before.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// What must be known of a request to carry its answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sent {
    /// It was a HEAD.
    pub(crate) head: bool,
    /// Its answer may end with trailers that matter: gRPC, or the client asked for them.
    pub(crate) trailers: bool,
    /// It asked for a WebSocket.
    pub(crate) socket: bool,
    /// The key of the WebSocket's handshake.
    pub(crate) key: Vec<u8>,
    /// It is a call of gRPC-Web.
    pub(crate) web: Option<Web>,
}

/// Whether our side gave up waiting. Requests for a WebSocket wait for the member's settings. There is TLS on the connection (`secured`), and calls of
/// gRPC-Web become calls of gRPC (`web`).
pub(crate) async fn carry(
    to: &mut SendRequest<Bytes>,
    pipe: PipeStream,
    settling: &Settling,
    (secured, web): (bool, bool),
) -> bool {
    match exchange(to, &pipe, settling, (secured, web)).await {
        Ok(()) => false,
        Err(End::Told(kind)) => {
            pipe.break_on_drop(kind);
            false
        }
        Err(End::Garbled) => {
            pipe.break_on_drop(io::ErrorKind::ConnectionReset);
            false
        }
        Err(End::Silent) => {
            pipe.break_on_drop(io::ErrorKind::ConnectionReset);
            true
        }
    }
}

async fn exchange(
    to: &mut SendRequest<Bytes>,
    pipe: &PipeStream,
    settling: &Settling,
    (secured, web): (bool, bool),
) -> Result<(), End> {
    let (mut recv, mut sending) = (RecvHalf::Memory(pipe), SendHalf::Memory(pipe));
    let watch = SendHalf::Memory(pipe);
    let (mut buffer, mut head) = (Buffer::new(), RequestHead::new());
    receive_head(&mut recv, &mut buffer, &mut head).await.map_err(|_| End::Silent)?;
    if head.upgrade.is_some() && !to.is_extended_connect_protocol_enabled() {
        within(settling.wait(), &watch).await?;
    }
    let sockets = to.is_extended_connect_protocol_enabled();
    let (request, sent) = outward::request(buffer.bytes(), &head, sockets, (secured, web))
        .ok_or(End::Told(io::ErrorKind::ConnectionReset))?;
    let framing = if sent.socket { Framing::UntilClose } else { head.body };
    let reader = BodyReader::new(framing, &LIMITS);
    let end = reader.is_done();
    let (answer, mut body) = to.send_request(request, end).map_err(told)?;
    buffer.consume(head.len);
    let giving = async {
        if end {
            return Ok(());
        }
        let (pipe, wait) = (&mut recv, Deadline::never());
        let text = sent.web.filter(|web| web.asks_in_text).map(|_| Decoder::default());
        let (buffer, to) = (&mut buffer, &mut body);
        Giving { pipe, buffer, reader, text, to, patience: PATIENCE, wait }.run().await
    };
    let (begun, switched) = (Cell::new(false), Cell::new(false));
    let told = (&begun, &switched);
    let answering = receive_answer(answer, &mut sending, &sent, told);
    let result = both(giving, answering, &watch, &switched).await;
    if result.is_err() {
        body.send_reset(Reason::CANCEL);
    }
    match result {
        // The client's fault, and no news about the member.
        Err(End::Garbled) if !begun.get() => write_out(&mut sending, GARBLED).await,
        result => result,
    }
}

/// How an exchange failed.
enum End {
    /// The member's doing.
    Told(io::ErrorKind),
    /// Our own side's.
    Silent,
    /// The request is not the text that it says it is.
    Garbled,
}

/// What the client of a call gets that is no base64.
const GARBLED: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    grpc-status: 13\r\ngrpc-message: the body is not base64\r\ncontent-length: 28\r\n\
    connection: close\r\n\r\n400 the body is not base64.\n";

/// Waits, unless our side goes.
async fn within(waiting: impl Future<Output = ()>, watch: &SendHalf<'_>) -> Result<(), End> {
    let mut waiting = pin!(waiting);
    poll_fn(|cx| match waiting.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(Ok(())),
        Poll::Pending => watch.poll_gone(cx).map(|()| Err(End::Silent)),
    })
    .await
}

/// Runs both directions until the answer is complete, or our side has gone. Once the protocol was
/// switched, each direction ends by itself.
async fn both(
    giving: impl Future<Output = Result<(), Cut>>,
    answering: impl Future<Output = Result<(), End>>,
    watch: &SendHalf<'_>,
    switched: &Cell<bool>,
) -> Result<(), End> {
    let (mut giving, mut answering) = (pin!(giving), pin!(answering));
    let (mut open, mut answered) = (true, false);
    poll_fn(|cx| {
        if open && let Poll::Ready(given) = giving.as_mut().poll(cx) {
            open = false;
            match given {
                // A member that resets its stream may have answered before.
                Ok(()) | Err(Cut::Peer) => {}
                Err(Cut::Garbled) => return Poll::Ready(Err(End::Garbled)),
                Err(_) => return Poll::Ready(Err(End::Silent)),
            }
        }
        if !answered {
            match answering.as_mut().poll(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) if switched.get() => answered = true,
                ended => return ended,
            }
        }
        match answered && !open {
            true => Poll::Ready(Ok(())),
            false => watch.poll_gone(cx).map(|()| Err(End::Silent)),
        }
    })
    .await
}

async fn receive_head(
    pipe: &mut RecvHalf<'_>,
    buffer: &mut Buffer,
    head: &mut RequestHead,
) -> Result<(), Cut> {
    loop {
        if !buffer.is_empty()
            && head.parse(buffer.bytes(), &LIMITS).map_err(|_| Cut::Broken)? == Parsed::Complete
        {
            return Ok(());
        }
        let received = pipe.recv(buffer, LIMITS.head_bytes, &mut Deadline::never()).await;
        if !matches!(received, Ok(1..)) {
            return Err(Cut::Broken);
        }
    }
}

async fn receive_answer(
    mut answer: ResponseFuture,
    pipe: &mut SendHalf<'_>,
    sent: &Sent,
    (begun, switched): (&Cell<bool>, &Cell<bool>),
) -> Result<(), End> {
    let mut text = Vec::with_capacity(512);
    while let Some(interim) = poll_fn(|cx| answer.poll_informational(cx)).await {
        let interim = interim.map_err(told)?;
        begun.set(true);
        text.clear();
        write_head(&mut text, interim.status(), &interim, Ends::Interim)?;
        write_out(pipe, &text).await?;
    }
    let answer = answer.await.map_err(told)?;
    begun.set(true);
    let (parts, mut body) = answer.into_parts();
    let mut answer = Response::from_parts(parts, ());
    let status = answer.status();
    let web = sent.web.filter(|web| web.give(answer.headers_mut()));
    let socket = sent.socket && status.is_success();
    let framing = framing(&answer, body.is_end_stream(), sent);
    text.clear();
    switched.set(socket);
    if socket {
        write_head(&mut text, StatusCode::SWITCHING_PROTOCOLS, &answer, Ends::Switch(&sent.key))?;
    } else {
        write_head(&mut text, status, &answer, Ends::Body(framing))?;
    }
    write_out(pipe, &text).await?;
    let taken = match framing {
        _ if socket => match take_in(&mut body, pipe, None).await {
            Ok(()) => pipe.finish().await.map_err(|_| Cut::Broken),
            cut => cut,
        },
        Framing::None => Ok(()),
        Framing::Chunked if let Some(web) = web => take_in_web(&mut body, pipe, web).await,
        framing => take_in(&mut body, pipe, Some(framing)).await,
    };
    taken.map_err(|cut| match cut {
        Cut::Peer => End::Told(io::ErrorKind::ConnectionReset),
        _ => End::Silent,
    })
}

/// How the body is framed for HTTP/1.1. A length leaves no room for trailers, so it is not told
/// where those matter.
fn framing(answer: &Response<()>, empty: bool, sent: &Sent) -> Framing {
    let bodiless = matches!(answer.status().as_u16(), 204 | 304) || sent.head;
    let length = answer.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
    match length {
        _ if bodiless => Framing::None,
        _ if empty => Framing::Length(0),
        Some(length) if !sent.trailers => Framing::Length(length),
        _ => Framing::Chunked,
    }
}

/// What follows a head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends<'a> {
    /// Another head.
    Interim,
    /// A body.
    Body(Framing),
    /// A WebSocket that was asked for with this key.
    Switch(&'a [u8]),
}

fn write_head(
    out: &mut Vec<u8>,
    status: StatusCode,
    answer: &Response<()>,
    ends: Ends<'_>,
) -> Result<(), End> {
    write::status_line(out, status.as_u16(), b"");
    let mut fields = answer.headers().clone();
    if ends != Ends::Body(Framing::None) {
        fields.remove(header::CONTENT_LENGTH);
    }
    if !write_lines(out, &fields) {
        return Err(End::Told(MALFORMED));
    }
    match ends {
        Ends::Interim => {}
        Ends::Switch(key) => {
            out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\n");
            write::field(out, b"sec-websocket-accept", &accept(key));
        }
        Ends::Body(framing) => {
            match framing {
                Framing::Length(length) => write::number_field(out, b"content-length", length),
                Framing::Chunked => write::field(out, b"transfer-encoding", b"chunked"),
                Framing::None | Framing::UntilClose => {}
            }
            // The stream ends with the answer; the connection is kept here.
            write::field(out, b"connection", b"close");
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

async fn write_out(pipe: &mut SendHalf<'_>, text: &[u8]) -> Result<(), End> {
    send(pipe, [IoSlice::new(text)]).await.map_err(|_| End::Silent)
}

fn told(error: h2::Error) -> End {
    End::Told(kind(&error))
}

/// RFC 9113 section 8.7: what the member refused, or left behind with its GOAWAY, it did not
/// process. What the engine ends for a rule that the member broke has been processed, whatever
/// reason it gives: for a head that is too large, that of a refusal.
fn kind(error: &h2::Error) -> io::ErrorKind {
    let left_behind = error.is_go_away() && error.reason() == Some(Reason::NO_ERROR);
    match error.reason() {
        _ if left_behind => io::ErrorKind::ConnectionRefused,
        Some(reason) if error.is_library() && reason != Reason::CANCEL => MALFORMED,
        Some(Reason::REFUSED_STREAM) => io::ErrorKind::ConnectionRefused,
        _ => io::ErrorKind::ConnectionReset,
    }
}
