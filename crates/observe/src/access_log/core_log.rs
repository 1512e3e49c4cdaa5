use std::sync::Arc;

use super::dates::Dates;
use super::{Format, Record, Sender};

/// A batch of this many bytes is handed to the writer.
pub const BATCH_BYTES: usize = 32 * 1024;
/// A batch whose first line is this old is handed to the writer.
pub const BATCH_AGE_MILLIS: u64 = 200;

/// The access log of one core. Formats lines into a batch and hands it over; never waits.
/// Dropping it hands over what is there.
#[derive(Debug)]
pub struct CoreLog {
    format: Arc<Format>,
    sender: Sender,
    dates: Dates,
    batch: Vec<u8>,
    lines: u64,
    /// When the first line of the batch ended, Unix milliseconds.
    oldest: u64,
}

impl CoreLog {
    /// A log that formats so and hands over there.
    pub fn new(format: Arc<Format>, sender: Sender) -> CoreLog {
        CoreLog { format, sender, dates: Dates::new(), batch: Vec::new(), lines: 0, oldest: 0 }
    }

    /// Logs an exchange that ended just now.
    pub fn write(&mut self, record: &Record<'_>) {
        let duration = u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX);
        let now = record.unix_millis.saturating_add(duration);
        self.begin(now);
        self.format.append(&mut self.batch, &mut self.dates, record);
        self.end(now);
    }

    /// Logs a line that was made elsewhere, without its newline; `now` is Unix time in
    /// milliseconds. It holds no control characters but those its format has.
    pub fn line(&mut self, line: &[u8], now: u64) {
        self.begin(now);
        self.batch.extend_from_slice(line);
        self.batch.push(b'\n');
        self.end(now);
    }

    fn begin(&mut self, now: u64) {
        if self.batch.is_empty() {
            self.oldest = now;
            self.batch.reserve(BATCH_BYTES + BATCH_BYTES / 8);
        }
    }

    fn end(&mut self, now: u64) {
        self.lines += 1;
        if self.batch.len() >= BATCH_BYTES {
            self.hand_over();
        } else {
            self.tick(now);
        }
    }

    /// Hands over a batch that is old enough. To be called a few times a second, with Unix time
    /// in milliseconds, so that the last lines before a quiet time are written too.
    pub fn tick(&mut self, unix_millis: u64) {
        // A clock that was set back makes the age zero; the size still hands over.
        if self.lines > 0 && unix_millis.saturating_sub(self.oldest) >= BATCH_AGE_MILLIS {
            self.hand_over();
        }
    }

    /// Whether there are lines to hand over; without any, [`CoreLog::tick`] does nothing.
    pub fn is_waiting(&self) -> bool {
        self.lines > 0
    }

    /// Hands over what is there.
    pub fn flush(&mut self) {
        if self.lines > 0 {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        // A batch that was refused comes back empty, to be used again.
        self.batch = self.sender.send(batch, self.lines).unwrap_or_default();
        self.lines = 0;
    }
}

impl Drop for CoreLog {
    fn drop(&mut self) {
        self.flush();
    }
}
