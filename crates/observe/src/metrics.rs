//! Metric names, counters of one core, and the Prometheus text format.
//!
//! A core counts into its own [`CoreMetrics`] without atomics. A scrape asks every core for a
//! [`Snapshot`], [`merge`]s them and [`encode`]s the sum together with the [`Extra`] samples that
//! the control side knows.

mod bounded;
mod core;
mod encode;
mod histogram;
mod merged;
mod names;
pub mod process;
pub mod table;

pub use self::core::{CoreMetrics, Dial, Exchange, SERIES_MAX, SeriesKey, Snapshot};
pub use encode::{CONTENT_TYPE, Extra, Value, encode};
pub use histogram::{BOUNDS, Histogram};
pub use merged::{Merged, merge};
pub use names::Names;
pub use table::{Kind, Metric};
