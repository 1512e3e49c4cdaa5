use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::RandomState;

/// A map by open addressing that grows up to a limit and then says so. Entries are never removed
/// one by one, so linear probing needs no tombstones.
#[derive(Clone, Debug)]
pub(crate) struct Bounded<K, V> {
    /// Index into `entries` plus one; 0 is free. A power of two, at least twice the entries.
    slots: Vec<u32>,
    entries: Vec<(K, V)>,
    hasher: RandomState,
    limit: usize,
}

impl<K: Copy + Eq + Hash, V: Default> Bounded<K, V> {
    /// An empty map of at most `limit` entries.
    pub(crate) fn new(limit: usize) -> Bounded<K, V> {
        Bounded { slots: vec![0; 32], entries: Vec::new(), hasher: RandomState::default(), limit }
    }

    /// The place of the key's value, a new one if there was none; `None` when the map is full.
    #[inline]
    pub(crate) fn place(&mut self, key: K) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut at = self.hasher.hash_one(key) as usize & mask;
        loop {
            match self.slots[at] {
                0 => return self.insert(key, at),
                index => {
                    let index = index as usize - 1;
                    if self.entries[index].0 == key {
                        return Some(index);
                    }
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// The value at a place that [`Bounded::place`] gave.
    #[inline]
    pub(crate) fn at(&mut self, place: usize) -> &mut V {
        &mut self.entries[place].1
    }

    /// The key's value, or `None` when it is new and the map is full.
    #[inline]
    pub(crate) fn get(&mut self, key: K) -> Option<&mut V> {
        self.place(key).map(|place| &mut self.entries[place].1)
    }

    /// Every key and value.
    pub(crate) fn entries(&self) -> &[(K, V)] {
        &self.entries
    }

    /// Keeps only the entries for which `keep` says so.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        self.entries.retain(|(key, _)| keep(key));
        self.index(self.slots.len());
    }

    #[cold]
    fn insert(&mut self, key: K, at: usize) -> Option<usize> {
        if self.entries.len() >= self.limit {
            return None;
        }
        let place = self.entries.len();
        self.entries.push((key, V::default()));
        // `limit` is far below u32::MAX.
        self.slots[at] = place as u32 + 1;
        if self.entries.len() * 2 > self.slots.len() {
            self.index(self.slots.len() * 2);
        }
        Some(place)
    }

    fn index(&mut self, size: usize) {
        self.slots.clear();
        self.slots.resize(size, 0);
        for (index, (key, _)) in self.entries.iter().enumerate() {
            let mut at = self.hasher.hash_one(key) as usize & (size - 1);
            while self.slots[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = index as u32 + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_like_a_map_and_stops_at_its_limit() {
        let mut map: Bounded<u32, u64> = Bounded::new(1000);
        for round in 0..3_u64 {
            for key in 0..1000_u32 {
                *map.get(key.wrapping_mul(0x9e37_79b9)).unwrap() += round + 1;
            }
        }
        assert_eq!(map.entries().len(), 1000);
        assert!(map.entries().iter().all(|(_, value)| *value == 6));
        assert!(map.get(7).is_none(), "full");
        map.retain(|key| key % 2 == 0);
        assert!(map.entries().len() < 1000);
        assert!(map.get(7).is_some());
        assert_eq!(*map.get(0).unwrap(), 6, "what stayed keeps its value");
    }
}
