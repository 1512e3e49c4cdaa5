//! The connection cache: idle connections of this core to members, newest used first.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use evenkeel_net::{Micros, Stream};
use foldhash::fast::FixedState;

/// Idle connections by member key.
#[derive(Default)]
pub(crate) struct Connections {
    idle: HashMap<u64, Kept, FixedState>,
}

#[derive(Default)]
struct Kept {
    /// Oldest first.
    streams: VecDeque<(Stream, Micros)>,
    idle_time: Duration,
    /// Bytes of the member's last answer.
    answer: u64,
}

impl Connections {
    /// The newest connection to the member that is still good and was not idle for longer than
    /// `longest`; and how long the member's last answer was. Those found closed are dropped.
    pub(crate) fn take(
        &mut self,
        key: u64,
        now: Micros,
        longest: Duration,
    ) -> Option<(Stream, u64)> {
        let kept = self.idle.get_mut(&key)?;
        while let Some((mut stream, since)) = kept.streams.pop_back() {
            if now.since(since) > longest {
                // The others are older still.
                kept.streams.push_back((stream, since));
                return None;
            }
            if stream.is_fresh() {
                return Some((stream, kept.answer));
            }
        }
        None
    }

    /// Keeps a connection, whose last answer had so many bytes, for `idle_time`; the oldest goes
    /// when there are more than `most`.
    pub(crate) fn keep(
        &mut self,
        key: u64,
        (stream, answer): (Stream, u64),
        now: Micros,
        idle_time: Duration,
        most: usize,
    ) {
        let kept = self.idle.entry(key).or_default();
        (kept.idle_time, kept.answer) = (idle_time, answer);
        if kept.streams.len() >= most {
            kept.streams.pop_front();
        }
        if most > 0 {
            kept.streams.push_back((stream, now));
        }
    }

    /// Closes what was idle too long, what the member closed, and all of members that are gone.
    pub(crate) fn sweep(&mut self, now: Micros, lives: impl Fn(u64) -> bool) {
        self.idle.retain(|key, kept| {
            if !lives(*key) {
                return false;
            }
            let limit = kept.idle_time;
            kept.streams
                .retain_mut(|(stream, since)| now.since(*since) < limit && stream.is_fresh());
            !kept.streams.is_empty()
        });
    }

    /// Idle connections in all.
    pub(crate) fn len(&self) -> usize {
        self.idle.values().map(|kept| kept.streams.len()).sum()
    }

    /// Closes all.
    pub(crate) fn clear(&mut self) {
        self.idle.clear();
    }
}
