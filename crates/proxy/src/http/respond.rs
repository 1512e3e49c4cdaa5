//! Answers of the balancer's own: failures, redirects, fixed answers.

use std::io::IoSlice;

use evenkeel_net::clock;
use evenkeel_wire::http1::{Framing, Version, write};

use crate::cause::Failure;
use crate::filter::edits::Edits;
use crate::http::passing;
use crate::http::record::{self, Tally};
use crate::http::scratch::Scratch;
use crate::http::session::{Next, Session};
use crate::http2::grpc;

/// Seconds a client is asked to wait after a 503.
const RETRY_AFTER: &[u8] = b"1";

/// An answer of the balancer's own.
pub(crate) struct Own<'a> {
    pub(crate) status: u16,
    /// Its phrase, if it is not the usual one.
    pub(crate) phrase: Option<&'a [u8]>,
    pub(crate) content_type: &'a [u8],
    pub(crate) body: &'a [u8],
    pub(crate) location: Option<&'a [u8]>,
    pub(crate) edits: &'a Edits,
    /// The lines that the edits write.
    pub(crate) extra: &'a [u8],
}

/// Answers a request whose head could not be accepted; the connection ends.
pub(crate) async fn refuse(session: &mut Session, scratch: &mut Scratch, failure: Failure) -> Next {
    let mut tally = Tally::begin(session);
    scratch.asked.reset();
    let next = fail(session, scratch, failure, &mut tally).await;
    let snapshot = session.core.snapshot();
    record::exchange(session, scratch, &snapshot, None, None, &tally);
    next
}

/// Tells the client about a failure, if it can still be told.
pub(crate) async fn fail(
    session: &mut Session,
    scratch: &mut Scratch,
    failure: Failure,
    tally: &mut Tally,
) -> Next {
    tally.cause = Some(failure.cause);
    if tally.answered || failure.status == 0 {
        // The answer was begun and cannot be taken back: its missing end is all that can be said.
        if tally.answered && !grpc::end(session, scratch, failure) {
            session.stream.reset_on_close();
        }
        return Next::Close;
    }
    if scratch.passage.is_some() {
        return passing::fail(session, scratch, failure, tally).await;
    }
    if grpc::is_call(session, scratch) {
        return grpc::fail(session, scratch, failure, tally).await;
    }
    let status = failure.status;
    let mut body = Vec::new();
    let phrase = write::reason_phrase(status);
    let id = String::from_utf8_lossy(&scratch.asked.id).into_owned();
    let about = if id.is_empty() { String::new() } else { format!("\nrequest: {id}") };
    body.extend_from_slice(
        format!("{status} {phrase}\ncause: {}{about}\n", failure.cause).as_bytes(),
    );
    let own = Own {
        status,
        phrase: None,
        content_type: b"text/plain; charset=utf-8",
        body: &body,
        location: None,
        edits: &Edits::default(),
        extra: &[],
    };
    let keep = tally.body_settled && failure.keeps_connection();
    send(session, scratch, &own, keep, tally).await
}

/// Answers a certificate authority that looks for the proof of a name (RFC 8555 section 8.3).
pub(crate) async fn prove(
    session: &mut Session,
    scratch: &mut Scratch,
    proof: &str,
    tally: &mut Tally,
) -> Next {
    let own = Own {
        status: 200,
        phrase: None,
        content_type: b"application/octet-stream",
        body: proof.as_bytes(),
        location: None,
        edits: &Edits::default(),
        extra: b"",
    };
    let keep = tally.body_settled;
    send(session, scratch, &own, keep, tally).await
}

/// Sends an answer of the balancer's own. `keep`: the request was read whole, so the connection
/// may go on if the client likes.
pub(crate) async fn send(
    session: &mut Session,
    scratch: &mut Scratch,
    own: &Own<'_>,
    keep: bool,
    tally: &mut Tally,
) -> Next {
    let head = &scratch.head;
    let keep = keep && head.keep_alive && !session.core.is_draining();
    let out = &mut scratch.down;
    out.clear();
    let usual = || write::reason_phrase(own.status).as_bytes();
    write::status_line(out, own.status, own.phrase.unwrap_or_else(usual));
    if !own.content_type.is_empty() && !own.body.is_empty() && !own.edits.hides(b"content-type") {
        write::field(out, b"Content-Type", own.content_type);
    }
    if !matches!(own.status, 204 | 304) {
        write::field(out, b"Content-Length", own.body.len().to_string().as_bytes());
    }
    out.extend_from_slice(b"Date: ");
    session.core.write_date(out);
    out.extend_from_slice(b"\r\n");
    if session.secured.is_some()
        && let Some(listener) = session.core.snapshot().listener(session.listener)
    {
        out.extend_from_slice(listener.hsts());
    }
    if let Some(location) = own.location {
        write::field(out, b"Location", location);
    }
    match own.status {
        _ if own.content_type.is_empty() => {}
        503 => write::field(out, b"Retry-After", RETRY_AFTER),
        405 => write::field(out, b"Allow", b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"),
        _ => {}
    }
    if own.status >= 400 && !own.content_type.is_empty() {
        out.extend_from_slice(b"Cache-Control: no-store\r\n");
    }
    match (keep, head.version) {
        (false, _) => out.extend_from_slice(b"Connection: close\r\n"),
        (true, Version::H10) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        (true, Version::H11) => {}
    }
    out.extend_from_slice(own.extra);
    out.extend_from_slice(b"\r\n");
    if head.method != evenkeel_wire::http1::Method::Head {
        out.extend_from_slice(own.body);
    }
    tally.status = own.status;
    let time = session.send_time();
    scratch.client_wait.set_after(clock::now(), time);
    let sent =
        session.stream.send(&mut [IoSlice::new(&scratch.down)], &mut scratch.client_wait).await;
    if sent.is_err() {
        return Next::Close;
    }
    tally.bytes_out += scratch.down.len() as u64;
    tally.body_out += own.body.len() as u64;
    if !keep {
        return Next::Linger;
    }
    Next::KeepAlive
}

/// Whether nothing of the request's body is still to come.
pub(crate) fn has_no_body(framing: Framing) -> bool {
    matches!(framing, Framing::None | Framing::Length(0))
}
