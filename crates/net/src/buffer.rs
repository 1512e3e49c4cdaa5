//! Buffers on loan. A connection holds one only while it has bytes, so idle connections cost no
//! buffer; freed ones wait in a small stock of the core.

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::task::{Context, Poll};

/// The smallest lease: requests, which are held while their answers are awaited, so that there may
/// be as many of them as there are clients.
pub const SMALL: usize = 4 * 1024;
/// What is passed on at once, and not known to be larger.
const USUAL: usize = 16 * 1024;
/// The largest lease: bulk bodies.
pub const LARGE: usize = 256 * 1024;
/// Sizes a buffer grows through.
const SIZES: [usize; 4] = [SMALL, USUAL, 64 * 1024, LARGE];
/// Freed leases kept per core and size: 4 MiB, 2 MiB, 2 MiB and 2 MiB at most.
const STOCK: [usize; 4] = [1024, 128, 32, 8];

thread_local! {
    static FREE: RefCell<[Vec<Box<[u8]>>; 4]> =
        const { RefCell::new([Vec::new(), Vec::new(), Vec::new(), Vec::new()]) };
}

/// Bytes received and not yet used, in a lease that is taken when bytes come and given back when
/// the last is used.
#[derive(Default)]
pub struct Buffer {
    lease: Option<Box<[u8]>>,
    start: usize,
    end: usize,
    /// Index into `SIZES` of the next lease; grows when a read fills the buffer.
    size: usize,
}

impl Buffer {
    /// A buffer that holds nothing.
    pub const fn new() -> Buffer {
        Buffer { lease: None, start: 0, end: 0, size: 0 }
    }

    /// The bytes that wait.
    pub fn bytes(&self) -> &[u8] {
        match &self.lease {
            Some(lease) => &lease[self.start..self.end],
            None => &[],
        }
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether the last receive left no room, so that more may have come with it.
    pub fn is_full(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| self.end == lease.len())
    }

    /// So many bytes are expected next, and passed on at once: the next lease is large enough for
    /// all of them, or as large as leases get.
    pub fn expect(&mut self, bytes: u64) {
        let fits = |size: &usize| *size as u64 >= bytes.max(USUAL as u64);
        self.size = SIZES.iter().position(fits).unwrap_or(SIZES.len() - 1);
    }

    /// Uses up `n` bytes (at most all). The lease goes back with the last.
    pub fn consume(&mut self, n: usize) {
        self.start += n.min(self.len());
        if self.is_empty() {
            self.release();
        }
    }

    /// Takes the last `n` bytes off again.
    pub fn truncate(&mut self, len: usize) {
        self.end = self.start + len.min(self.len());
        if self.is_empty() {
            self.release();
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
        self.release();
    }

    fn release(&mut self) {
        self.start = 0;
        self.end = 0;
        if let Some(lease) = self.lease.take() {
            give_back(lease);
        }
    }

    /// Makes room for at least one byte and says where. Moves what waits to the front, or to a
    /// larger lease, when the end is reached. Returns an empty range when `limit` bytes wait.
    pub fn room(&mut self, limit: usize) -> &mut [u8] {
        if self.len() >= limit {
            return &mut [];
        }
        let lease = match self.lease.take() {
            None => take(self.size),
            Some(lease) if self.end < lease.len() => lease,
            Some(mut lease) if self.start > 0 && self.len() <= lease.len() / 2 => {
                lease.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
                lease
            }
            Some(lease) => {
                self.size = (self.size + 1).min(SIZES.len() - 1);
                let waiting = self.start..self.end;
                let moved = enlarge(&lease, waiting, SIZES[self.size]);
                self.end -= self.start;
                self.start = 0;
                give_back(lease);
                moved
            }
        };
        let lease = self.lease.insert(lease);
        let end = self.end;
        let most = lease.len().min(end + (limit - (end - self.start)));
        &mut lease[end..most]
    }

    /// Counts `n` bytes as received into the room. A read that filled the lease makes the next one
    /// larger; one that left most of it empty makes it smaller.
    fn filled(&mut self, n: usize, room: usize) {
        self.end += n;
        if n == room && room >= SMALL / 2 {
            self.size = (self.size + 1).min(SIZES.len() - 1);
        } else if self.size > 0 && n < SIZES[self.size] / 8 {
            self.size -= 1;
        }
        if self.is_empty() {
            self.release();
        }
    }

    /// Receives into the room through `read`, which may be pending; the lease taken for it goes
    /// back when nothing came.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
        read: impl FnOnce(&mut Context<'_>, &mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let room = self.room(limit);
        if room.is_empty() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                "the buffer is full",
            )));
        }
        let size = room.len();
        let result = read(cx, room);
        let n = match &result {
            Poll::Ready(Ok(n)) => (*n).min(size),
            _ => 0,
        };
        if n > 0 {
            self.filled(n, size);
        } else if self.is_empty() {
            self.release();
        }
        result
    }

    /// Appends bytes, growing beyond any lease if need be. For bytes that did not come from a
    /// socket.
    pub fn extend(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let limit = self.len() + rest.len();
            let room = self.room(limit);
            let n = room.len().min(rest.len());
            room[..n].copy_from_slice(&rest[..n]);
            self.end += n;
            rest = &rest[n..];
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.release();
    }
}

fn enlarge(lease: &[u8], waiting: Range<usize>, size: usize) -> Box<[u8]> {
    let needed = waiting.len() + SMALL;
    let mut larger = match SIZES.iter().position(|s| *s == size && *s >= needed) {
        Some(index) => take(index),
        None => vec![0; needed.max(size)].into_boxed_slice(),
    };
    larger[..waiting.len()].copy_from_slice(&lease[waiting]);
    larger
}

fn take(index: usize) -> Box<[u8]> {
    FREE.with_borrow_mut(|free| free[index].pop())
        .unwrap_or_else(|| vec![0; SIZES[index]].into_boxed_slice())
}

fn give_back(lease: Box<[u8]>) {
    if let Some(index) = SIZES.iter().position(|size| *size == lease.len()) {
        // During thread tear-down the stock may be gone; the lease is then simply freed.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free[index].len() < STOCK[index] {
                free[index].push(lease);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_buffer_holds_no_lease() {
        let mut buffer = Buffer::new();
        buffer.extend(b"hello");
        assert_eq!(buffer.bytes(), b"hello");
        buffer.consume(2);
        assert_eq!(buffer.bytes(), b"llo");
        buffer.consume(99);
        assert!(buffer.lease.is_none());
    }

    #[test]
    fn waiting_bytes_survive_growth() {
        let mut buffer = Buffer::new();
        let text: Vec<u8> = (0..SMALL * 3).map(|i| (i % 251) as u8).collect();
        for piece in text.chunks(1000) {
            buffer.extend(piece);
        }
        assert_eq!(buffer.bytes(), text);
        buffer.consume(SMALL);
        buffer.extend(b"tail");
        assert_eq!(&buffer.bytes()[..SMALL * 2], &text[SMALL..]);
        assert!(buffer.bytes().ends_with(b"tail"));
    }

    #[test]
    fn the_room_ends_at_the_limit() {
        let mut buffer = Buffer::new();
        assert_eq!(buffer.room(10).len(), 10);
        buffer.extend(b"1234567890");
        assert!(buffer.room(10).is_empty());
        assert_eq!(buffer.room(12).len(), 2);
    }
}
