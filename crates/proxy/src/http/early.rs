//! Requests that came before their client's handshake was over (0-RTT, RFC 8470): what is harmless
//! goes on at once, and says so; the rest waits until nobody but the client can have sent it.

use std::io;

use evenkeel_net::{Deadline, clock};
use evenkeel_wire::http1::{Framing, Method};

use crate::cause::Failure;
use crate::http::scratch::Scratch;
use crate::http::session::Session;

/// Whether a request must wait for the end of its client's handshake. Says in the scratch whether it
/// goes on before.
pub(crate) fn must_wait(session: &Session, scratch: &mut Scratch) -> bool {
    scratch.early = false;
    let handshake = session.secured.as_ref().and_then(|secured| secured.handshake.as_ref());
    if !handshake.is_some_and(|handshake| handshake.is_under_way()) {
        return false;
    }
    let head = &scratch.head;
    let safe = matches!(head.method, Method::Get | Method::Head | Method::Options);
    scratch.early = safe && head.body == Framing::None && head.upgrade.is_none();
    !scratch.early
}

/// Waits for the end of the handshake, as long as a head may take.
pub(crate) async fn wait(session: &mut Session) -> Result<(), Failure> {
    let handshake = session.secured.as_ref().and_then(|secured| secured.handshake.clone());
    let Some(handshake) = handshake else { return Ok(()) };
    let snapshot = session.core.snapshot();
    let Some(listener) = snapshot.listener(session.listener) else {
        return Err(Failure::CLIENT_GONE);
    };
    let time = listener.plan.timeouts.header;
    if session.is_multiplexed() {
        // The connection that the stream belongs to reads on meanwhile.
        return match clock::within(time, handshake.over()).await {
            Some(true) => Ok(()),
            Some(false) => Err(Failure::CLIENT_GONE),
            None => Err(Failure::TLS_TIMEOUT),
        };
    }
    let mut wait = Deadline::never();
    wait.set_after(clock::now(), time);
    session.stream.shaken(&mut wait).await.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => Failure::TLS_TIMEOUT,
        _ => Failure::CLIENT_GONE,
    })
}
