use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::fence;
use std::time::Duration;

use crate::ask::{Micros, Outcome};
use crate::member::Member;
use crate::pool::Pool;

/// Counts one exchange on its member, from the pick until it is dropped: forgetting is impossible.
/// Dropped without a [`report`](Guard::report), the exchange counts as aborted, which says nothing
/// about the member.
pub struct Guard {
    pool: Arc<Pool>,
    member: Arc<Member>,
    index: usize,
    /// When the wait for an answer began: at the pick, then at the connection.
    began: Cell<Micros>,
    first_byte: Cell<Option<Duration>>,
    /// The member gave a sign of life for this exchange.
    answered: Cell<bool>,
    /// The place on the member was given back.
    left: Cell<bool>,
    /// It holds one of the member's counted places.
    placed: Cell<bool>,
}

impl Guard {
    /// Counts a request; `None` when the member's last place was taken meanwhile.
    pub(crate) fn enter(pool: &Arc<Pool>, index: usize, now: Micros) -> Option<Guard> {
        let member = pool.members().get(index)?;
        member.enter(now).then(|| Guard {
            pool: pool.clone(),
            member: member.clone(),
            index,
            began: Cell::new(now),
            first_byte: Cell::new(None),
            answered: Cell::new(false),
            left: Cell::new(false),
            placed: Cell::new(false),
        })
    }

    /// The member's position in its pool.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The member.
    pub fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// Takes one of `most` places of the member, until the exchange ends; false when all are taken.
    pub fn take_place(&self, most: u32) -> bool {
        if !self.placed.get() {
            self.placed.set(self.member.take_place(most));
        }
        self.placed.get()
    }

    /// There is a connection, new or kept.
    pub fn reached(&self) {
        self.member.reached();
    }

    /// The exchange failed for this member and goes on elsewhere; it is busy with it until the
    /// guard is dropped, as with httpd, but its place is free.
    pub fn failed(&self, outcome: Outcome, now: Micros) {
        self.hear(outcome, now);
        self.give_place_back();
    }

    /// A connection was made: what follows is the member's own time.
    pub fn connected(&self, now: Micros) {
        self.began.set(now);
    }

    /// The first byte of the answer came.
    pub fn first_byte(&self, now: Micros) {
        if self.first_byte.get().is_none() {
            let took = now.since(self.began.get());
            self.first_byte.set(Some(took));
            self.answered.set(true);
            self.member.answered(took, now);
        }
    }

    /// How long the first byte took, from connection or pick.
    pub fn first_byte_after(&self) -> Option<Duration> {
        self.first_byte.get()
    }

    /// Bytes came from the member and went to it.
    pub fn moved(&self, received: u64, sent: u64) {
        self.member.moved(received, sent);
    }

    /// Bytes came from the member.
    pub fn received(&self, bytes: u64) {
        self.member.moved(bytes, 0);
    }

    /// Bytes went to the member.
    pub fn sent(&self, bytes: u64) {
        self.member.moved(0, bytes);
    }

    /// The exchange ended.
    pub fn report(self, outcome: Outcome, now: Micros) {
        if !self.left.get() {
            self.hear(outcome, now);
        }
    }

    /// The member has done its part, though the client may not have all of it yet: its place is
    /// free, so that whoever asks next, having seen the end of the answer, finds it so.
    pub fn finish(&self, outcome: Outcome, now: Micros) {
        if !self.left.get() {
            self.hear(outcome, now);
            self.leave();
        }
    }

    fn hear(&self, outcome: Outcome, now: Micros) {
        if matches!(outcome, Outcome::Answered { .. } | Outcome::Reset | Outcome::BadAnswer) {
            self.answered.set(true);
            self.member.lives();
        }
        self.pool.heard(self.index, outcome, now);
    }
}

impl Guard {
    fn give_place_back(&self) {
        if self.placed.replace(false) {
            self.member.give_place_back();
        }
    }

    fn leave(&self) {
        if self.left.replace(true) {
            return;
        }
        self.give_place_back();
        if self.member.leave(self.answered.get()) {
            // One who joins the line looks at the members after it; this one looked at the line
            // after its place was free. The fence is on both sides, so one sees the other.
            fence(SeqCst);
        }
        self.pool.queue().wake(1);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({} of {})", self.member.tag(), self.pool.name())
    }
}
