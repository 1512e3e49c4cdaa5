//! Floods of frames that ask for work and bring none (RFC 9113 section 10.5): pings, settings,
//! resets (CVE-2023-44487) and what makes us reset (CVE-2025-8671), empty frames, continuations.
//!
//! Each such frame costs points of a bucket that fills with time, with bytes sent and with
//! requests served, so that those who do work may also do what goes with it. An empty bucket ends
//! the connection.

use evenkeel_net::Micros;
use evenkeel_wire::http2::frame::{Header, flag, kind};

/// What the bucket holds: 400 resets, or 2,000 pings, at once.
pub(crate) const FULL: u64 = 20_000;
/// What it holds at least at first, whatever others of the same address have spent: 20 resets.
const LEAST: u64 = 1_000;
/// Points that come back in a second.
pub(crate) const PER_SECOND: u64 = 1_000;
/// Bytes sent that bring a point.
const BYTES_PER_POINT: u64 = 1024;
/// What a stream costs that is one too many.
const REFUSED: u64 = 1;
/// What a head costs, for each time that it is as large as it may be.
const HEAD: u64 = 200;
/// What a stream costs that the client resets, or makes us reset.
const RESET: u64 = 50;
/// Bytes for streams that were reset that cost a point: all that windows let be on its way at once
/// costs less than half of the bucket.
const BYTES_IGNORED: u64 = 128;
/// What a request that was served brings: as much as a reset costs.
const SERVED: u64 = RESET;

/// Causes of connections that were closed for a flood.
pub const FLOODS: [&str; 7] = [
    "http2-resets",
    "http2-pings",
    "http2-settings",
    "http2-empty-frames",
    "http2-continuations",
    "http2-heads",
    "http2-idle-frames",
];

/// Watches what a client sends.
pub(crate) struct Guard {
    points: u64,
    at: Micros,
    sent: u64,
}

impl Guard {
    /// Watches a client of which so many points are spent already.
    pub(crate) fn new(spent: u64, now: Micros) -> Guard {
        Guard { points: FULL.saturating_sub(spent).max(LEAST), at: now, sent: 0 }
    }

    /// Points that were spent and have not come back.
    pub(crate) fn spent(&mut self, now: Micros) -> u64 {
        self.refill(now);
        FULL - self.points
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

    /// A frame came in. An error is why the connection must end.
    pub(crate) fn frame(
        &mut self,
        header: &Header,
        now: &impl Fn() -> Micros,
    ) -> Result<(), &'static str> {
        let (cost, cause) = match header.kind {
            kind::DATA if header.length == 0 && !header.has(flag::END_STREAM) => {
                (50, "http2-empty-frames")
            }
            // Useful, or refused at once.
            kind::DATA | kind::HEADERS | kind::PUSH_PROMISE | kind::GOAWAY => return Ok(()),
            kind::RST_STREAM => (RESET, "http2-resets"),
            kind::SETTINGS => (20, "http2-settings"),
            kind::PING => (10, "http2-pings"),
            kind::WINDOW_UPDATE => (1, "http2-idle-frames"),
            kind::CONTINUATION => (20, "http2-continuations"),
            _ => (5, "http2-idle-frames"),
        };
        self.pay(cost, cause, now)
    }

    /// The client made us reset a stream. An error is why the connection must end.
    pub(crate) fn reset(&mut self, now: &impl Fn() -> Micros) -> Result<(), &'static str> {
        self.pay(RESET, "http2-resets", now)
    }

    /// The client asked for more streams than it may have. That costs us little, clients may do so
    /// until they have heard of the limit, and one that is sent away comes again with as many
    /// requests as it may have. An error is why the connection must end.
    pub(crate) fn refused(&mut self, now: &impl Fn() -> Micros) -> Result<(), &'static str> {
        self.pay(REFUSED, "http2-resets", now)
    }

    /// Bytes came for a stream that was reset. An error is why the connection must end.
    pub(crate) fn ignored(
        &mut self,
        bytes: usize,
        now: &impl Fn() -> Micros,
    ) -> Result<(), &'static str> {
        self.pay(1 + bytes as u64 / BYTES_IGNORED, "http2-idle-frames", now)
    }

    /// A head came that is so many times as large as one may be. An error is why the connection
    /// must end.
    pub(crate) fn head(
        &mut self,
        times: usize,
        now: &impl Fn() -> Micros,
    ) -> Result<(), &'static str> {
        self.pay(HEAD * (1 + times as u64), "http2-heads", now)
    }

    fn pay(
        &mut self,
        cost: u64,
        cause: &'static str,
        now: &impl Fn() -> Micros,
    ) -> Result<(), &'static str> {
        if self.points < cost {
            self.refill(now());
        }
        self.points = self.points.checked_sub(cost).ok_or(cause)?;
        Ok(())
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

    fn frame(kind: u8, flags: u8, length: usize) -> Header {
        Header { length, kind, flags, stream: 1 }
    }

    /// How many of the frame fit before the guard trips, and with which cause.
    fn until_tripped(header: &Header) -> (u32, Option<&'static str>) {
        let mut guard = Guard::new(0, Micros(0));
        for n in 0..100_000 {
            if let Err(cause) = guard.frame(header, &|| Micros(0)) {
                return (n, Some(cause));
            }
        }
        (100_000, None)
    }

    #[test]
    fn frames_without_work_trip_the_guard() {
        let cases = [
            (frame(3, 0, 4), 400, "http2-resets"),
            (frame(6, 0, 8), 2000, "http2-pings"),
            (frame(4, 0, 0), 1000, "http2-settings"),
            (frame(0, 0, 0), 400, "http2-empty-frames"),
            (frame(9, 0, 1), 1000, "http2-continuations"),
            (frame(2, 0, 5), 4000, "http2-idle-frames"),
            (frame(8, 0, 4), 20_000, "http2-idle-frames"),
        ];
        for (header, count, cause) in cases {
            assert_eq!(until_tripped(&header), (count, Some(cause)));
            assert!(FLOODS.contains(&cause));
        }
        let mut guard = Guard::new(0, Micros(0));
        let resets = (0..1000).take_while(|_| guard.reset(&|| Micros(0)).is_ok()).count();
        assert_eq!(resets, 400);
        let mut guard = Guard::new(0, Micros(0));
        let heads = (0..1000).take_while(|_| guard.head(2, &|| Micros(0)).is_ok()).count();
        assert_eq!(heads, 33);
        let mut guard = Guard::new(0, Micros(0));
        let in_flight = (0..64).all(|_| guard.ignored(16_384, &|| Micros(0)).is_ok());
        assert!(in_flight, "a connection's window");
    }

    #[test]
    fn heads_data_and_what_is_earned_cost_nothing() {
        assert_eq!(until_tripped(&frame(1, 4, 4)).1, None);
        assert_eq!(until_tripped(&frame(0, 0, 4)).1, None);
        assert_eq!(until_tripped(&frame(0, 1, 0)).1, None);
        let mut guard = Guard::new(0, Micros(0));
        for _ in 0..10_000 {
            assert_eq!(guard.frame(&frame(3, 0, 4), &|| Micros(0)), Ok(()));
            guard.served();
        }
        for _ in 0..100_000 {
            assert_eq!(guard.frame(&frame(8, 0, 4), &|| Micros(0)), Ok(()));
            guard.sent(1024);
        }
    }

    #[test]
    fn what_an_address_has_spent_is_spent() {
        let now = Micros(0);
        for (spent, resets) in [(0, 400), (5_000, 300), (19_999, 20), (u64::MAX, 20)] {
            let mut guard = Guard::new(spent, now);
            assert_eq!((0..1000).take_while(|_| guard.reset(&|| now).is_ok()).count(), resets);
            assert_eq!(guard.spent(now), FULL);
            assert_eq!(guard.spent(Micros(5_000_000)), FULL - 5_000);
        }
    }

    #[test]
    fn points_come_back_with_time() {
        let mut guard = Guard::new(0, Micros(0));
        for second in 0..1000 {
            for _ in 0..100 {
                let now = || Micros(second * 1_000_000);
                assert_eq!(guard.frame(&frame(6, 0, 8), &now), Ok(()));
            }
        }
    }
}
