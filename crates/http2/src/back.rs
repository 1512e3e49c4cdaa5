//! A connection to a member, shared by requests.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use evenkeel_net::pipe::PipeStream;
use evenkeel_net::{Buffer, Micros, Stream, Whole, clock};
use h2::client::{Builder, SendRequest};

use crate::heard::Heard;
use crate::outgoing;
use crate::settling::Settling;

/// Bytes that a member may send on one stream before any is taken.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Bytes that a member may send on all its streams before any is taken. Members are trusted more
/// than clients, and one slow client must not hold up the others that share the connection.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// Bytes of requests that wait per stream for the connection to take them.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams opened before the member has said how many it takes.
const STREAMS_AT_FIRST: usize = 100;

/// How long a member may be silent before its connection is doubted, if a request was given up
/// meanwhile.
const SILENCE: Duration = Duration::from_millis(500);

/// How a member is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BackSettings {
    /// Streams that are opened at most, whatever the member allows.
    pub streams: usize,
    /// Bytes of an answer's head, names and values.
    pub head_bytes: u32,
}

/// A connection to a member that speaks HTTP/2.
pub struct Back {
    send: SendRequest<Bytes>,
    state: Rc<State>,
    streams: usize,
}

#[derive(Default)]
struct State {
    open: Cell<usize>,
    closed: Cell<bool>,
    /// There is TLS on it.
    secured: bool,
    /// When the member was last heard of.
    heard: Rc<Cell<Micros>>,
    settling: Settling,
}

/// A stream that is open on a connection; counts it until dropped.
struct Open(Rc<State>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
    }
}

impl Back {
    /// Sends the preface. The future is what moves the connection's frames: it is to be run for as
    /// long as the connection is of use, and ends with it.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn begin(
        stream: Stream,
        settings: &BackSettings,
    ) -> io::Result<(Back, impl Future<Output = ()> + 'static)> {
        let state = Rc::new(State { secured: stream.is_tls(), ..State::default() });
        state.heard.set(clock::now());
        let heard = Heard { stream: Whole::new(stream, Buffer::new()), last: state.heard.clone() };
        let handshake = Builder::new()
            .enable_push(false)
            .initial_max_send_streams(STREAMS_AT_FIRST)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(settings.head_bytes)
            .max_send_buffer_size(SEND_BUFFER)
            .handshake(heard);
        let (send, mut connection) = handshake.await.map_err(io::Error::other)?;
        let told = state.clone();
        let driving = async move {
            let ping = connection.ping_pong();
            tokio::select! {
                _ = connection => {}
                () = told.settling.run(ping) => {}
            }
            told.closed.set(true);
            told.settling.end();
        };
        Ok((Back { send, state, streams: settings.streams }, driving))
    }

    /// Whether the connection is of no use for further requests: it broke, or the member says
    /// goodbye.
    pub fn is_closed(&self) -> bool {
        let mut send = self.send.clone();
        self.state.closed.get()
            || matches!(
                send.poll_ready(&mut Context::from_waker(Waker::noop())),
                Poll::Ready(Err(_))
            )
    }

    /// Requests under way.
    pub fn open(&self) -> usize {
        self.state.open.get()
    }

    /// Whether one more request finds room.
    pub fn has_room(&self) -> bool {
        self.open() < self.streams.min(self.send.current_max_send_streams())
    }

    /// Carries one request, which comes as HTTP/1.1 through the pipe, and its answer. The stream
    /// counts as open from now on. When the member surely did nothing about the request, the other
    /// end of the pipe sees an error of kind `ConnectionRefused`; when it broke the rules, of kind
    /// [`MALFORMED`](crate::MALFORMED); otherwise a reset. `web`: calls of
    /// gRPC-Web are made calls of gRPC.
    pub fn carry(&self, pipe: PipeStream, web: bool) -> impl Future<Output = ()> + 'static {
        self.state.open.set(self.state.open.get() + 1);
        let (open, mut send) = (Open(self.state.clone()), self.send.clone());
        async move {
            let began = clock::now();
            let state = &open.0;
            if poll_fn(|cx| send.poll_ready(cx)).await.is_err() {
                pipe.break_on_drop(io::ErrorKind::ConnectionRefused);
                return;
            }
            let unanswered =
                outgoing::carry(&mut send, pipe, &state.settling, (state.secured, web)).await;
            // Nothing was heard since the request: the member may be gone without a word, and who
            // comes next must not wait as long again.
            let silent = state.heard.get() <= began && clock::now().since(began) > SILENCE;
            if unanswered && silent {
                state.closed.set(true);
            }
        }
    }
}
