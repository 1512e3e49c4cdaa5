//! The bytes of a connection on their way to and from the engine, under the eye of the guard.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use evenkeel_net::{Whole, clock};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::guard::Guard;

/// A connection whose frames are counted. Once the guard has tripped, nothing more is read.
pub(crate) struct Watched {
    /// Shared with whoever says farewell when the engine is done.
    pub(crate) stream: Rc<RefCell<Whole>>,
    pub(crate) guard: Rc<RefCell<Guard>>,
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.guard.borrow().tripped().is_some() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut *self.stream.borrow_mut()).poll_read(cx, buf))?;
        self.guard.borrow_mut().received(&buf.filled()[before..], clock::now);
        Poll::Ready(Ok(()))
    }
}

impl Watched {
    fn count(&self, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n)) = &sent {
            self.guard.borrow_mut().sent(*n);
        }
        sent
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut *self.stream.borrow_mut()).poll_write(cx, bytes);
        self.count(sent)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut *self.stream.borrow_mut()).poll_write_vectored(cx, slices);
        self.count(sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.borrow_mut()).poll_shutdown(cx)
    }
}
