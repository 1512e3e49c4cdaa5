//! One stream, as far as the connection must know it.

use std::task::Waker;

use super::inlet::Inlet;
use crate::priority::Priority;

/// A stream whose request is under way.
pub(crate) struct Stream {
    pub(super) inlet: Inlet,
    /// Bytes of DATA that may be sent.
    pub(super) send_window: i64,
    /// Bytes of DATA that the client may send.
    pub(super) recv_window: i64,
    /// Those that were taken, and about which the client was not told.
    pub(super) credit: u32,
    /// Bytes of data that lie in the inlet.
    pub(super) lying: u32,
    /// Bytes of the announced length still to come.
    pub(super) expects: Option<u64>,
    /// The answer has ended.
    pub(super) said: bool,
    /// It carries bytes both ways, and each direction ends by itself (RFC 8441 section 5).
    pub(super) tunnel: bool,
    pub(super) broken: Option<Broken>,
    pub(super) priority: Priority,
    /// Data was sent.
    pub(super) begun: bool,
    /// Who wants to send.
    pub(super) writer: Option<Waker>,
    /// It waits for its turn.
    pub(super) waits: bool,
    /// It is its turn.
    pub(super) turn: bool,
}

/// Why a stream is of no more use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Broken {
    /// The client reset it.
    ByClient,
    /// We did, or the connection is over.
    ByUs,
}

impl Stream {
    /// Whether more than its end is to come from either side.
    pub(super) fn is_active(&self) -> bool {
        self.broken.is_none() && (!self.said || self.is_half())
    }

    /// Whether it is a tunnel of which our direction alone has ended.
    pub(super) fn is_half(&self) -> bool {
        self.said && self.tunnel && !self.inlet.has_ended()
    }

    /// Whether what the client sends is of no use any more.
    pub(super) fn is_deaf(&self) -> bool {
        self.said && !self.tunnel
    }

    /// The connection is over.
    pub(super) fn break_off(&mut self) {
        if self.broken.is_none() {
            self.broken = Some(Broken::ByUs);
            self.wake();
        }
    }

    pub(super) fn wake(&mut self) {
        self.inlet.wake();
        self.wake_writer();
    }

    pub(super) fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

/// How many streams that ended are remembered, for frames of the client that were on their way.
const REMEMBERED: usize = 128;

/// Streams that ended lately.
#[derive(Default)]
pub(super) struct Closed {
    ring: Vec<(u32, bool)>,
    next: usize,
}

impl Closed {
    /// A stream ended; `by_us`: for us, by a reset or its answer, so that its frames may still be
    /// coming.
    pub(super) fn add(&mut self, id: u32, by_us: bool) {
        if self.ring.len() < REMEMBERED {
            self.ring.push((id, by_us));
        } else {
            self.ring[self.next] = (id, by_us);
            self.next = (self.next + 1) % REMEMBERED;
        }
    }

    /// Whether frames of a stream may still be coming; `None` when it is not remembered.
    pub(super) fn by_us(&self, id: u32) -> Option<bool> {
        self.ring.iter().rev().find(|(known, _)| *known == id).map(|(_, by_us)| *by_us)
    }
}
