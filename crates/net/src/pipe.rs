//! A byte stream in memory: two ends in one thread, each a [`Stream`](crate::Stream) of its own.
//! What one end sends the other receives, up to a window of bytes on their way; then the sender
//! waits. An end that nothing waits in holds no buffer.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::ReadBuf;

use crate::buffer::Buffer;

/// One end of a stream in memory. Dropped, it sends no more and takes no more: the other end still
/// receives what is on its way, and then the end.
pub struct PipeStream {
    recv: Rc<RefCell<Way>>,
    send: Rc<RefCell<Way>>,
    abort: Cell<Option<io::ErrorKind>>,
}

/// One direction.
struct Way {
    window: usize,
    bytes: Buffer,
    /// The sender sends no more.
    finished: bool,
    /// The receiver takes no more.
    deaf: bool,
    broken: Option<io::ErrorKind>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

/// Both ends of a new stream, with at most `window` bytes on their way in each direction.
pub fn pair(window: usize) -> (PipeStream, PipeStream) {
    let way = || Rc::new(RefCell::new(Way::new(window)));
    let (there, back) = (way(), way());
    let end = |recv, send| PipeStream { recv, send, abort: Cell::new(None) };
    (end(back.clone(), there.clone()), end(there, back))
}

impl PipeStream {
    /// Makes the coming drop an error of this kind for the other end: at once when it sends, and
    /// when it receives, after what is on its way.
    pub fn break_on_drop(&self, kind: io::ErrorKind) {
        self.abort.set(Some(kind));
    }

    /// The same with the error that a reset connection gives.
    pub(crate) fn reset_on_close(&self) {
        self.break_on_drop(io::ErrorKind::ConnectionReset);
    }

    pub(crate) fn poll_read_ready(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.recv.borrow_mut().poll_arrived(cx)
    }

    pub(crate) fn poll_read(
        &self,
        cx: &Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut way = self.recv.borrow_mut();
        let arrived = way.poll_arrived(cx);
        if !matches!(arrived, Poll::Ready(Ok(()))) {
            return arrived;
        }
        let n = way.bytes.len().min(buf.remaining());
        buf.put_slice(&way.bytes.bytes()[..n]);
        way.bytes.consume(n);
        if n > 0 {
            wake(&mut way.sender);
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write(
        &self,
        cx: &Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut way = self.send.borrow_mut();
        if let Some(kind) = way.broken {
            return Poll::Ready(Err(kind.into()));
        }
        if way.deaf || way.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut room = way.window.saturating_sub(way.bytes.len());
        if room == 0 {
            way.sender = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut sent = 0;
        for slice in slices {
            let n = room.min(slice.len());
            way.bytes.extend(&slice[..n]);
            (room, sent) = (room - n, sent + n);
        }
        wake(&mut way.receiver);
        Poll::Ready(Ok(sent))
    }

    pub(crate) fn finish(&self) {
        let mut way = self.send.borrow_mut();
        way.finished = true;
        wake(&mut way.receiver);
    }
}

impl Drop for PipeStream {
    fn drop(&mut self) {
        let abort = self.abort.get();
        let mut recv = self.recv.borrow_mut();
        recv.deaf = true;
        recv.broken = recv.broken.or(abort);
        recv.bytes.clear();
        wake(&mut recv.sender);
        drop(recv);
        let mut send = self.send.borrow_mut();
        send.finished = true;
        send.broken = send.broken.or(abort);
        wake(&mut send.receiver);
    }
}

impl Way {
    fn new(window: usize) -> Way {
        Way {
            window,
            bytes: Buffer::new(),
            finished: false,
            deaf: false,
            broken: None,
            receiver: None,
            sender: None,
        }
    }

    /// Ready when there are bytes, or the end.
    fn poll_arrived(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match self.broken {
            _ if !self.bytes.is_empty() => Poll::Ready(Ok(())),
            Some(kind) => Poll::Ready(Err(kind.into())),
            None if self.finished => Poll::Ready(Ok(())),
            None => {
                self.receiver = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Deadline, Stream};

    fn streams(window: usize) -> (Stream, Stream) {
        let (near, far) = pair(window);
        (Stream::Memory(near), Stream::Memory(far))
    }

    async fn send(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
        stream.send(&mut [IoSlice::new(bytes)], &mut Deadline::never()).await
    }

    async fn receive(stream: &mut Stream, buffer: &mut Buffer) -> io::Result<usize> {
        stream.recv(buffer, 1 << 20, &mut Deadline::never()).await
    }

    #[tokio::test]
    async fn what_one_end_sends_the_other_receives() {
        let (mut near, mut far) = streams(100);
        send(&mut near, b"there").await.unwrap();
        send(&mut far, b"back").await.unwrap();
        let mut buffer = Buffer::new();
        assert_eq!(receive(&mut far, &mut buffer).await.unwrap(), 5);
        assert_eq!(receive(&mut near, &mut buffer).await.unwrap(), 4);
        assert_eq!(buffer.bytes(), b"thereback");
        assert!(near.is_fresh() && far.is_fresh());
    }

    #[tokio::test]
    async fn a_sender_waits_for_the_window() {
        let (mut near, mut far) = streams(10);
        let text: Vec<u8> = (0..100).collect();
        let receiving = async {
            let mut buffer = Buffer::new();
            while receive(&mut far, &mut buffer).await.unwrap() > 0 {}
            buffer.bytes().to_vec()
        };
        let sending = async {
            send(&mut near, &text).await.unwrap();
            drop(near);
        };
        let (received, ()) = tokio::join!(receiving, sending);
        assert_eq!(received, text);
    }

    #[tokio::test]
    async fn an_end_that_is_dropped_leaves_what_it_sent() {
        let (mut near, mut far) = streams(100);
        send(&mut near, b"last words").await.unwrap();
        send(&mut far, b"unheard").await.unwrap();
        drop(near);
        let mut buffer = Buffer::new();
        assert_eq!(receive(&mut far, &mut buffer).await.unwrap(), 10);
        assert_eq!(receive(&mut far, &mut buffer).await.unwrap(), 0);
        assert_eq!(send(&mut far, b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(!far.is_fresh());
    }

    #[tokio::test]
    async fn a_reset_comes_after_what_is_on_its_way() {
        let (mut near, mut far) = streams(100);
        send(&mut near, b"last words").await.unwrap();
        near.reset_on_close();
        drop(near);
        let mut buffer = Buffer::new();
        assert_eq!(receive(&mut far, &mut buffer).await.unwrap(), 10);
        for _ in 0..2 {
            let kind = receive(&mut far, &mut buffer).await.unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::ConnectionReset);
        }
        let kind = send(&mut far, b"x").await.unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::ConnectionReset);
    }
}
