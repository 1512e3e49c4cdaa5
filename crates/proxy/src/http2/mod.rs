//! Clients that speak HTTP/2: each stream of their connection is a session of its own, which
//! serves one request and knows only HTTP/1.1.

pub(crate) mod grpc;
pub(crate) mod members;
pub(crate) mod offenders;
pub(crate) mod workers;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use evenkeel_http2::{Front, Incoming, Next, PREFACE, Settings};
use evenkeel_net::{Buffer, Deadline, Peer, Stream, clock};
use evenkeel_plan::Versions;

use crate::cause::Failure;
use crate::core::Core;
use crate::http::session::Session;
use crate::secure::Secured;
use crate::sessions::Place;
use crate::snapshot::ListenerRt;

/// The part of the preface that no request of HTTP/1 begins with.
const TELLING: &[u8] = PREFACE.split_at(16).0;
/// Bytes received while the preface is not whole.
const AHEAD: usize = 16 * 1024;
/// How long a connection without streams stays after its GOAWAY.
const FAREWELL: Duration = Duration::from_secs(2);

/// Whether the session's first bytes may be the preface, or must be.
pub(crate) fn may_begin(session: &Session) -> bool {
    let first = session.served == 0 && !session.is_multiplexed();
    if !first {
        return false;
    }
    match versions(session) {
        Versions::Http1 => false,
        // Whatever it is that comes, it is to be a preface.
        Versions::Http2 => true,
        Versions::Any => begins_alike(session),
    }
}

fn versions(session: &Session) -> Versions {
    let snapshot = session.core.snapshot();
    snapshot.listener(session.listener).map_or(Versions::Any, |l| l.plan.versions)
}

fn begins_alike(session: &Session) -> bool {
    session.buffer.bytes().first() == Some(&PREFACE[0]) || agreed_on(session)
}

/// Whether the client chose HTTP/2 by ALPN: then it speaks nothing else (RFC 9113 section 3.3).
fn agreed_on(session: &Session) -> bool {
    session.secured.as_ref().is_some_and(|secured| secured.http2)
}

/// Whether the session begins with the preface of HTTP/2; what was received stays where it is.
pub(crate) async fn begins(session: &mut Session) -> bool {
    if agreed_on(session) || versions(session) == Versions::Http2 {
        return true;
    }
    let mut wait = Deadline::never();
    if let Some(listener) = session.core.snapshot().listener(session.listener) {
        wait.set_after(clock::now(), listener.plan.timeouts.header);
    }
    loop {
        let bytes = session.buffer.bytes();
        let n = bytes.len().min(TELLING.len());
        if bytes[..n] != TELLING[..n] {
            return false;
        }
        if n == TELLING.len() {
            return true;
        }
        // Whatever it is that ends here, HTTP/1 has words for it.
        if !matches!(session.stream.recv(&mut session.buffer, AHEAD, &mut wait).await, Ok(1..)) {
            return false;
        }
    }
}

/// Serves a connection of HTTP/2 to its end.
pub(crate) async fn run(session: Session) {
    let Session { core, place, listener, peer, local, stream, buffer, number, secured, .. } =
        session;
    let snapshot = core.snapshot();
    let Some(ours) = snapshot.listener(listener) else { return };
    let spent = core.offenders.spent(ours, &peer);
    let (settings, time) = (settings(ours, spent), ours.plan.timeouts.header);
    drop(snapshot);
    let local = local.or_else(|| stream.local_address());
    let shared = Rc::new(Shared { core, listener, peer, local, number, secured });
    let begun = clock::within(time, Front::begin(stream, buffer, &settings)).await;
    match begun {
        Some(Ok(front)) => {
            let (wait, goodbye) = (Deadline::never(), Deadline::never());
            let (waits, winding, served) = (false, Winding::Open, 0);
            Serving { front, shared, place, wait, waits, goodbye, winding, served }.run().await;
        }
        Some(Err(Some(cause))) => shared.refused(cause),
        Some(Err(None)) => {}
        None => shared.refused(Failure::HEADER_TIMEOUT.cause),
    }
}

fn settings(listener: &ListenerRt, spent: u64) -> Settings {
    Settings {
        streams: listener.plan.limits.streams,
        head_bytes: listener.limits.head_bytes,
        fields: listener.limits.fields,
        spent,
    }
}

/// What the sessions of one connection share.
struct Shared {
    core: Rc<Core>,
    listener: u32,
    peer: Peer,
    local: Option<SocketAddr>,
    number: u64,
    secured: Option<Rc<Secured>>,
}

impl Shared {
    fn refused(&self, cause: &'static str) {
        self.core.metrics.borrow_mut().refused(self.listener, cause);
    }
}

/// A connection while it is served.
struct Serving {
    front: Front,
    shared: Rc<Shared>,
    place: Place,
    /// For a connection without streams.
    wait: Deadline,
    waits: bool,
    /// For the time between the beginning of a drain and our GOAWAY.
    goodbye: Deadline,
    winding: Winding,
    /// Streams so far.
    served: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Winding {
    /// New streams are welcome.
    Open,
    /// The client was told to open no more.
    Down,
}

impl Serving {
    async fn run(mut self) {
        loop {
            match poll_fn(|cx| self.poll(cx)).await {
                Next::Request(incoming) => {
                    self.served = self.served.saturating_add(1);
                    self.serve(incoming);
                }
                Next::Refused(cause) => self.shared.refused(cause),
                Next::Ended(cause) => {
                    return self.end(cause).await;
                }
            }
        }
    }

    async fn end(mut self, cause: Option<&'static str>) {
        let Shared { core, listener, peer, .. } = &*self.shared;
        if let Some(ours) = core.snapshot().listener(*listener) {
            core.offenders.remember(ours, peer, self.front.spent());
        }
        self.count_cuts();
        if let Some(cause) = cause {
            self.shared.refused(cause);
            self.front.stop_hearing();
            if !core.is_draining() {
                core.offenders.hold(cause).await;
            }
        }
        clock::within(FAREWELL, self.front.farewell()).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            if let Poll::Ready(next) = self.front.poll_next(cx) {
                return Poll::Ready(next);
            }
            self.count_cuts();
            self.shared.core.sessions.waits(self.place.slot(), cx.waker());
            if self.winding == Winding::Open && self.should_wind_down(cx) {
                self.wind_down();
                continue;
            }
            if self.front.open() > 0 {
                self.waits = false;
                return Poll::Pending;
            }
            if !self.waits {
                self.waits = true;
                self.wait.set_after(clock::now(), self.quiet_time());
            }
            match self.wait.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if self.winding == Winding::Open => self.wind_down(),
                Poll::Ready(()) => return Poll::Ready(Next::Ended(None)),
            }
        }
    }

    /// Whether the core drains, the listener is gone, or the connection has had its share.
    fn should_wind_down(&mut self, cx: &mut Context<'_>) -> bool {
        let core = &self.shared.core;
        if let Some(at) = core.goodbye() {
            self.goodbye.set(at);
            return self.goodbye.poll(cx).is_ready();
        }
        let snapshot = core.snapshot();
        let Some(listener) = snapshot.listener(self.shared.listener) else { return true };
        let most = listener.plan.limits.requests_per_connection;
        most > 0 && self.served >= most
    }

    fn wind_down(&mut self) {
        self.winding = Winding::Down;
        self.waits = false;
        self.front.wind_down();
    }

    /// How long the connection may be without streams.
    fn quiet_time(&self) -> Duration {
        if self.winding == Winding::Down {
            return FAREWELL;
        }
        let snapshot = self.shared.core.snapshot();
        snapshot.listener(self.shared.listener).map_or(FAREWELL, |l| l.plan.timeouts.idle)
    }

    /// Counts answers that ended too early.
    fn count_cuts(&self) {
        for _ in 0..self.front.take_cuts() {
            self.shared.refused(Failure::HTTP2_CUT.cause);
        }
    }

    /// Serves a request in a task of its own.
    fn serve(&self, incoming: Incoming) {
        let core = &self.shared.core;
        let (head, stream) = incoming.open(|| {
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&core.random().to_ne_bytes());
            nonce[8..].copy_from_slice(&core.random().to_ne_bytes());
            nonce
        });
        workers::serve(core, Session::of_stream(&self.shared, head, stream));
    }
}

impl Session {
    fn of_stream(shared: &Shared, head: Buffer, stream: Stream) -> Session {
        let place = Place::of_stream(shared.core.clone(), shared.listener);
        let Shared { core, listener, peer, local, number, .. } = shared;
        let client = crate::client::Client {
            core: core.clone(),
            place,
            listener: *listener,
            stream,
            peer: *peer,
            local: *local,
            buffer: head,
            began: clock::now(),
            number: *number,
            secured: shared.secured.clone(),
        };
        Session::new(client)
    }
}
