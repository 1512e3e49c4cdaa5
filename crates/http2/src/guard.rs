//! Floods of frames that ask for work and bring none (RFC 9113 section 10.5): pings, settings,
//! resets (CVE-2023-44487), empty frames, continuations.
//!
//! Each such frame costs points of a bucket that fills with time, with bytes sent and with
//! requests served, so that those who do work may also do what goes with it. An empty bucket ends
//! the connection.

use evenkeel_net::Micros;

/// What the bucket holds: 400 resets, or 2,000 pings, at once.
const FULL: u64 = 20_000;
/// Points that come back in a second.
const PER_SECOND: u64 = 1_000;
/// Bytes sent that bring a point.
const BYTES_PER_POINT: u64 = 1024;
/// What a request that was served brings: as much as a reset costs.
const SERVED: u64 = 50;
/// The length of a frame's header (RFC 9113 section 4.1).
const HEADER: usize = 9;
const END_STREAM: u8 = 1;

/// Causes of connections that were closed for a flood.
pub const FLOODS: [&str; 6] = [
    "http2-resets",
    "http2-pings",
    "http2-settings",
    "http2-empty-frames",
    "http2-continuations",
    "http2-idle-frames",
];

/// Watches what a client sends.
pub(crate) struct Guard {
    points: u64,
    at: Micros,
    sent: u64,
    header: [u8; HEADER],
    have: usize,
    /// Bytes of the payload, or of the preface, still to come.
    skip: usize,
    tripped: Option<&'static str>,
}

impl Guard {
    /// `skip`: bytes before the first frame.
    pub(crate) fn new(now: Micros, skip: usize) -> Guard {
        let header = [0; HEADER];
        Guard { points: FULL, at: now, sent: 0, header, have: 0, skip, tripped: None }
    }

    /// Why the connection must end.
    pub(crate) fn tripped(&self) -> Option<&'static str> {
        self.tripped
    }

    /// A request was served to its end.
    pub(crate) fn served(&mut self) {
        self.earn(SERVED);
    }

    /// Bytes went out.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        let points = self.sent / BYTES_PER_POINT;
        self.sent %= BYTES_PER_POINT;
        self.earn(points);
    }

    /// Bytes came in.
    pub(crate) fn received(&mut self, mut bytes: &[u8], now: impl Fn() -> Micros) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let n = (HEADER - self.have).min(bytes.len());
            self.header[self.have..self.have + n].copy_from_slice(&bytes[..n]);
            self.have += n;
            bytes = &bytes[n..];
            if self.have == HEADER {
                self.have = 0;
                self.frame(&now);
            }
        }
    }

    fn frame(&mut self, now: &impl Fn() -> Micros) {
        let [a, b, c, kind, flags, ..] = self.header;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.skip = length;
        let (cost, cause) = match kind {
            // Useful, or refused by the engine at once.
            0 if length == 0 && flags & END_STREAM == 0 => (50, "http2-empty-frames"),
            0 | 1 | 5 | 7 => return,
            3 => (50, "http2-resets"),
            4 => (20, "http2-settings"),
            6 => (10, "http2-pings"),
            8 => (1, "http2-idle-frames"),
            9 => (20, "http2-continuations"),
            _ => (5, "http2-idle-frames"),
        };
        if self.points < cost {
            self.refill(now());
        }
        match self.points.checked_sub(cost) {
            Some(left) => self.points = left,
            None => self.tripped = self.tripped.or(Some(cause)),
        }
    }

    fn refill(&mut self, now: Micros) {
        let micros = u64::try_from(now.since(self.at).as_micros()).unwrap_or(u64::MAX);
        let points = micros.saturating_mul(PER_SECOND) / 1_000_000;
        if points > 0 {
            self.at = now;
            self.earn(points);
        }
    }

    fn earn(&mut self, points: u64) {
        self.points = self.points.saturating_add(points).min(FULL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = payload.len() as u32;
        let mut out = length.to_be_bytes()[1..].to_vec();
        out.extend([kind, flags, 0, 0, 0, 1]);
        out.extend(payload);
        out
    }

    /// How many of the frame fit before the guard trips, and with which cause.
    fn until_tripped(frame: &[u8], cut: usize) -> (u32, Option<&'static str>) {
        let mut guard = Guard::new(Micros(0), 0);
        for n in 0..100_000 {
            frame.chunks(cut).for_each(|piece| guard.received(piece, || Micros(0)));
            if guard.tripped().is_some() {
                return (n, guard.tripped());
            }
        }
        (100_000, None)
    }

    #[test]
    fn frames_without_work_trip_the_guard() {
        let cases = [
            (frame(3, 0, &[0; 4]), 400, "http2-resets"),
            (frame(6, 0, &[0; 8]), 2000, "http2-pings"),
            (frame(4, 0, &[]), 1000, "http2-settings"),
            (frame(0, 0, &[]), 400, "http2-empty-frames"),
            (frame(9, 0, b"x"), 1000, "http2-continuations"),
            (frame(2, 0, &[0; 5]), 4000, "http2-idle-frames"),
            (frame(8, 0, &[0; 4]), 20_000, "http2-idle-frames"),
        ];
        for (bytes, count, cause) in cases {
            for cut in [1, 5, 9, 1000] {
                assert_eq!(until_tripped(&bytes, cut), (count, Some(cause)));
            }
            assert!(FLOODS.contains(&cause));
        }
    }

    #[test]
    fn heads_data_and_what_is_earned_cost_nothing() {
        assert_eq!(until_tripped(&frame(1, 4, b"head"), 100).1, None);
        assert_eq!(until_tripped(&frame(0, 0, b"data"), 100).1, None);
        assert_eq!(until_tripped(&frame(0, 1, b""), 100).1, None);
        let mut guard = Guard::new(Micros(0), 0);
        for _ in 0..10_000 {
            guard.received(&frame(3, 0, &[0; 4]), || Micros(0));
            guard.served();
        }
        for _ in 0..100_000 {
            guard.received(&frame(8, 0, &[0; 4]), || Micros(0));
            guard.sent(1024);
        }
        assert_eq!(guard.tripped(), None);
    }

    #[test]
    fn points_come_back_with_time() {
        let mut guard = Guard::new(Micros(0), 0);
        for second in 0..1000 {
            for _ in 0..100 {
                guard.received(&frame(6, 0, &[0; 8]), || Micros(second * 1_000_000));
            }
        }
        assert_eq!(guard.tripped(), None);
    }
}
