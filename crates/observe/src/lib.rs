//! Names and sinks only: metric names, access log, events.
