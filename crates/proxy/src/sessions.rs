//! The client connections of a core: how many are open, and how to wake those that wait.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use evenkeel_balance::{Health, Member};
use evenkeel_plan::MemberState;
use tokio::sync::Notify;

use crate::core::Core;

/// The client connections of a core.
#[derive(Default)]
pub(crate) struct Sessions {
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<usize>>,
    open: Cell<usize>,
    by_listener: RefCell<HashMap<u32, usize>>,
    /// Told when a session ends.
    ended: Notify,
}

#[derive(Default)]
struct Slot {
    waker: Option<Waker>,
    /// The session ends when this member is out of service.
    member: Option<Arc<Member>>,
    word: Word,
    /// It has counted what it has not told yet.
    untold: bool,
}

/// What a session is told when it is woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Word {
    /// Nothing.
    #[default]
    None,
    /// Tell what was counted: somebody wants to read it.
    Tell,
    /// Its member is out of service: end.
    End,
}

impl Sessions {
    /// Sessions that are open.
    pub(crate) fn open(&self) -> usize {
        self.open.get()
    }

    /// Sessions of a listener that are open.
    pub(crate) fn open_on(&self, listener: u32) -> usize {
        self.by_listener.borrow().get(&listener).copied().unwrap_or(0)
    }

    /// Remembers how to wake a session that begins to wait. Costs a comparison when it is known.
    pub(crate) fn waits(&self, slot: usize, waker: &Waker) {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.get_mut(slot) else { return };
        if !slot.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            slot.waker = Some(waker.clone());
        }
    }

    /// Wakes every session, so that it looks at the state of the core again.
    pub(crate) fn wake_all(&self) {
        let wakers: Vec<Waker> =
            self.slots.borrow().iter().filter_map(|s| s.waker.clone()).collect();
        wakers.iter().for_each(Waker::wake_by_ref);
    }

    /// Ends the sessions whose member went down or was disabled.
    pub(crate) fn end_orphans(&self) {
        for slot in self.slots.borrow_mut().iter_mut() {
            let out = |member: &Arc<Member>| {
                member.health() == Health::Down || member.state() == MemberState::Disabled
            };
            if slot.member.as_ref().is_some_and(out) {
                slot.word = Word::End;
                slot.member = None;
                slot.waker.iter().for_each(Waker::wake_by_ref);
            }
        }
    }

    /// Wakes the sessions that have something to tell.
    pub(crate) fn tell(&self) {
        for slot in self.slots.borrow_mut().iter_mut().filter(|slot| slot.untold) {
            slot.untold = false;
            if slot.word == Word::None {
                slot.word = Word::Tell;
            }
            slot.waker.iter().for_each(Waker::wake_by_ref);
        }
    }

    /// Waits until a session has ended; at once when none is open.
    pub(crate) async fn one_ended(&self) {
        self.ended.notified().await;
    }

    /// Waits until no session is open.
    pub(crate) async fn ended(&self) {
        while self.open.get() > 0 {
            self.ended.notified().await;
        }
    }
}

/// A place among the sessions, given back when dropped.
pub(crate) struct Place {
    core: Rc<Core>,
    listener: u32,
    slot: usize,
    /// It stands for a connection, not for a stream of one.
    connection: bool,
}

impl Place {
    /// Counts a new session on a connection of its own.
    pub(crate) fn take(core: Rc<Core>, listener: u32) -> Place {
        *core.sessions.by_listener.borrow_mut().entry(listener).or_default() += 1;
        core.metrics.borrow_mut().connection_opened(listener);
        Place::new(core, listener, true)
    }

    /// A session on a stream of a connection that was counted.
    pub(crate) fn of_stream(core: Rc<Core>, listener: u32) -> Place {
        core.metrics.borrow_mut().stream_opened(listener);
        Place::new(core, listener, false)
    }

    fn new(core: Rc<Core>, listener: u32, connection: bool) -> Place {
        let sessions = &core.sessions;
        let slot = sessions.free.borrow_mut().pop().unwrap_or_else(|| {
            let mut slots = sessions.slots.borrow_mut();
            slots.push(Slot::default());
            slots.len() - 1
        });
        sessions.open.set(sessions.open.get() + 1);
        Place { core, listener, slot, connection }
    }

    /// From now on the session ends when the member is out of service.
    pub(crate) fn depends_on(&self, member: Arc<Member>) {
        if let Some(slot) = self.core.sessions.slots.borrow_mut().get_mut(self.slot) {
            slot.member = Some(member);
        }
    }

    /// What the session is told now; the task is woken when there is more to say. `untold`: it has
    /// counted something that it will tell when asked.
    pub(crate) fn word(&self, waker: &Waker, untold: bool) -> Word {
        self.core.sessions.waits(self.slot, waker);
        let mut slots = self.core.sessions.slots.borrow_mut();
        let Some(slot) = slots.get_mut(self.slot) else { return Word::None };
        let word = slot.word;
        slot.untold = untold && word != Word::Tell;
        if word == Word::Tell {
            slot.word = Word::None;
        }
        word
    }

    /// Whether it stands for a stream of a connection.
    pub(crate) fn is_stream(&self) -> bool {
        !self.connection
    }

    /// Its number.
    pub(crate) fn slot(&self) -> usize {
        self.slot
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let sessions = &self.core.sessions;
        if let Some(slot) = sessions.slots.borrow_mut().get_mut(self.slot) {
            *slot = Slot::default();
        }
        sessions.free.borrow_mut().push(self.slot);
        sessions.open.set(sessions.open.get().saturating_sub(1));
        if self.connection {
            if let Some(open) = sessions.by_listener.borrow_mut().get_mut(&self.listener) {
                *open = open.saturating_sub(1);
            }
            self.core.metrics.borrow_mut().connection_closed(self.listener);
        } else {
            self.core.metrics.borrow_mut().stream_closed(self.listener);
        }
        sessions.ended.notify_waiters();
        sessions.ended.notify_one();
    }
}
