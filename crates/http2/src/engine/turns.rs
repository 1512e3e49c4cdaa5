//! Whose turn it is when more answers have bytes than can leave (RFC 9218 section 10).

use std::collections::VecDeque;

/// Streams that wait, by urgency.
#[derive(Default)]
pub(super) struct Turns {
    queues: [VecDeque<u32>; 8],
    waiting: usize,
}

impl Turns {
    /// A stream waits: behind those of its urgency, or before them.
    pub(super) fn push(&mut self, id: u32, urgency: u8, first: bool) {
        let queue = &mut self.queues[usize::from(urgency.min(7))];
        if first {
            queue.push_front(id);
        } else {
            queue.push_back(id);
        }
        self.waiting += 1;
    }

    /// Whose turn it is.
    pub(super) fn pop(&mut self) -> Option<u32> {
        let id = self.queues.iter_mut().find_map(VecDeque::pop_front)?;
        self.waiting -= 1;
        Some(id)
    }

    /// A stream waits no more.
    pub(super) fn remove(&mut self, id: u32) {
        for queue in &mut self.queues {
            let before = queue.len();
            queue.retain(|waiting| *waiting != id);
            self.waiting -= before - queue.len();
        }
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// How many places in the queues there are.
    #[cfg(any(test, feature = "exercise"))]
    pub(super) fn len(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// How many of them are the stream's.
    #[cfg(any(test, feature = "exercise"))]
    pub(super) fn count(&self, id: u32) -> usize {
        self.queues.iter().flatten().filter(|waiting| **waiting == id).count()
    }

    /// Whether someone waits who is as urgent.
    pub(super) fn precede(&self, urgency: u8) -> bool {
        self.waiting > 0
            && self.queues[..=usize::from(urgency.min(7))].iter().any(|queue| !queue.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgency_goes_before_order() {
        let mut turns = Turns::default();
        assert!(turns.is_empty() && !turns.precede(7));
        for (id, urgency) in [(1, 3), (3, 5), (5, 3), (7, 0)] {
            turns.push(id, urgency, false);
        }
        turns.push(9, 3, true);
        assert!(turns.precede(0) && turns.precede(4));
        turns.remove(5);
        turns.remove(11);
        let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order, [7, 9, 1, 3]);
        assert!(turns.is_empty());
        turns.push(1, 9, false);
        assert!(!turns.precede(6) && turns.precede(7));
    }
}
