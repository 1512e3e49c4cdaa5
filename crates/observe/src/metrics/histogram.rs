use std::time::Duration;

/// An upper bound of a bucket.
#[derive(Debug)]
pub struct Bound {
    /// In nanoseconds.
    pub nanos: u64,
    /// In seconds, as it stands in the `le` label.
    pub text: &'static str,
}

const fn bound(micros: u64, text: &'static str) -> Bound {
    Bound { nanos: micros * 1000, text }
}

/// The upper bounds of the buckets of request times; a last bucket takes what is above.
pub const BOUNDS: [Bound; 16] = [
    bound(500, "0.0005"),
    bound(1_000, "0.001"),
    bound(2_500, "0.0025"),
    bound(5_000, "0.005"),
    bound(10_000, "0.01"),
    bound(25_000, "0.025"),
    bound(50_000, "0.05"),
    bound(100_000, "0.1"),
    bound(250_000, "0.25"),
    bound(500_000, "0.5"),
    bound(1_000_000, "1"),
    bound(2_500_000, "2.5"),
    bound(5_000_000, "5"),
    bound(10_000_000, "10"),
    bound(30_000_000, "30"),
    bound(60_000_000, "60"),
];

/// Counts of times by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Times at or below the bound of the same index and above the one before; the last counts
    /// those above every bound. Not cumulative.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// The sum of all times in nanoseconds.
    pub sum_nanos: u64,
}

impl Histogram {
    /// Counts one time.
    #[inline]
    pub fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| bound.nanos < nanos);
        self.buckets[bucket] += 1;
        self.sum_nanos = self.sum_nanos.saturating_add(nanos);
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Histogram) {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine += theirs;
        }
        self.sum_nanos = self.sum_nanos.saturating_add(other.sum_nanos);
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_on_the_bound_belongs_to_its_bucket() {
        let mut h = Histogram::default();
        h.record(Duration::from_millis(1));
        h.record(Duration::from_nanos(1_000_001));
        h.record(Duration::from_secs(61));
        h.record(Duration::ZERO);
        assert_eq!((h.buckets[0], h.buckets[1], h.buckets[2], h.buckets[16]), (1, 1, 1, 1));
        assert_eq!(h.count(), 4);
    }

    #[test]
    fn bounds_rise_and_their_texts_say_the_same() {
        assert!(BOUNDS.is_sorted_by(|a, b| a.nanos < b.nanos));
        for bound in &BOUNDS {
            let seconds: f64 = bound.text.parse().unwrap();
            assert_eq!((seconds * 1e9).round() as u64, bound.nanos);
        }
    }
}
