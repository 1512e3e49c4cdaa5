//! The access log: one line per exchange. A core formats lines into its own batch
//! ([`CoreLog`]); a thread beside it writes them ([`Writer`]). A core never waits: when the
//! writer cannot keep up, lines are dropped and counted.

mod core_log;
mod dates;
mod fields;
mod format;
mod record;
mod writer;

pub use core_log::{BATCH_AGE_MILLIS, BATCH_BYTES, CoreLog};
pub use fields::{FIELDS, FieldRow, markdown};
pub use format::{Format, FormatError, TEMPLATE_MAX};
pub use record::{Affinity, Record, Tls, VALUE_MAX};
pub use writer::{Counters, QUEUE_MAX, Report, Sender, Target, Writer};
