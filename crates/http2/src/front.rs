//! The connection of a client, from its preface to its GOAWAY: the machine's bytes in and out.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll};

use evenkeel_net::{Buffer, Stream, clock};

use crate::engine::{Engine, Event, Settings};
use crate::lane::{Lane, Shared};
use crate::request::{Asked, write_key};

/// Bytes received ahead of being heard.
const AHEAD: usize = 64 * 1024;
/// Frames, bytes and requests that are heard before other connections get their turn. A client that
/// sends a hundred requests at once must not put them all before the next one of another.
const FRAMES: u32 = 1000;
const BYTES: usize = 32 * 1024;
const REQUESTS: u32 = 8;
/// Bytes read after the end.
const FAREWELL_BYTES: usize = 64 * 1024;

/// The connection of a client. Dropped, it ends the streams that are under way.
pub struct Front {
    input: Buffer,
    shared: Rc<Shared>,
    /// Frames, bytes and requests that may still be heard in this turn.
    frames: u32,
    bytes: usize,
    requests: u32,
}

/// A request as it came.
pub struct Incoming {
    lane: Lane,
    text: Vec<u8>,
    asked: Asked,
}

/// What comes next on a connection.
pub enum Next {
    /// A request.
    Request(Incoming),
    /// A request was refused for this cause, and its client told.
    Refused(&'static str),
    /// The connection has ended. With a cause if it was the client's fault.
    Ended(Option<&'static str>),
}

impl Incoming {
    /// The head of the request as HTTP/1.1, and the stream that its body comes from and its answer
    /// goes to. `nonce`: random, for the handshake of a WebSocket. Dropping the stream before it
    /// has all of an answer resets it.
    pub fn open(self, nonce: impl FnOnce() -> [u8; 16]) -> (Buffer, Stream) {
        let Incoming { lane, mut text, asked } = self;
        if asked.socket {
            write_key(nonce(), &mut text);
        }
        let mut head = Buffer::new();
        head.extend(&text);
        // The text is the machine's, and goes back to it for the next.
        lane.give_back(text);
        (head, Stream::Made(Box::new(lane)))
    }
}

impl Front {
    /// Says our settings and waits for the preface; `early` holds what was received of it. An error
    /// means that the connection is of no use.
    ///
    /// # Errors
    /// The cause, if the client's bytes were no preface.
    pub async fn begin(
        stream: Stream,
        early: Buffer,
        settings: &Settings,
    ) -> Result<Front, Option<&'static str>> {
        let engine = RefCell::new(Engine::new(*settings, clock::now()));
        let (stream, mover) = (RefCell::new(stream), Cell::new(None));
        let shared = Rc::new(Shared { engine, stream, mover });
        let (frames, bytes, requests) = (FRAMES, BYTES, REQUESTS);
        let mut front = Front { input: early, shared, frames, bytes, requests };
        poll_fn(|cx| front.poll_begun(cx)).await?;
        Ok(front)
    }

    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Option<&'static str>>> {
        loop {
            let sent = self.poll_send(cx);
            let engine = self.shared.engine.borrow();
            if engine.is_failed() {
                return sent.map(|_| Err(engine.cause()));
            }
            if engine.has_begun() {
                return Poll::Ready(Ok(()));
            }
            drop(engine);
            if !self.input.is_empty() {
                let mut engine = self.shared.engine.borrow_mut();
                let (used, _) = engine.hear(self.input.bytes(), &mut 0, &clock::now);
                self.input.consume(used);
                if used > 0 || engine.is_failed() {
                    continue;
                }
            }
            match self.poll_recv(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(Err(None)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The next request, or the end; of a client that is sent away before it is told. To be polled for as long as streams are open: it is what
    /// moves their frames.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            if let Some(cause) = self.shared.engine.borrow().cause() {
                return Poll::Ready(Next::Ended(Some(cause)));
            }
            let gone = matches!(self.poll_send(cx), Poll::Ready(Err(())));
            let mut engine = self.shared.engine.borrow_mut();
            if gone {
                engine.break_off();
                return Poll::Ready(Next::Ended(engine.cause()));
            }
            if engine.is_over() && engine.out().is_empty() {
                return Poll::Ready(Next::Ended(engine.cause()));
            }
            if engine.is_hearing() && !self.input.is_empty() {
                if self.frames == 0 || self.bytes == 0 || self.requests == 0 {
                    cx.waker().wake_by_ref();
                    break;
                }
                let (used, event) = engine.hear(self.input.bytes(), &mut self.frames, &clock::now);
                self.input.consume(used);
                self.bytes = self.bytes.saturating_sub(used);
                match event {
                    Some(Event::Request { id, asked }) => {
                        self.requests -= 1;
                        let text = std::mem::take(&mut engine.text);
                        drop(engine);
                        let lane = Lane::new(self.shared.clone(), id, asked);
                        return Poll::Ready(Next::Request(Incoming { lane, text, asked }));
                    }
                    Some(Event::Refused(cause)) => return Poll::Ready(Next::Refused(cause)),
                    Some(Event::TooLarge(_)) => return Poll::Ready(Next::Refused("long-head")),
                    None if used > 0 || !engine.is_hearing() => continue,
                    None => {}
                }
            }
            if !engine.is_hearing() {
                break;
            }
            drop(engine);
            match self.poll_recv(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => {
                    let mut engine = self.shared.engine.borrow_mut();
                    engine.break_off();
                    return Poll::Ready(Next::Ended(engine.cause()));
                }
                Poll::Pending => break,
            }
        }
        (self.frames, self.bytes, self.requests) = (FRAMES, BYTES, REQUESTS);
        self.shared.mover.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.shared.stream.borrow_mut().split().0.poll_recv(cx, &mut self.input, AHEAD)
    }

    /// Sends what there is to send. An error: the connection broke.
    fn poll_send(&self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        let mut engine = self.shared.engine.borrow_mut();
        let mut stream = self.shared.stream.borrow_mut();
        while !engine.out().is_empty() {
            let slices = [IoSlice::new(engine.out())];
            match stream.split().1.poll_send(cx, &slices) {
                Poll::Ready(Ok(sent @ 1..)) => engine.sent(sent),
                Poll::Ready(_) => return Poll::Ready(Err(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the client to open no more streams; those that are open go on (RFC 9113 section 6.8).
    pub fn wind_down(&mut self) {
        self.shared.engine.borrow_mut().wind_down();
    }

    /// Points of its flood budget that the client has spent and not earned.
    pub fn spent(&self) -> u64 {
        self.shared.engine.borrow_mut().spent(clock::now())
    }

    /// Requests under way.
    pub fn open(&self) -> usize {
        self.shared.engine.borrow().open()
    }

    /// Answers that were cut since this was last asked: their streams were reset.
    pub fn take_cuts(&self) -> u32 {
        self.shared.engine.borrow_mut().take_cuts()
    }

    /// Forgets what was received and not heard.
    pub fn stop_hearing(&mut self) {
        self.input = Buffer::new();
    }

    /// After the end: says our last frames and reads on for a while, so that the client gets to read
    /// them. A close with unread bytes would be a reset, which takes them away.
    pub async fn farewell(mut self) {
        self.shared.engine.borrow_mut().break_off();
        let shared = self.shared.clone();
        if poll_fn(|cx| self.poll_send(cx)).await.is_err() {
            return;
        }
        let finish = |cx: &mut Context<'_>| shared.stream.borrow_mut().split().1.poll_finish(cx);
        if poll_fn(finish).await.is_err() {
            return;
        }
        let mut read = 0;
        while read < FAREWELL_BYTES {
            self.input.clear();
            match poll_fn(|cx| self.poll_recv(cx)).await {
                Ok(n @ 1..) => read += n,
                _ => return,
            }
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.shared.engine.borrow_mut().break_off();
    }
}
