//! The table of UDP flows: pseudo-connections by client address, bounded, each operation in
//! constant time. Time is a number that the caller gives.
//!
//! Flows that were answered are *proven*: somebody is there who wanted them. When the table is
//! full, a new flow takes the place of the longest silent unproven one, and only if there is none,
//! of the longest silent of all. So a flood from forged addresses, which nobody proves, crowds out
//! itself first (Linux conntrack prefers unreplied entries in the same way).

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

/// No place in the slab.
const NOWHERE: u32 = u32::MAX;

/// Flows by key. `S` hashes keys that clients choose, so it must be seeded.
#[derive(Debug)]
pub struct Table<K, V, S> {
    slots: Vec<Slot<K, V>>,
    by_key: HashMap<K, u32, S>,
    free: u32,
    /// Unproven and proven flows, each from the longest silent to the latest heard of.
    lists: [List; 2],
    limit: usize,
}

/// Names a flow as long as it is in the table; afterwards it finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowId {
    at: u32,
    generation: u32,
}

#[derive(Debug)]
struct Slot<K, V> {
    flow: Option<(K, V)>,
    generation: u32,
    proven: bool,
    heard: u64,
    before: u32,
    /// The next free slot, in a free one.
    after: u32,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

impl<K: Copy + Eq + Hash, V, S: BuildHasher> Table<K, V, S> {
    /// A table of at most `limit` flows (at least 1). Memory grows with use.
    pub fn new(limit: usize, hasher: S) -> Table<K, V, S> {
        Table {
            slots: Vec::new(),
            by_key: HashMap::with_hasher(hasher),
            free: NOWHERE,
            lists: [List { first: NOWHERE, last: NOWHERE }; 2],
            limit: limit.clamp(1, NOWHERE as usize),
        }
    }

    /// Flows in the table.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Changes the limit. Flows beyond a lower one stay until they end or new ones come.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.clamp(1, NOWHERE as usize);
    }

    /// The flow of that key.
    pub fn find(&self, key: &K) -> Option<FlowId> {
        let at = *self.by_key.get(key)?;
        Some(FlowId { at, generation: self.slots.get(at as usize)?.generation })
    }

    /// What belongs to a flow.
    pub fn get(&self, id: FlowId) -> Option<&V> {
        self.slot(id)?.flow.as_ref().map(|(_, value)| value)
    }

    /// The client was heard.
    pub fn touch(&mut self, id: FlowId, now: u64) {
        self.heard(id, now, false);
    }

    /// The member was heard: the flow is proven.
    pub fn answered(&mut self, id: FlowId, now: u64) {
        self.heard(id, now, true);
    }

    /// Adds a flow; one of the same key ends. When the table is full, another makes room; it is
    /// given back. (After the limit was lowered, call [`Table::crowded`] for the rest.)
    pub fn insert(&mut self, key: K, value: V, now: u64) -> (FlowId, Option<(K, V)>) {
        let mut out = self.find(&key).and_then(|same| self.remove(same));
        if out.is_none() && self.by_key.len() >= self.limit {
            out = self.evict();
        }
        let at = self.take_slot();
        let slot = &mut self.slots[at as usize];
        (slot.flow, slot.heard, slot.proven) = (Some((key, value)), now, false);
        let generation = slot.generation;
        self.by_key.insert(key, at);
        self.append(at);
        (FlowId { at, generation }, out)
    }

    /// A flow beyond the limit, taken out; call until `None`.
    pub fn crowded(&mut self) -> Option<(K, V)> {
        if self.by_key.len() > self.limit { self.evict() } else { None }
    }

    /// Takes a flow out.
    pub fn remove(&mut self, id: FlowId) -> Option<(K, V)> {
        self.slot(id)?;
        self.take_out(id.at)
    }

    /// A flow that was silent for `idle` or longer, taken out; call until `None`.
    pub fn expire(&mut self, now: u64, idle: u64) -> Option<(K, V)> {
        let silent = |at: u32| {
            self.slots.get(at as usize).is_some_and(|slot| now.saturating_sub(slot.heard) >= idle)
        };
        let at = self.lists.iter().map(|list| list.first).find(|at| silent(*at))?;
        self.take_out(at)
    }

    fn evict(&mut self) -> Option<(K, V)> {
        let at = self.lists.iter().map(|list| list.first).find(|at| *at != NOWHERE)?;
        self.take_out(at)
    }

    fn slot(&self, id: FlowId) -> Option<&Slot<K, V>> {
        let slot = self.slots.get(id.at as usize)?;
        (slot.generation == id.generation && slot.flow.is_some()).then_some(slot)
    }

    fn heard(&mut self, id: FlowId, now: u64, proven: bool) {
        if self.slot(id).is_none() {
            return;
        }
        self.detach(id.at);
        let slot = &mut self.slots[id.at as usize];
        slot.heard = slot.heard.max(now);
        slot.proven |= proven;
        self.append(id.at);
    }

    fn take_slot(&mut self) -> u32 {
        match self.slots.get(self.free as usize) {
            Some(slot) => {
                let at = self.free;
                self.free = slot.after;
                at
            }
            None => {
                self.slots.push(Slot {
                    flow: None,
                    generation: 0,
                    proven: false,
                    heard: 0,
                    before: NOWHERE,
                    after: NOWHERE,
                });
                // There are at most `limit` flows, or as many as a former limit allowed.
                (self.slots.len() - 1) as u32
            }
        }
    }

    fn take_out(&mut self, at: u32) -> Option<(K, V)> {
        self.detach(at);
        let slot = self.slots.get_mut(at as usize)?;
        let flow = slot.flow.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.after = self.free;
        self.free = at;
        self.by_key.remove(&flow.0);
        Some(flow)
    }

    /// Puts a slot at the end of its list.
    fn append(&mut self, at: u32) {
        let list = &mut self.lists[usize::from(self.slots[at as usize].proven)];
        let last = std::mem::replace(&mut list.last, at);
        if last == NOWHERE {
            list.first = at;
        } else {
            self.slots[last as usize].after = at;
        }
        let slot = &mut self.slots[at as usize];
        (slot.before, slot.after) = (last, NOWHERE);
    }

    /// Takes a slot out of its list.
    fn detach(&mut self, at: u32) {
        let Some(slot) = self.slots.get(at as usize) else { return };
        let (before, after, list) = (slot.before, slot.after, usize::from(slot.proven));
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.after = after,
            None => self.lists[list].first = after,
        }
        match self.slots.get_mut(after as usize) {
            Some(slot) => slot.before = before,
            None => self.lists[list].last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::RandomState;

    fn table(limit: usize) -> Table<u8, u32, RandomState> {
        Table::new(limit, RandomState::new())
    }

    #[test]
    fn flows_are_found_until_they_end() {
        let mut table = table(10);
        let (id, out) = table.insert(1, 100, 0);
        assert!(out.is_none() && table.find(&1) == Some(id) && table.get(id) == Some(&100));
        assert_eq!(table.remove(id), Some((1, 100)));
        assert!(table.find(&1).is_none() && table.get(id).is_none() && table.is_empty());
        let (again, _) = table.insert(1, 200, 1);
        assert!(again != id && table.get(id).is_none() && table.remove(id).is_none());
    }

    #[test]
    fn unproven_flows_make_room_first_then_the_longest_silent() {
        let mut table = table(3);
        let (proven, _) = table.insert(1, 1, 0);
        table.answered(proven, 1);
        table.insert(2, 2, 2);
        let (third, _) = table.insert(3, 3, 3);
        assert_eq!(table.insert(4, 4, 4).1, Some((2, 2)));
        table.answered(third, 5);
        assert_eq!(table.insert(5, 5, 6).1, Some((4, 4)));
        let five = table.find(&5).unwrap();
        table.answered(five, 7);
        assert_eq!(table.insert(6, 6, 8).1, Some((1, 1)));
    }

    #[test]
    fn silence_ends_flows_and_being_heard_keeps_them() {
        let mut table = table(10);
        let (first, _) = table.insert(1, 1, 0);
        let (second, _) = table.insert(2, 2, 0);
        table.touch(first, 50);
        table.answered(second, 70);
        assert_eq!(table.expire(100, 60), None);
        assert_eq!(table.expire(110, 60), Some((1, 1)));
        assert_eq!(table.expire(110, 60), None);
        assert_eq!(table.expire(130, 60), Some((2, 2)));
    }

    #[test]
    fn a_lower_limit_is_reached_flow_by_flow() {
        let mut table = table(5);
        for n in 0..5 {
            table.insert(n, n.into(), n.into());
        }
        table.set_limit(3);
        assert_eq!(
            (table.crowded(), table.crowded(), table.crowded()),
            (Some((0, 0)), Some((1, 1)), None)
        );
    }

    /// The same, slow and plain: flows with key, value, last heard and proven, the order of the
    /// vector being the order in which they were heard.
    #[derive(Default)]
    struct Model(Vec<(u8, u32, u64, bool)>);

    impl Model {
        fn hear(&mut self, key: u8, now: u64, proven: bool) {
            if let Some(at) = self.0.iter().position(|flow| flow.0 == key) {
                let (key, value, heard, was) = self.0.remove(at);
                self.0.push((key, value, heard.max(now), was || proven));
            }
        }

        fn take(&mut self, at: Option<usize>) -> Option<(u8, u32)> {
            at.map(|at| self.0.remove(at)).map(|flow| (flow.0, flow.1))
        }

        fn oldest(&self, fits: impl Fn(&(u8, u32, u64, bool)) -> bool) -> Option<usize> {
            let first = |proven| {
                let mut list = self.0.iter().enumerate().filter(|(_, flow)| flow.3 == proven);
                list.next().filter(|(_, flow)| fits(flow)).map(|(at, _)| at)
            };
            first(false).or_else(|| first(true))
        }
    }

    proptest! {
        #[test]
        fn it_does_what_the_plain_model_does(
            steps in prop::collection::vec((0_u8..5, 0_u8..12, 0_u64..5), 0..400),
            limit in 1_usize..8,
        ) {
            let (mut table, mut model) = (table(limit), Model::default());
            let mut now = 0;
            for (n, (step, key, time)) in steps.into_iter().enumerate() {
                now += time;
                let id = table.find(&key);
                prop_assert_eq!(id.is_some(), model.0.iter().any(|flow| flow.0 == key));
                match (step, id) {
                    (0, _) => {
                        let value = n as u32;
                        let same = model.0.iter().position(|flow| flow.0 == key);
                        let mut out = model.take(same);
                        if out.is_none() && model.0.len() >= limit {
                            let oldest = model.oldest(|_| true);
                            out = model.take(oldest);
                        }
                        model.0.push((key, value, now, false));
                        prop_assert_eq!(table.insert(key, value, now).1, out);
                    }
                    (1, Some(id)) => {
                        table.touch(id, now);
                        model.hear(key, now, false);
                    }
                    (2, Some(id)) => {
                        table.answered(id, now);
                        model.hear(key, now, true);
                    }
                    (3, Some(id)) => {
                        let at = model.0.iter().position(|flow| flow.0 == key);
                        prop_assert_eq!(table.remove(id), model.take(at));
                    }
                    (4, _) => {
                        let at = model.oldest(|flow| now - flow.2 >= 6);
                        prop_assert_eq!(table.expire(now, 6), model.take(at));
                    }
                    _ => {}
                }
                prop_assert_eq!(table.len(), model.0.len());
                prop_assert!(table.len() <= limit);
            }
        }
    }
}
