//! What a pool hands on to the pool that replaces it at a reload: requests that began before and
//! requests that begin after share one line, one budget, one turn.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ask::Change;
use crate::budget::Budget;
use crate::member::Member;
use crate::queue::Queue;

/// Changes that wait to be told; more are forgotten, oldest first.
const CHANGES_MAX: usize = 1024;

/// What generations of a pool share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Whose turn it is.
    pub(crate) cursor: Lane<AtomicU64>,
    pub(crate) budget: Lane<Budget>,
    pub(crate) queue: Lane<Queue>,
    /// Held while an Apache policy decides, and while the breaker does.
    pub(crate) turn: Mutex<()>,
    changes: Mutex<VecDeque<(Arc<Member>, Change)>>,
}

/// Cache lines of its own, so that what every request writes does not slow down what every
/// request reads.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Lane<T>(pub(crate) T);

impl Shared {
    pub(crate) fn new(now: u64) -> Shared {
        Shared {
            cursor: Lane::default(),
            budget: Lane(Budget::new(now)),
            queue: Lane::default(),
            turn: Mutex::default(),
            changes: Mutex::default(),
        }
    }

    /// Something changed about a member by itself.
    pub(crate) fn note(&self, member: &Arc<Member>, change: Change) {
        let mut changes = lock(&self.changes);
        if changes.len() >= CHANGES_MAX {
            changes.pop_front();
        }
        changes.push_back((member.clone(), change));
    }

    /// What changed since the last call.
    pub(crate) fn take_changes(&self) -> VecDeque<(Arc<Member>, Change)> {
        std::mem::take(&mut *lock(&self.changes))
    }
}

/// Nothing behind these locks is left half-changed by a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
