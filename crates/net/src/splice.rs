//! Bytes from socket to socket without a copy in this process: through a pipe of the kernel
//! (splice(2)). It pays for bulk; small messages are cheaper to copy.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use crate::stream::{RecvHalf, SendHalf};

/// Bytes that a pipe is asked to hold. Users without privileges have 64 MiB for all their pipes
/// (`fs.pipe-user-pages-soft`); a smaller pipe works as well.
const CAPACITY: usize = 256 * 1024;
/// Empty pipes kept for reuse by each core.
const STOCK: usize = 32;

thread_local! {
    static EMPTY: RefCell<Vec<Ends>> = const { RefCell::new(Vec::new()) };
}

struct Ends {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
}

/// A pipe with what is on its way. Two descriptors; it goes back to the stock when it is dropped
/// empty.
pub struct Pipe {
    /// Taken out only when it is dropped.
    ends: Option<Ends>,
    inside: usize,
}

impl Pipe {
    /// An empty one, used or new.
    pub fn new() -> io::Result<Pipe> {
        if let Some(ends) = EMPTY.with_borrow_mut(Vec::pop) {
            return Ok(Pipe { ends: Some(ends), inside: 0 });
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let capacity = fcntl_setpipe_size(&write, CAPACITY).unwrap_or(64 * 1024);
        Ok(Pipe { ends: Some(Ends { read, write, capacity }), inside: 0 })
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.inside == 0
    }

    /// Takes in what has come. Only for an empty pipe: with bytes inside, a refusal would leave
    /// open whether the socket is empty or the pipe full. 0: the peer sends no more.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &RecvHalf<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(ends) = self.ends.as_ref().filter(|_| self.inside == 0) else {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        };
        let take = |socket: BorrowedFd<'_>| moved(socket, ends.write.as_fd(), ends.capacity);
        let result = match from {
            RecvHalf::Tcp(half) => {
                let stream: &TcpStream = half.as_ref();
                attempt(
                    cx,
                    |cx| stream.poll_read_ready(cx),
                    || stream.try_io(Interest::READABLE, || take(stream.as_fd())),
                )
            }
            RecvHalf::Unix(half) => {
                let stream: &UnixStream = half.as_ref();
                attempt(
                    cx,
                    |cx| stream.poll_read_ready(cx),
                    || stream.try_io(Interest::READABLE, || take(stream.as_fd())),
                )
            }
            RecvHalf::Memory(_) | RecvHalf::Made(_) | RecvHalf::Tls(_) => {
                Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
            }
            #[cfg(feature = "sim")]
            RecvHalf::Sim(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        };
        let received = ready!(result)?;
        self.inside = received;
        Poll::Ready(Ok(received))
    }

    /// Passes on some of what is inside.
    pub fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        to: &SendHalf<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(ends) = self.ends.as_ref() else { return Poll::Ready(Ok(0)) };
        let inside = self.inside;
        let give = |socket: BorrowedFd<'_>| moved(ends.read.as_fd(), socket, inside);
        let result = match to {
            SendHalf::Tcp(half) => {
                let stream: &TcpStream = half.as_ref();
                attempt(
                    cx,
                    |cx| stream.poll_write_ready(cx),
                    || stream.try_io(Interest::WRITABLE, || give(stream.as_fd())),
                )
            }
            SendHalf::Unix(half) => {
                let stream: &UnixStream = half.as_ref();
                attempt(
                    cx,
                    |cx| stream.poll_write_ready(cx),
                    || stream.try_io(Interest::WRITABLE, || give(stream.as_fd())),
                )
            }
            SendHalf::Memory(_) | SendHalf::Made(_) | SendHalf::Tls(_) => {
                Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
            }
            #[cfg(feature = "sim")]
            SendHalf::Sim(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        };
        let sent = ready!(result)?;
        self.inside = self.inside.saturating_sub(sent);
        Poll::Ready(Ok(sent))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if let Some(ends) = self.ends.take().filter(|_| self.inside == 0) {
            // During thread tear-down the stock may be gone; the pipe is then simply closed.
            let _ = EMPTY.try_with(|stock| {
                let mut stock = stock.borrow_mut();
                if stock.len() < STOCK {
                    stock.push(ends);
                }
            });
        }
    }
}

fn moved(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    Ok(splice(from, None, to, None, most, flags)?)
}

/// Tries as long as the runtime says that the socket is ready.
fn attempt(
    cx: &mut Context<'_>,
    mut is_ready: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>,
    mut operation: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(is_ready(cx))?;
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Poll::Ready(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Stream;
    use std::future::poll_fn;
    use std::io::{Read, Write};

    /// Both ends of a connection: ours and a plain one.
    async fn pair() -> (Stream, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Stream::Tcp(near), listener.accept().unwrap().0)
    }

    #[tokio::test]
    async fn bulk_arrives_whole_at_a_slow_reader() {
        let (mut from, mut source) = pair().await;
        let (mut to, mut sink) = pair().await;
        let sent: Vec<u8> = (0..8_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
        let expected = sent.clone();
        let writer = std::thread::spawn(move || source.write_all(&sent).unwrap());
        let reader = std::thread::spawn(move || {
            let (mut got, mut piece) = (Vec::new(), vec![0; 100_000]);
            loop {
                match sink.read(&mut piece).unwrap() {
                    0 => return got,
                    n => got.extend_from_slice(&piece[..n]),
                }
            }
        });
        let mut pipe = Pipe::new().unwrap();
        let (recv, _) = from.split();
        let (_, mut send) = to.split();
        while poll_fn(|cx| pipe.poll_fill(cx, &recv)).await.unwrap() > 0 {
            while !pipe.is_empty() {
                poll_fn(|cx| pipe.poll_drain(cx, &send)).await.unwrap();
            }
        }
        send.finish().await.unwrap();
        writer.join().unwrap();
        assert!(reader.join().unwrap() == expected);
    }

    #[tokio::test]
    async fn a_pipe_with_bytes_inside_is_not_used_again() {
        let (mut from, mut source) = pair().await;
        source.write_all(b"left over").unwrap();
        let mut pipe = Pipe::new().unwrap();
        let (recv, _) = from.split();
        assert_eq!(poll_fn(|cx| pipe.poll_fill(cx, &recv)).await.unwrap(), 9);
        let refused = poll_fn(|cx| pipe.poll_fill(cx, &recv)).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        drop(pipe);
        assert_eq!(EMPTY.with_borrow(Vec::len), 0);
        drop(Pipe::new().unwrap());
        assert_eq!(EMPTY.with_borrow(Vec::len), 1);
    }
}
