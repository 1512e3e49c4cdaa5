//! One simulated connection: two pipes.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep};

use super::{Weather, xorshift};

/// One end of a simulated connection.
pub struct SimStream {
    recv: Arc<Mutex<Pipe>>,
    send: Arc<Mutex<Pipe>>,
    abort: std::sync::atomic::AtomicBool,
    local: SocketAddr,
}

struct Pipe {
    weather: Weather,
    seed: u64,
    waiting: VecDeque<(Instant, VecDeque<u8>)>,
    length: usize,
    finished: bool,
    reset: bool,
    reader_gone: bool,
    timer: Option<Pin<Box<Sleep>>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

pub(super) fn pair(
    weather: Weather,
    seeds: (u64, u64),
    (near, far): (SocketAddr, SocketAddr),
) -> (SimStream, SimStream) {
    let there = Arc::new(Mutex::new(Pipe::new(weather, seeds.0)));
    let back = Arc::new(Mutex::new(Pipe::new(weather, seeds.1)));
    let end = |recv, send, local| SimStream { recv, send, abort: false.into(), local };
    (end(back.clone(), there.clone(), near), end(there, back, far))
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimStream {
    /// The address of this end.
    pub fn local_address(&self) -> Option<SocketAddr> {
        Some(self.local)
    }

    /// Makes the coming close a reset.
    pub fn reset_on_close(&self) {
        self.abort.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.recv).poll_arrived(cx).map_ok(drop)
    }

    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut pipe = lock(&self.recv);
        if !ready!(pipe.poll_arrived(cx))? {
            return Poll::Ready(Ok(()));
        }
        let most = pipe.weather.read_max.min(buf.remaining());
        let wanted = if pipe.weather.read_max == usize::MAX {
            most
        } else {
            1 + usize::try_from(xorshift(&mut pipe.seed) % most.max(1) as u64).unwrap_or(0)
        };
        pipe.take(wanted, buf);
        wake(&mut pipe.writer);
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write(
        &self,
        cx: &Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.send);
        if pipe.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if pipe.reader_gone || pipe.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = pipe.weather.window.saturating_sub(pipe.length);
        if room == 0 {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let bytes: VecDeque<u8> =
            slices.iter().flat_map(|s| s.iter().copied()).take(room).collect();
        let n = bytes.len();
        pipe.put(bytes);
        wake(&mut pipe.reader);
        Poll::Ready(Ok(n))
    }

    pub(crate) fn poll_shutdown(&self) -> Poll<io::Result<()>> {
        let mut pipe = lock(&self.send);
        pipe.finished = true;
        wake(&mut pipe.reader);
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    /// As a kernel does: bytes that were never read, or a wish to abort, make the close a reset.
    fn drop(&mut self) {
        let mut recv = lock(&self.recv);
        let abort = recv.length > 0 || self.abort.load(std::sync::atomic::Ordering::Relaxed);
        recv.reader_gone = true;
        recv.reset |= abort;
        wake(&mut recv.writer);
        drop(recv);
        let mut send = lock(&self.send);
        send.finished = true;
        send.reset |= abort;
        wake(&mut send.reader);
    }
}

impl Pipe {
    fn new(weather: Weather, seed: u64) -> Pipe {
        Pipe {
            weather,
            seed,
            waiting: VecDeque::new(),
            length: 0,
            finished: false,
            reset: false,
            reader_gone: false,
            timer: None,
            reader: None,
            writer: None,
        }
    }

    /// Ready with true when bytes have arrived, with false at the end.
    fn poll_arrived(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let Some((arrival, _)) = self.waiting.front() else {
            if self.finished {
                return Poll::Ready(Ok(false));
            }
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        if *arrival <= Instant::now() {
            return Poll::Ready(Ok(true));
        }
        self.reader = Some(cx.waker().clone());
        let arrival = *arrival;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(arrival)));
        timer.as_mut().reset(arrival);
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Ok(true))
    }

    fn put(&mut self, bytes: VecDeque<u8>) {
        self.length += bytes.len();
        let delay_max = u64::try_from(self.weather.delay_max.as_micros()).unwrap_or(0);
        let delay = if delay_max == 0 { 0 } else { xorshift(&mut self.seed) % delay_max };
        let mut arrival = Instant::now() + Duration::from_micros(delay);
        if let Some((last, _)) = self.waiting.back() {
            arrival = arrival.max(*last);
        }
        self.waiting.push_back((arrival, bytes));
    }

    fn take(&mut self, wanted: usize, buf: &mut ReadBuf<'_>) {
        let now = Instant::now();
        let mut left = wanted;
        while left > 0 {
            let Some((arrival, bytes)) = self.waiting.front_mut() else { break };
            if *arrival > now {
                break;
            }
            let n = left.min(bytes.len());
            bytes.drain(..n).for_each(|byte| buf.put_slice(&[byte]));
            left -= n;
            self.length -= n;
            if bytes.is_empty() {
                self.waiting.pop_front();
            }
        }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
