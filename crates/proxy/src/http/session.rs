//! One client connection that speaks HTTP/1: request after request until either side closes.
//!
//! An idle session is a small future and nothing else: no buffer, no head, no timers but one. When
//! bytes come, the larger part of the machine is put on the heap and stays there while requests
//! follow each other.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use evenkeel_net::{Buffer, Deadline, Micros, Peer, Stream, clock};
use evenkeel_wire::http1::Parsed;

use crate::cause::Failure;
use crate::client::Client;
use crate::core::Core;
use crate::dial::Upstream;
use crate::http::exchange;
use crate::http::scratch::Scratch;
use crate::http::{respond, tunnel};
use crate::http2;
use crate::secure::Secured;
use crate::sessions::Place;

/// How long a session stays on its feet after an answer before it counts as idle.
const QUIET: Duration = Duration::from_millis(100);
/// How long a client may take to read whose listener is gone.
const SEND: Duration = Duration::from_secs(2);
/// Bytes of pipelined requests that are taken in ahead of their turn.
const AHEAD: usize = 16 * 1024;

/// One client connection.
pub(crate) struct Session {
    pub(crate) core: Rc<Core>,
    pub(crate) place: Place,
    /// The listener's number.
    pub(crate) listener: u32,
    /// Who the client is: the other end of the connection, or whom a PROXY header named.
    pub(crate) peer: Peer,
    /// The address the client came to, if a PROXY header named it.
    pub(crate) local: Option<SocketAddr>,
    pub(crate) stream: Stream,
    /// Received and not yet served.
    pub(crate) buffer: Buffer,
    wait: Deadline,
    /// When the first byte of the request under way came.
    pub(crate) began: Micros,
    /// Requests served so far.
    pub(crate) served: u32,
    /// The number of the connection, for the log.
    pub(crate) number: u64,
    /// What TLS agreed on with the client.
    pub(crate) secured: Option<Rc<Secured>>,
}

/// What follows an exchange.
pub(crate) enum Next {
    /// The next request.
    KeepAlive,
    /// Nothing for now.
    Idle,
    /// The end, at once.
    Close,
    /// The end, once the client had a chance to read its answer.
    Linger,
    /// Bytes both ways.
    Tunnel(Box<Upstream>),
}

enum Woken {
    Bytes,
    Quiet,
    End,
}

impl Session {
    /// A session on a connection.
    pub(crate) fn new(client: Client) -> Session {
        let Client { core, place, listener, stream, peer, local, buffer, number, secured, .. } =
            client;
        let (wait, began) = (Deadline::never(), Micros(0));
        Session {
            core,
            place,
            listener,
            peer,
            local,
            stream,
            buffer,
            wait,
            began,
            served: 0,
            number,
            secured,
        }
    }

    /// Whether the connection is one stream of an HTTP/2 connection.
    pub(crate) fn is_multiplexed(&self) -> bool {
        self.place.is_stream()
    }

    /// Waits for the first bytes of a request.
    async fn wait(&mut self, time: Duration) -> Woken {
        if !self.buffer.is_empty() {
            return Woken::Bytes;
        }
        self.wait.set_after(clock::recent(), time);
        let (mut recv, _) = self.stream.split();
        poll_fn(|cx| {
            if let Poll::Ready(received) = recv.poll_recv(cx, &mut self.buffer, AHEAD) {
                return Poll::Ready(match received {
                    Ok(0) | Err(_) => Woken::End,
                    Ok(_) => Woken::Bytes,
                });
            }
            // Between requests is the moment to go when the core drains or the listener is gone.
            if self.core.snapshot().listener(self.listener).is_none() {
                return Poll::Ready(Woken::End);
            }
            if let Some(end) = self.core.idle_ends() {
                if clock::now() >= end {
                    return Poll::Ready(Woken::End);
                }
                self.wait.set(end);
            }
            self.core.sessions.waits(self.place.slot(), cx.waker());
            self.wait.poll(cx).map(|()| Woken::Quiet)
        })
        .await
    }

    /// Uses up the request that was served: `used` bytes of the buffer, or, if its body went beyond
    /// the buffer, all of it; then what was received after the body comes next.
    pub(crate) fn advance(&mut self, scratch: &mut Scratch, used: usize) {
        if used == usize::MAX {
            self.buffer = std::mem::take(&mut scratch.body);
        } else {
            self.buffer.consume(used);
        }
    }

    /// How long the client may take to read.
    pub(crate) fn send_time(&self) -> Duration {
        let snapshot = self.core.snapshot();
        snapshot.listener(self.listener).map_or(SEND, |l| l.plan.timeouts.send)
    }

    /// The listener's idle time; zero when the listener is gone.
    fn idle_time(&self) -> Duration {
        let snapshot = self.core.snapshot();
        snapshot.listener(self.listener).map_or(Duration::from_millis(1), |l| l.plan.timeouts.idle)
    }
}

/// Serves a connection to its end.
#[allow(clippy::manual_async_fn, reason = "an async fn would keep the session twice")]
pub(crate) fn run(mut session: Session) -> impl Future<Output = ()> {
    async move {
        loop {
            let idle_time = session.idle_time();
            match session.wait(idle_time).await {
                Woken::Bytes => {}
                Woken::Quiet | Woken::End => return end(&mut session).await,
            }
            if http2::may_begin(&session) && Box::pin(http2::begins(&mut session)).await {
                return Box::pin(http2::run(session)).await;
            }
            match Box::pin(busy(&mut session)).await {
                Next::KeepAlive | Next::Idle => {}
                Next::Close => return end(&mut session).await,
                Next::Linger => return Box::pin(session.stream.linger()).await,
                Next::Tunnel(upstream) => {
                    return Box::pin(tunnel::run(&mut session, upstream)).await;
                }
            }
        }
    }
}

/// Serves the one request of a stream.
pub(crate) async fn serve_stream(stream: &mut Session) {
    if let Next::Tunnel(upstream) = busy(stream).await {
        Box::pin(tunnel::run(stream, upstream)).await;
    }
    // What comes on a stream after its answer is thrown away where frames are read.
}

/// Ends a connection that has all that it is to get. One whose client broke TLS was sent an alert,
/// which must get there.
async fn end(session: &mut Session) {
    match session.stream.is_broken() {
        true => Box::pin(session.stream.linger()).await,
        false => session.stream.say_end(),
    }
}

/// Serves requests as long as they follow each other.
async fn busy(session: &mut Session) -> Next {
    let mut scratch = session.core.take_scratch();
    let next = loop {
        let next = match receive_head(session, &mut scratch).await {
            Ok(()) => exchange::exchange(session, &mut scratch).await,
            Err(None) => Next::Close,
            Err(Some(failure)) => respond::refuse(session, &mut scratch, failure).await,
        };
        let Next::KeepAlive = next else { break next };
        if session.is_multiplexed() {
            break Next::Close;
        }
        match session.wait(QUIET).await {
            Woken::Bytes => {}
            Woken::Quiet => break Next::Idle,
            Woken::End => break Next::Close,
        }
    };
    session.core.keep_scratch(scratch);
    next
}

/// Receives until the request's head is whole. `None`: the client went before it was.
async fn receive_head(session: &mut Session, scratch: &mut Scratch) -> Result<(), Option<Failure>> {
    let snapshot = session.core.snapshot();
    let listener = snapshot.listener(session.listener).ok_or(None)?;
    let refused = |r: evenkeel_wire::http1::Refusal| Some(Failure::refused(r.status, r.cause));
    scratch.head.reset();
    session.began = clock::now();
    if scratch.head.parse(session.buffer.bytes(), &listener.limits).map_err(refused)?
        == Parsed::Complete
    {
        return take_beginning(session, scratch).await;
    }
    let most = listener.limits.head_bytes.saturating_add(AHEAD);
    scratch.client_read_wait.set_after(session.began, listener.plan.timeouts.header);
    loop {
        match session.stream.recv(&mut session.buffer, most, &mut scratch.client_read_wait).await {
            Ok(0) => return Err(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(Some(Failure::HEADER_TIMEOUT));
            }
            Err(_) => return Err(None),
        }
        if scratch.head.parse(session.buffer.bytes(), &listener.limits).map_err(refused)?
            == Parsed::Complete
        {
            return take_beginning(session, scratch).await;
        }
    }
}

/// Takes in what has come of a body with its head, without waiting: what is wrong with it is found
/// before a member is asked, and a body that is all there goes on in one piece.
async fn take_beginning(session: &mut Session, scratch: &Scratch) -> Result<(), Option<Failure>> {
    let is_stream = session.is_multiplexed();
    let more = session.buffer.is_full() && !respond::has_no_body(scratch.head.body);
    // Of a stream there is only the head; what came after it, perhaps a reset, lies ready.
    if !more && !is_stream {
        return Ok(());
    }
    let (mut recv, _) = session.stream.split();
    // However large the head is: a full buffer must not look like a reset.
    let most = if is_stream { session.buffer.len() + AHEAD } else { AHEAD };
    let came = poll_fn(|cx| Poll::Ready(recv.poll_recv(cx, &mut session.buffer, most))).await;
    match came {
        Poll::Ready(Err(_)) if is_stream => Err(None),
        // Whoever receives next meets an end or an error again.
        _ => Ok(()),
    }
}
