//! The connection of a client: from its preface to its GOAWAY.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use evenkeel_net::{Buffer, Stream, Whole, clock};
use h2::Reason;
use h2::server::{Builder, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::PREFACE;
use crate::guard::Guard;
use crate::incoming::{End, Incoming};
use crate::watched::Watched;

/// Bytes that a client may send on one stream before any is taken: at 50 ms of distance, that is
/// 5 MB a second for a single upload.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Bytes that a client may send on all its streams before any is taken: what one connection can
/// make us hold.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of answers that wait per stream for the connection to take them.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams reset by the client that nobody has looked at yet.
const PENDING_RESETS: usize = 20;
/// Streams reset by us that are remembered, for frames that were on their way.
const REMEMBERED_RESETS: usize = 50;
/// Streams that the engine may reset for errors of the client.
const ERRORS_MAX: usize = 256;
/// What RFC 9113 section 6.5.2 adds for each field when it counts the size of a head.
const PER_FIELD: u32 = 32;

/// Bytes read after the end.
const FAREWELL_BYTES: usize = 64 * 1024;

/// How a connection is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Streams open at once; 100.
    pub streams: u32,
    /// Bytes of a head, names and values.
    pub head_bytes: u32,
    /// Fields of a head.
    pub fields: u32,
}

/// The connection of a client.
pub struct Front {
    connection: Connection<Watched, Bytes>,
    stream: Rc<RefCell<Whole>>,
    guard: Rc<RefCell<Guard>>,
    ending: Option<&'static str>,
}

/// Counts what a client did for good.
pub struct Counter(Rc<RefCell<Guard>>);

/// What comes next on a connection.
#[allow(
    clippy::large_enum_variant,
    reason = "it is moved once, and the large one is the usual one"
)]
pub enum Next {
    /// A request.
    Request(Incoming),
    /// The connection has ended. With a cause if it was the client's fault.
    Ended(Option<&'static str>),
}

impl Front {
    /// Answers the preface; `early` holds what was received of it. An error means that the
    /// connection is of no use.
    ///
    /// # Errors
    /// The cause, if the client's bytes were no preface.
    pub async fn begin(
        stream: Stream,
        early: Buffer,
        settings: &Settings,
    ) -> Result<Front, Option<&'static str>> {
        let guard = Rc::new(RefCell::new(Guard::new(clock::now(), PREFACE.len())));
        let stream = Rc::new(RefCell::new(Whole::new(stream, early)));
        let watched = Watched { stream: stream.clone(), guard: guard.clone() };
        let heads = settings.head_bytes.saturating_add(settings.fields.saturating_mul(PER_FIELD));
        let handshake = Builder::new()
            .max_concurrent_streams(settings.streams)
            .max_header_list_size(heads)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(SEND_BUFFER)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .max_concurrent_reset_streams(REMEMBERED_RESETS)
            .max_local_error_reset_streams(Some(ERRORS_MAX))
            .enable_connect_protocol()
            .handshake(watched);
        match handshake.await {
            Ok(connection) => Ok(Front { connection, stream, guard, ending: None }),
            Err(error) => Err(cause(&error)),
        }
    }

    /// The next request, or the end. To be polled for as long as streams are open: it is what
    /// moves their frames.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            let polled = self.connection.poll_accept(cx);
            let tripped = self.guard.borrow().tripped();
            if let (Some(flood), None) = (tripped, self.ending) {
                self.ending = Some(flood);
                self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                continue;
            }
            return match polled {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(Next::Ended(self.ending)),
                Poll::Ready(Some(Err(error))) => {
                    Poll::Ready(Next::Ended(self.ending.or_else(|| cause(&error))))
                }
                Poll::Ready(Some(Ok(_))) if self.ending.is_some() => continue,
                Poll::Ready(Some(Ok((request, respond)))) => {
                    Poll::Ready(Next::Request(Incoming::new(request, respond)))
                }
            };
        }
    }

    /// Tells the client to open no more streams; those that are open go on (RFC 9113 section 6.8).
    pub fn wind_down(&mut self) {
        self.connection.graceful_shutdown();
    }

    /// Whether the client is being sent away for a flood.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// After the end: reads on for a while, so that the client gets to read our last frames. A
    /// close with unread bytes would be a reset, which takes them away.
    pub async fn farewell(self) {
        let Front { connection, stream, .. } = self;
        drop(connection);
        let finish = |cx: &mut Context<'_>| Pin::new(&mut *stream.borrow_mut()).poll_shutdown(cx);
        if poll_fn(finish).await.is_err() {
            return;
        }
        let (mut scrap, mut read) = ([0; 4096], 0);
        while read < FAREWELL_BYTES {
            let mut buf = ReadBuf::new(&mut scrap);
            let receive =
                |cx: &mut Context<'_>| Pin::new(&mut *stream.borrow_mut()).poll_read(cx, &mut buf);
            if poll_fn(receive).await.is_err() || buf.filled().is_empty() {
                return;
            }
            read += buf.filled().len();
        }
    }

    /// Where the ends of streams are told.
    pub fn counter(&self) -> Counter {
        Counter(self.guard.clone())
    }
}

impl Counter {
    /// A stream has ended.
    pub fn ended(&self, end: End) {
        if end == End::Answered {
            self.0.borrow_mut().served();
        }
    }
}

/// Why the connection failed, if that was the client's doing.
fn cause(error: &h2::Error) -> Option<&'static str> {
    match error.reason() {
        Some(Reason::ENHANCE_YOUR_CALM) if error.is_library() => Some("http2-resets"),
        Some(_) if error.is_library() => Some("http2-protocol"),
        _ => None,
    }
}
