use std::collections::BTreeMap;

use super::core::{Bytes, ListenerCounts};
use super::{Dial, Histogram, SeriesKey, Snapshot};

/// The counters of all cores together.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    pub(super) requests: BTreeMap<SeriesKey, u64>,
    pub(super) seconds: BTreeMap<u32, Histogram>,
    pub(super) listeners: BTreeMap<u32, ListenerCounts>,
    pub(super) bytes: BTreeMap<(u32, u32), Bytes>,
    pub(super) refusals: BTreeMap<(u32, &'static str), u64>,
    pub(super) handshakes: BTreeMap<(u32, &'static str, bool), u64>,
    pub(super) retries: BTreeMap<(u32, &'static str), u64>,
    pub(super) dials: BTreeMap<(u32, Dial), u64>,
    pub(super) folded: u64,
}

/// Adds up the counters of the cores.
pub fn merge(snapshots: impl IntoIterator<Item = Snapshot>) -> Merged {
    let mut merged = Merged::default();
    for snapshot in snapshots {
        merged.add(&snapshot);
    }
    merged
}

impl Merged {
    /// Exchanges that ended, all series together.
    pub fn requests(&self) -> u64 {
        self.requests.values().sum()
    }

    /// Exchanges that ended with that status at that listener, whatever their route and member.
    pub fn requests_with(&self, listener: u32, code: u16) -> u64 {
        let wanted = |key: &SeriesKey| key.listener == listener && key.code == code;
        self.requests.iter().filter(|(key, _)| wanted(key)).map(|(_, count)| count).sum()
    }

    /// Open client connections of a listener, and those it accepted so far.
    pub fn connections(&self, listener: u32) -> (u64, u64) {
        let counts = self.listeners.get(&listener).copied().unwrap_or_default();
        (at_least_zero(counts.open), counts.accepted)
    }

    /// Bytes of a listener so far: from clients, to clients.
    pub fn bytes(&self, listener: u32) -> (u64, u64) {
        let mine = self.bytes.iter().filter(|((id, _), _)| *id == listener);
        mine.fold((0, 0), |sum, (_, bytes)| (sum.0 + bytes.received, sum.1 + bytes.sent))
    }

    /// The request times of a pool.
    pub fn seconds(&self, pool: u32) -> Option<&Histogram> {
        self.seconds.get(&pool)
    }

    fn add(&mut self, snapshot: &Snapshot) {
        for (key, series) in snapshot.series.entries().iter().filter(|(_, s)| s.count > 0) {
            *self.requests.entry(*key).or_default() += series.count;
            self.bytes.entry((key.listener, key.pool)).or_default().add(series.bytes);
        }
        for (pool, histogram) in &snapshot.histograms {
            self.seconds.entry(*pool).or_default().add(histogram);
        }
        for (listener, counts) in snapshot.listeners.entries() {
            let sum = self.listeners.entry(*listener).or_default();
            sum.accepted += counts.accepted;
            sum.open += counts.open;
            sum.tunnels += counts.tunnels;
            sum.streams += counts.streams;
        }
        for (key, bytes) in snapshot.bytes.entries() {
            self.bytes.entry(*key).or_default().add(*bytes);
        }
        add_all(&mut self.refusals, snapshot.refusals.entries());
        add_all(&mut self.handshakes, snapshot.handshakes.entries());
        add_all(&mut self.retries, snapshot.retries.entries());
        add_all(&mut self.dials, snapshot.dials.entries());
        self.folded += snapshot.folded;
    }
}

impl Bytes {
    fn add(&mut self, other: Bytes) {
        self.received += other.received;
        self.sent += other.sent;
    }
}

fn add_all<K: Copy + Ord>(sums: &mut BTreeMap<K, u64>, entries: &[(K, u64)]) {
    for (key, count) in entries {
        *sums.entry(*key).or_default() += count;
    }
}

/// A connection may be opened on one core and closed on another, so single cores can be below
/// zero; the sum is so only for the moment between two snapshots.
pub(super) fn at_least_zero(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
