//! The table of fields that were sent before (RFC 7541 sections 2.3.2 and 4), as both sides keep
//! it.

use std::collections::VecDeque;

/// What an entry counts on top of its bytes (RFC 7541 section 4.1).
const ENTRY_BYTES: usize = 32;

/// Entries from the newest to the oldest.
#[derive(Debug)]
pub(super) struct Table {
    entries: VecDeque<Entry>,
    size: usize,
    limit: usize,
}

/// A field, its name and value in one piece.
#[derive(Debug)]
pub(super) struct Entry {
    bytes: Box<[u8]>,
    name_len: usize,
}

impl Entry {
    pub(super) fn new(name: &[u8], value: &[u8]) -> Entry {
        let mut bytes = Vec::with_capacity(name.len() + value.len());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(value);
        Entry { bytes: bytes.into_boxed_slice(), name_len: name.len() }
    }

    /// The same with the name in lower case.
    pub(super) fn lower(name: &[u8], value: &[u8]) -> Entry {
        let mut entry = Entry::new(name, value);
        if let Some(name) = entry.bytes.get_mut(..entry.name_len) {
            name.make_ascii_lowercase();
        }
        entry
    }

    /// Name and value.
    #[inline]
    pub(super) fn parts(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at(self.name_len)
    }

    fn size(&self) -> usize {
        self.bytes.len() + ENTRY_BYTES
    }
}

impl Table {
    pub(super) fn new(limit: usize) -> Table {
        Table { entries: VecDeque::new(), size: 0, limit }
    }

    /// The most it may come to.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.shrink(limit);
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry at a place, the newest at 0.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<&Entry> {
        self.entries.get(at)
    }

    /// Whether a field of so many bytes fits when all others leave.
    pub(super) fn holds(&self, bytes: usize) -> bool {
        bytes.saturating_add(ENTRY_BYTES) <= self.limit
    }

    /// Puts an entry in front, for which the oldest leave. One that does not fit at all leaves an
    /// empty table, and that is no fault (RFC 7541 section 4.4).
    pub(super) fn insert(&mut self, entry: Entry) {
        let size = entry.size();
        self.shrink(self.limit.saturating_sub(size));
        if size <= self.limit {
            self.size += size;
            self.entries.push_front(entry);
        }
    }

    fn shrink(&mut self, most: usize) {
        while self.size > most
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(table: &Table) -> Vec<&[u8]> {
        (0..table.len()).filter_map(|at| table.get(at)).map(|entry| entry.parts().0).collect()
    }

    #[test]
    fn the_oldest_leave() {
        let mut table = Table::new(120);
        for name in [b"a1", b"b2", b"c3"] {
            table.insert(Entry::new(name, b"value"));
        }
        assert_eq!(names(&table), [b"c3", b"b2", b"a1"]);
        assert_eq!(table.size, 117);
        table.insert(Entry::new(b"d4", b"value+"));
        assert_eq!(names(&table), [b"d4", b"c3", b"b2"]);
        table.insert(Entry::new(b"", &[0; 30]));
        assert_eq!(names(&table), [&b""[..], b"d4"]);
        table.set_limit(70);
        assert_eq!((names(&table), table.size), (vec![&b""[..]], 62));
        table.set_limit(120);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn what_does_not_fit_empties_the_table() {
        let mut table = Table::new(50);
        table.insert(Entry::new(b"name", &[0; 14]));
        assert_eq!((table.len(), table.size), (1, 50));
        assert!(table.holds(18) && !table.holds(19));
        table.insert(Entry::new(b"name", &[0; 15]));
        assert_eq!((table.len(), table.size), (0, 0));
        table.set_limit(0);
        table.insert(Entry::new(b"", b""));
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_name_is_made_small_and_its_value_not() {
        assert_eq!(Entry::lower(b"X-Name", b"Value").parts(), (&b"x-name"[..], &b"Value"[..]));
    }
}
