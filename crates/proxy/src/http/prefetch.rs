//! What httpd does about a request's body before it looks for a member: a short body in chunks is
//! gathered, so that members learn its length; longer ones are too where rules ask for it.

use std::io::{self, IoSlice};
use std::time::Duration;

use evenkeel_net::{Micros, clock};
use evenkeel_wire::http1::{BodyReader, Framing, Known};

use crate::cause::Failure;
use crate::http::scratch::Scratch;
use crate::http::session::Session;
use crate::snapshot::ListenerRt;

/// Bytes of a body that httpd reads ahead.
const AHEAD: usize = 16 * 1024 - 80;
/// Bytes of a body that are gathered because rules ask for it.
const GATHER_MAX: usize = 192 * 1024;
/// Bytes of framing beside them.
const FRAMING_MAX: usize = 32 * 1024;
/// A slow sender gets this long before its rate counts.
const RATE_GRACE: Duration = Duration::from_secs(10);

/// Settles what the client is told before its body, and what members are told of it.
pub(crate) async fn prepare(
    session: &mut Session,
    scratch: &mut Scratch,
    listener: &ListenerRt,
) -> Result<(), Failure> {
    let Some(passage) = &mut scratch.passage else { return Ok(()) };
    let must = passage.wants_length();
    if scratch.head.expect_continue {
        if passage.forwards_expectation() {
            return Ok(());
        }
        passage.forget_expectation();
        for field in scratch.head.fields.iter_mut().filter(|f| f.known == Known::Expect) {
            field.drop = true;
        }
        let time = session.send_time();
        scratch.client_wait.set_after(clock::now(), time);
        let mut word = [IoSlice::new(b"HTTP/1.1 100 Continue\r\n\r\n")];
        let sent = session.stream.send(&mut word, &mut scratch.client_wait).await;
        sent.map_err(|_| Failure::CLIENT_GONE)?;
    }
    if scratch.head.body != Framing::Chunked || session.is_multiplexed() {
        return Ok(());
    }
    gather(session, scratch, listener, must).await
}

/// Gathers a body in chunks at the front of the session's buffer. One that is too long stays as it
/// is, unless it `must` have a length.
async fn gather(
    session: &mut Session,
    scratch: &mut Scratch,
    listener: &ListenerRt,
    must: bool,
) -> Result<(), Failure> {
    let most = if must { GATHER_MAX } else { AHEAD };
    let mut reader = BodyReader::new(Framing::Chunked, &listener.limits);
    let (mut body, mut used) = (Vec::new(), scratch.head.len);
    let began = clock::now();
    loop {
        while !reader.is_done() && used < session.buffer.len() {
            let input = &session.buffer.bytes()[used..];
            let piece = reader.step(input).map_err(|r| Failure::refused(r.status, r.cause))?;
            body.extend_from_slice(&input[piece.skip..piece.skip + piece.data]);
            used += piece.skip + piece.data;
            if body.len() > most || piece.skip + piece.data == 0 {
                break;
            }
        }
        if reader.is_done() {
            break;
        }
        if body.len() >= most || used > most + FRAMING_MAX {
            return if must { Err(Failure::BODY_TOO_LARGE) } else { Ok(()) };
        }
        receive(session, scratch, listener, (began, used)).await?;
    }
    if body.len() as u64 > listener.plan.limits.body.0 {
        return Err(Failure::BODY_TOO_LARGE);
    }
    let bytes = session.buffer.bytes();
    let whole = [&bytes[..scratch.head.len], &body, &bytes[used..]].concat();
    session.buffer.clear();
    session.buffer.extend(&whole);
    scratch.head.body = Framing::Length(body.len() as u64);
    Ok(())
}

/// Receives more, as long as the client keeps to the minimum rate.
async fn receive(
    session: &mut Session,
    scratch: &mut Scratch,
    listener: &ListenerRt,
    (began, used): (Micros, usize),
) -> Result<(), Failure> {
    let wait = &mut scratch.client_read_wait;
    match u64::from(listener.plan.limits.body_rate_min) {
        0 => wait.clear(),
        rate => {
            let earned = (used as u64).saturating_mul(1_000_000) / rate;
            wait.set(Micros(clock::after(began, RATE_GRACE).0.saturating_add(earned)));
        }
    }
    let most = session.buffer.len() + FRAMING_MAX;
    match session.stream.recv(&mut session.buffer, most, wait).await {
        Ok(0) => Err(Failure::CLIENT_GONE),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(Failure::BODY_TOO_SLOW),
        Err(_) => Err(Failure::CLIENT_GONE),
    }
}
