//! What the balancer tells the world. **Law: names and sinks only.** This crate knows no proxy, no
//! control and no configuration: others hand it plain numbers and borrowed text, it names, counts,
//! formats and writes them.
//!
//! * [`metrics`]: the table of metric names, counters that live on one core, and the Prometheus
//!   text format.
//! * [`access_log`]: one line per exchange, formatted on the core, written beside it.
//! * [`events`]: what happened to members, listeners and the configuration, for people.
#![forbid(unsafe_code)]

pub mod access_log;
pub mod events;
mod json;
pub mod metrics;
