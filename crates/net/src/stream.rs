//! A connected byte stream: TCP, unix, in memory, made up by another part, simulated, or TLS on one
//! of them. Receiving takes a lease when there is something to receive; sending takes a list of
//! slices.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

use crate::buffer::Buffer;
use crate::clock::{self, Deadline};
use crate::made::Made;
use crate::pipe::PipeStream;
use crate::sys;
use crate::tls::{Agreed, Handshake, TlsStream};

/// How long, and for how many bytes, a closing stream is read on.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1 << 20;
/// Bytes that are thrown away at once.
const LINGER_ROOM: usize = 16 * 1024;

/// A connected byte stream.
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
    /// In memory, to another part of this thread.
    Memory(PipeStream),
    /// Made up by another part of this thread.
    Made(Box<dyn Made>),
    /// TLS on one of the others.
    Tls(Box<TlsStream>),
    /// A connection of the simulated network.
    #[cfg(feature = "sim")]
    Sim(crate::sim::SimStream),
}

/// The receiving side of a [`Stream`].
pub enum RecvHalf<'a> {
    /// TCP.
    Tcp(tcp::ReadHalf<'a>),
    /// A unix socket.
    Unix(unix::ReadHalf<'a>),
    /// In memory.
    Memory(&'a PipeStream),
    /// Made up.
    Made(&'a dyn Made),
    /// TLS.
    Tls(&'a TlsStream),
    /// Simulated.
    #[cfg(feature = "sim")]
    Sim(&'a crate::sim::SimStream),
}

/// The sending side of a [`Stream`].
pub enum SendHalf<'a> {
    /// TCP.
    Tcp(tcp::WriteHalf<'a>),
    /// A unix socket.
    Unix(unix::WriteHalf<'a>),
    /// In memory.
    Memory(&'a PipeStream),
    /// Made up.
    Made(&'a dyn Made),
    /// TLS.
    Tls(&'a TlsStream),
    /// Simulated.
    #[cfg(feature = "sim")]
    Sim(&'a crate::sim::SimStream),
}

impl Stream {
    /// Both sides, to be used at once.
    pub fn split(&mut self) -> (RecvHalf<'_>, SendHalf<'_>) {
        match self {
            Stream::Tcp(stream) => {
                let (recv, send) = stream.split();
                (RecvHalf::Tcp(recv), SendHalf::Tcp(send))
            }
            Stream::Unix(stream) => {
                let (recv, send) = stream.split();
                (RecvHalf::Unix(recv), SendHalf::Unix(send))
            }
            Stream::Memory(stream) => (RecvHalf::Memory(stream), SendHalf::Memory(stream)),
            Stream::Made(stream) => (RecvHalf::Made(&**stream), SendHalf::Made(&**stream)),
            Stream::Tls(stream) => (RecvHalf::Tls(stream), SendHalf::Tls(stream)),
            #[cfg(feature = "sim")]
            Stream::Sim(stream) => (RecvHalf::Sim(stream), SendHalf::Sim(stream)),
        }
    }

    /// Receives what is there, up to `limit` waiting bytes. 0: the peer sends no more.
    pub async fn recv(
        &mut self,
        buffer: &mut Buffer,
        limit: usize,
        deadline: &mut Deadline,
    ) -> io::Result<usize> {
        self.split().0.recv(buffer, limit, deadline).await
    }

    /// Sends all the slices.
    pub async fn send(
        &mut self,
        slices: &mut [IoSlice<'_>],
        deadline: &mut Deadline,
    ) -> io::Result<()> {
        self.split().1.send(slices, deadline).await
    }

    /// Whether an idle connection is still good: open, and nothing unasked arrived. Costs a system
    /// call only when the runtime saw something happen.
    pub fn is_fresh(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let mut byte = [0; 1];
        let mut buf = ReadBuf::new(&mut byte);
        let (mut recv, _) = self.split();
        match recv.poll_ready(&mut cx) {
            Poll::Pending => true,
            Poll::Ready(Err(_)) => false,
            Poll::Ready(Ok(())) => recv.poll_read(&mut cx, &mut buf).is_pending(),
        }
    }

    /// The address of our end; `None` on unix sockets and in memory.
    pub fn local_address(&self) -> Option<std::net::SocketAddr> {
        match self {
            Stream::Tcp(stream) => stream.local_addr().ok(),
            Stream::Unix(_) | Stream::Memory(_) | Stream::Made(_) => None,
            Stream::Tls(stream) => stream.with_inner(Stream::local_address),
            #[cfg(feature = "sim")]
            Stream::Sim(stream) => stream.local_address(),
        }
    }

    /// What TLS agreed on; `None` without TLS.
    pub fn agreed(&self) -> Option<Agreed> {
        match self {
            Stream::Tls(stream) => Some(stream.agreed()),
            _ => None,
        }
    }

    /// The handshake of TLS, if it was not over when the client was first heard.
    pub fn handshake(&self) -> Option<Rc<Handshake>> {
        match self {
            Stream::Tls(stream) => stream.handshake(),
            _ => None,
        }
    }

    /// Waits until the handshake of TLS is over.
    ///
    /// # Errors
    /// It never will be, or not in time.
    pub async fn shaken(&mut self, wait: &mut Deadline) -> io::Result<()> {
        let Stream::Tls(stream) = self else { return Ok(()) };
        poll_fn(|cx| match stream.poll_handshake(cx) {
            Poll::Pending => wait.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            ready => ready,
        })
        .await
    }

    /// Whether there is TLS on it.
    pub fn is_tls(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }

    /// Makes the coming close a reset, so that the peer cannot take what it got for complete.
    pub fn reset_on_close(&self) {
        match self {
            // Failure only means that the close will be an orderly one.
            Stream::Tcp(stream) => {
                drop(socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)));
            }
            Stream::Unix(_) => {}
            Stream::Memory(stream) => stream.reset_on_close(),
            Stream::Made(stream) => stream.reset_on_close(),
            Stream::Tls(stream) => {
                stream.break_off();
                stream.with_inner(Stream::reset_on_close);
            }
            #[cfg(feature = "sim")]
            Stream::Sim(stream) => stream.reset_on_close(),
        }
    }

    /// Whether the other side broke the protocol of TLS, and was told so.
    pub fn is_broken(&self) -> bool {
        matches!(self, Stream::Tls(stream) if stream.is_broken())
    }

    /// Says that nothing more will be sent and reads on for a while, throwing away what comes: a
    /// close with unread bytes would become a reset, which can take the last words away from the
    /// other side (RFC 9112 section 9.6).
    pub async fn linger(&mut self) {
        let mut wait = Deadline::never();
        wait.set_after(clock::now(), LINGER);
        let mut send = self.split().1;
        let finished = poll_fn(|cx| match send.poll_finish(cx) {
            Poll::Pending => wait.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            ready => ready,
        });
        if finished.await.is_err() {
            return;
        }
        let raw = match self {
            Stream::Tls(stream) => stream.inner_mut(),
            other => other,
        };
        let (mut buffer, mut read) = (Buffer::new(), 0);
        while read < LINGER_BYTES {
            match raw.recv(&mut buffer, LINGER_ROOM, &mut wait).await {
                Ok(0) | Err(_) => return,
                Ok(n) => read += n,
            }
            buffer.clear();
        }
    }

    /// Ends an answer that cannot go on with trailers, given as lines, if the stream knows how; says
    /// whether it did.
    pub fn end_with(&self, lines: &[u8]) -> bool {
        match self {
            Stream::Made(stream) => stream.end_with(lines),
            _ => false,
        }
    }

    /// Before a connection is dropped whose every answer was sent whole: tells a client of TLS that
    /// this is the end, without waiting. Nothing otherwise, nor after
    /// [`Stream::reset_on_close`].
    pub fn say_end(&self) {
        if let Stream::Tls(stream) = self {
            stream.say_end();
        }
    }
}

impl RecvHalf<'_> {
    /// Whether bytes can go on to `to` without a copy in this process.
    pub fn can_splice(&self, to: &SendHalf<'_>) -> bool {
        let here = matches!(self, RecvHalf::Tcp(_) | RecvHalf::Unix(_));
        here && matches!(to, SendHalf::Tcp(_) | SendHalf::Unix(_))
    }

    /// Whether the system has said that the peer sends no more than what can be received now. It
    /// may say so late, or not at all; a receive of 0 bytes is what counts.
    pub fn is_ending(&self) -> bool {
        let RecvHalf::Tcp(half) = self else { return false };
        let mut ready = pin!(half.as_ref().ready(Interest::READABLE));
        match ready.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(ready)) => ready.is_read_closed(),
            _ => false,
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            RecvHalf::Tcp(half) => half.as_ref().poll_read_ready(cx),
            RecvHalf::Unix(half) => half.as_ref().poll_read_ready(cx),
            RecvHalf::Memory(stream) => stream.poll_read_ready(cx),
            RecvHalf::Made(stream) => stream.poll_read_ready(cx),
            RecvHalf::Tls(stream) => stream.poll_read_ready(cx),
            #[cfg(feature = "sim")]
            RecvHalf::Sim(stream) => stream.poll_read_ready(cx),
        }
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            RecvHalf::Tcp(half) => Pin::new(half).poll_read(cx, buf),
            RecvHalf::Unix(half) => Pin::new(half).poll_read(cx, buf),
            RecvHalf::Memory(stream) => stream.poll_read(cx, buf),
            RecvHalf::Made(stream) => stream.poll_read(cx, buf),
            RecvHalf::Tls(stream) => stream.poll_read(cx, buf),
            #[cfg(feature = "sim")]
            RecvHalf::Sim(stream) => stream.poll_read(cx, buf),
        }
    }

    /// Receives what is there into the buffer. 0: the peer sends no more. A buffer that already
    /// holds `limit` bytes gives an error of kind `OutOfMemory`.
    pub fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        // No lease before there is something to put into it.
        if buffer.is_empty() {
            ready!(self.poll_ready(cx))?;
        }
        buffer.poll_fill(cx, limit, |cx, room| {
            let mut buf = ReadBuf::new(room);
            ready!(self.poll_read(cx, &mut buf))?;
            Poll::Ready(Ok(buf.filled().len()))
        })
    }

    /// Receives what is there, up to `limit` waiting bytes, before the deadline (error of kind
    /// `TimedOut`). 0: the peer sends no more.
    pub async fn recv(
        &mut self,
        buffer: &mut Buffer,
        limit: usize,
        deadline: &mut Deadline,
    ) -> io::Result<usize> {
        poll_fn(|cx| match self.poll_recv(cx, buffer, limit) {
            Poll::Pending => deadline.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            ready => ready,
        })
        .await
    }
}

impl SendHalf<'_> {
    /// Sends some of the slices.
    pub fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // One slice goes by the plainer call, which the kernel serves faster.
        if let ([one], SendHalf::Tcp(half)) = (slices, &mut *self) {
            return Pin::new(half).poll_write(cx, one);
        }
        match self {
            SendHalf::Tcp(half) => Pin::new(half).poll_write_vectored(cx, slices),
            SendHalf::Unix(half) => Pin::new(half).poll_write_vectored(cx, slices),
            SendHalf::Memory(stream) => stream.poll_write(cx, slices),
            SendHalf::Made(stream) => stream.poll_write(cx, slices),
            SendHalf::Tls(stream) => stream.poll_write(cx, slices, false),
            #[cfg(feature = "sim")]
            SendHalf::Sim(stream) => stream.poll_write(cx, slices),
        }
    }

    /// Sends some of the last bytes: the end follows at once, and may go in the same packet.
    pub fn poll_send_last(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let half = match self {
            SendHalf::Tcp(half) => half,
            SendHalf::Tls(stream) => return stream.poll_write(cx, slices, true),
            _ => return self.poll_send(cx, slices),
        };
        let stream: &TcpStream = half.as_ref();
        loop {
            ready!(stream.poll_write_ready(cx))?;
            let socket = socket2::SockRef::from(stream);
            let send = || match slices {
                [one] => socket.send_with_flags(one, sys::MORE),
                _ => socket.send_vectored_with_flags(slices, sys::MORE),
            };
            match stream.try_io(Interest::WRITABLE, send) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    /// Sends all the slices before the deadline (error of kind `TimedOut`).
    pub async fn send(
        &mut self,
        slices: &mut [IoSlice<'_>],
        deadline: &mut Deadline,
    ) -> io::Result<()> {
        self.send_all(slices, false, deadline).await
    }

    /// The same for the last bytes: the end must follow at once.
    pub async fn send_last(
        &mut self,
        slices: &mut [IoSlice<'_>],
        deadline: &mut Deadline,
    ) -> io::Result<()> {
        self.send_all(slices, true, deadline).await
    }

    async fn send_all(
        &mut self,
        slices: &mut [IoSlice<'_>],
        last: bool,
        deadline: &mut Deadline,
    ) -> io::Result<()> {
        let mut rest = slices;
        // Slices without bytes at the front would make a send of nothing look like a closed peer.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let mut send = |cx: &mut Context<'_>| match last {
                false => self.poll_send(cx, rest),
                true => self.poll_send_last(cx, rest),
            };
            let sent = poll_fn(|cx| match send(cx) {
                Poll::Pending => deadline.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
                ready => ready,
            })
            .await?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut rest, sent);
        }
        Ok(())
    }

    /// Ready when the other end of a stream in memory was dropped. Never for others, whose systems
    /// tell only those who receive.
    pub fn poll_gone(&self, cx: &Context<'_>) -> Poll<()> {
        match self {
            SendHalf::Memory(stream) => stream.poll_gone(cx),
            _ => Poll::Pending,
        }
    }

    /// Whether other streams send on the same connection, so that [`SendHalf::poll_room`] means
    /// something.
    pub fn is_shared(&self) -> bool {
        matches!(self, SendHalf::Made(_))
    }

    /// Ready when there is room for some bytes; at once where only sending tells.
    pub fn poll_room(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match self {
            SendHalf::Made(stream) => stream.poll_room(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Says that nothing more will be sent.
    pub fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            SendHalf::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            SendHalf::Unix(half) => Pin::new(half).poll_shutdown(cx),
            SendHalf::Memory(stream) => {
                stream.finish();
                Poll::Ready(Ok(()))
            }
            SendHalf::Made(stream) => {
                stream.finish();
                Poll::Ready(Ok(()))
            }
            SendHalf::Tls(stream) => stream.poll_finish(cx),
            #[cfg(feature = "sim")]
            SendHalf::Sim(stream) => stream.poll_shutdown(),
        }
    }

    /// Before a stream is dropped whose both ends have come: says ours where the close that follows
    /// does not say it by itself, which is with TLS. Ready when that was sent, or nobody is there to
    /// hear it.
    pub fn poll_say_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            SendHalf::Tls(stream) => stream.poll_say_end(cx),
            _ => Poll::Ready(()),
        }
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_finish(cx)).await
    }
}
