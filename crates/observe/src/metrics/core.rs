use std::time::Duration;

use super::bounded::Bounded;
use super::{Histogram, Names};

/// Series of `evenkeel_requests_total` that one core holds; exchanges beyond are counted under
/// `other` and in `evenkeel_metrics_folded_total`.
pub const SERIES_MAX: usize = 16_384;
/// Pools, listeners, pairs of them, or of them and a cause, that one core holds.
const PAIRS_MAX: usize = 16_384;

/// What distinguishes one series of `evenkeel_requests_total`. The numbers come from [`Names`];
/// [`Names::NONE`] where there is nothing to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// The listener's name.
    pub listener: u32,
    /// The route's name.
    pub route: u32,
    /// The pool's name.
    pub pool: u32,
    /// The tag of the member that answered, or was tried last.
    pub member: u32,
    /// The status the client got; 0 when it left before it got one.
    pub code: u16,
}

impl SeriesKey {
    /// The code of the series that takes what found no room; shown as `other`.
    pub const CODE_OTHER: u16 = u16::MAX;
}

/// What an exchange measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// From the first byte of the request to the last byte of the answer.
    pub duration: Duration,
    /// Bytes read from the client for this exchange.
    pub bytes_in: u64,
    /// Bytes written to the client.
    pub bytes_out: u64,
}

/// How a request got its connection to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dial {
    /// A new connection was made.
    New,
    /// A kept connection was used again.
    Reused,
    /// No connection could be made.
    Failed,
}

impl Dial {
    /// The value of the `result` label.
    pub fn name(self) -> &'static str {
        match self {
            Dial::New => "new",
            Dial::Reused => "reused",
            Dial::Failed => "failed",
        }
    }
}

/// The counters of one core. Plain numbers: it belongs to one event loop.
#[derive(Debug)]
pub struct CoreMetrics {
    counts: Snapshot,
}

/// The counters of one core at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) series: Bounded<SeriesKey, Series>,
    /// In the order in which pools were first seen; [`Series::histogram`] points in here.
    pub(super) histograms: Vec<(u32, Histogram)>,
    pub(super) listeners: Bounded<u32, ListenerCounts>,
    pub(super) bytes: Bounded<(u32, u32), Bytes>,
    pub(super) refusals: Bounded<(u32, &'static str), u64>,
    pub(super) handshakes: Bounded<(u32, &'static str, bool), u64>,
    pub(super) retries: Bounded<(u32, &'static str), u64>,
    pub(super) dials: Bounded<(u32, Dial), u64>,
    pub(super) folded: u64,
}

/// One series: bytes and the histogram hang on it so that an exchange needs one look-up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Series {
    pub(super) count: u64,
    pub(super) bytes: Bytes,
    histogram: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) received: u64,
    pub(super) sent: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ListenerCounts {
    pub(super) accepted: u64,
    pub(super) open: i64,
    pub(super) tunnels: i64,
    pub(super) streams: i64,
}

impl CoreMetrics {
    /// Nothing counted yet.
    pub fn new() -> CoreMetrics {
        let mut series = Bounded::new(SERIES_MAX);
        series.place(FOLDED);
        CoreMetrics {
            counts: Snapshot {
                series,
                histograms: Vec::new(),
                listeners: Bounded::new(PAIRS_MAX),
                bytes: Bounded::new(PAIRS_MAX),
                refusals: Bounded::new(PAIRS_MAX),
                handshakes: Bounded::new(PAIRS_MAX),
                retries: Bounded::new(PAIRS_MAX),
                dials: Bounded::new(PAIRS_MAX),
                folded: 0,
            },
        }
    }

    /// An exchange ended. One look-up.
    #[inline]
    pub fn exchange(&mut self, key: SeriesKey, measured: &Exchange) {
        let counts = &mut self.counts;
        let place = match counts.series.place(key) {
            Some(place) => place,
            None => match counts.fold() {
                Some(place) => place,
                None => return,
            },
        };
        let series = counts.series.at(place);
        series.count += 1;
        series.bytes.received += measured.bytes_in;
        series.bytes.sent += measured.bytes_out;
        let histogram = match series.histogram {
            Some(index) => index as usize,
            None => counts.attach(place, key.pool),
        };
        if let Some((_, histogram)) = counts.histograms.get_mut(histogram) {
            histogram.record(measured.duration);
        }
    }

    /// Bytes that belong to no exchange that will end soon: those of a tunnel or relay, told from
    /// time to time while it lasts.
    pub fn flowed(&mut self, listener: u32, pool: u32, bytes_in: u64, bytes_out: u64) {
        if let Some(bytes) = self.counts.bytes.get((listener, pool)) {
            bytes.received += bytes_in;
            bytes.sent += bytes_out;
        }
    }

    /// A client connection was accepted.
    pub fn connection_opened(&mut self, listener: u32) {
        if let Some(counts) = self.counts.listeners.get(listener) {
            counts.accepted += 1;
            counts.open += 1;
        }
    }

    /// A client connection ended.
    pub fn connection_closed(&mut self, listener: u32) {
        if let Some(counts) = self.counts.listeners.get(listener) {
            counts.open -= 1;
        }
    }

    /// A request was upgraded to a tunnel.
    pub fn tunnel_opened(&mut self, listener: u32) {
        if let Some(counts) = self.counts.listeners.get(listener) {
            counts.tunnels += 1;
        }
    }

    /// A tunnel ended.
    pub fn tunnel_closed(&mut self, listener: u32) {
        if let Some(counts) = self.counts.listeners.get(listener) {
            counts.tunnels -= 1;
        }
    }

    /// A client of HTTP/2 opened a stream.
    pub fn stream_opened(&mut self, listener: u32) {
        if let Some(counts) = self.counts.listeners.get(listener) {
            counts.streams += 1;
        }
    }

    /// A stream of HTTP/2 ended.
    pub fn stream_closed(&mut self, listener: u32) {
        if let Some(counts) = self.counts.listeners.get(listener) {
            counts.streams -= 1;
        }
    }

    /// The balancer answered by itself, or cut a connection. `cause` is the cause code.
    pub fn refused(&mut self, listener: u32, cause: &'static str) {
        if let Some(count) = self.counts.refusals.get((listener, cause)) {
            *count += 1;
        }
    }

    /// A TLS handshake with a client succeeded; `version` as the access log has it.
    pub fn shook_hands(&mut self, listener: u32, version: &'static str, resumed: bool) {
        if let Some(count) = self.counts.handshakes.get((listener, version, resumed)) {
            *count += 1;
        }
    }

    /// Another attempt begins; `cause` is why the one before failed.
    pub fn retried(&mut self, pool: u32, cause: &'static str) {
        if let Some(count) = self.counts.retries.get((pool, cause)) {
            *count += 1;
        }
    }

    /// A request got, or did not get, a connection to a member.
    #[inline]
    pub fn dialed(&mut self, pool: u32, dial: Dial) {
        if let Some(count) = self.counts.dials.get((pool, dial)) {
            *count += 1;
        }
    }

    /// Drops series for which `keep` says no: those of members and pools that are gone, so that
    /// their room can be used again.
    pub fn retain(&mut self, mut keep: impl FnMut(&SeriesKey) -> bool) {
        self.counts.series.retain(|key| *key == FOLDED || keep(key));
    }

    /// The counters now. Copies at most a few hundred kilobytes.
    pub fn snapshot(&self) -> Snapshot {
        self.counts.clone()
    }
}

impl Default for CoreMetrics {
    fn default() -> CoreMetrics {
        CoreMetrics::new()
    }
}

/// The series of what found no room. It is there from the start.
const FOLDED: SeriesKey = SeriesKey {
    listener: Names::OTHER,
    route: Names::OTHER,
    pool: Names::OTHER,
    member: Names::OTHER,
    code: SeriesKey::CODE_OTHER,
};

impl Snapshot {
    #[cold]
    fn fold(&mut self) -> Option<usize> {
        self.folded += 1;
        self.series.place(FOLDED)
    }

    #[cold]
    fn attach(&mut self, place: usize, pool: u32) -> usize {
        let found = self.histograms.iter().position(|(id, _)| *id == pool);
        let index = found.unwrap_or_else(|| {
            self.histograms.push((pool, Histogram::default()));
            self.histograms.len() - 1
        });
        self.series.at(place).histogram = Some(index as u32);
        index
    }
}
