use std::collections::VecDeque;
use std::sync::Arc;

use super::{Event, Field};
use crate::json;

/// Events that are remembered; older ones are forgotten.
pub const EVENTS_MAX: usize = 1024;

/// An event with its number and time.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamped {
    /// Counts from 1 without gaps.
    pub id: u64,
    /// When, as Unix time in milliseconds.
    pub unix_millis: u64,
    /// What happened.
    pub event: Event,
}

impl Stamped {
    /// One JSON object without newlines: `id`, `unix_ms`, `level`, `event`, `text`, then the
    /// event's own fields.
    pub fn to_json(&self) -> String {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(b"{\"id\":");
        json::number(&mut out, self.id);
        out.extend_from_slice(b",\"unix_ms\":");
        json::number(&mut out, self.unix_millis);
        let told = [
            ("level", self.event.level().name().into()),
            ("event", self.event.kind().into()),
            ("text", self.event.to_string().into()),
        ];
        let told = told.map(|(name, value)| (name, Field::Text(value)));
        for (name, value) in told.into_iter().chain(self.event.fields()) {
            out.push(b',');
            json::string(&mut out, name.as_bytes());
            out.push(b':');
            match value {
                Field::Text(text) => json::string(&mut out, text.as_bytes()),
                Field::Whole(number) => json::number(&mut out, number),
                Field::Real(number) if number.is_finite() => {
                    out.extend_from_slice(number.to_string().as_bytes());
                }
                Field::Real(_) => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
        // All of it is text; `json` writes nothing else.
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// The last [`EVENTS_MAX`] events.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    events: VecDeque<Arc<Stamped>>,
    last: u64,
}

impl Ring {
    /// No events yet.
    pub fn new() -> Ring {
        Ring::default()
    }

    /// Remembers an event and gives it its number.
    pub fn push(&mut self, unix_millis: u64, event: Event) -> Arc<Stamped> {
        self.last += 1;
        let stamped = Arc::new(Stamped { id: self.last, unix_millis, event });
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(Arc::clone(&stamped));
        stamped
    }

    /// The remembered events after that number, oldest first; 0 gives all.
    pub fn since(&self, id: u64) -> Vec<Arc<Stamped>> {
        let begin = self.events.partition_point(|stamped| stamped.id <= id);
        self.events.range(begin..).cloned().collect()
    }

    /// The number of the newest event; 0 when there was none.
    pub fn last(&self) -> u64 {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemberChange;
    use super::*;

    #[test]
    fn the_ring_forgets_the_oldest_and_finds_by_number() {
        let mut ring = Ring::new();
        for pid in 0..2000 {
            ring.push(5, Event::UpgradeStarted { pid });
        }
        assert_eq!(ring.last(), 2000);
        assert_eq!(ring.since(0).len(), EVENTS_MAX);
        assert_eq!(ring.since(1998).iter().map(|s| s.id).collect::<Vec<_>>(), [1999, 2000]);
        assert!(ring.since(5000).is_empty());
    }

    #[test]
    fn json_and_text_say_the_same() {
        let event = Event::Member {
            pool: "api".into(),
            member: "a".into(),
            change: MemberChange::Down { reason: "probe: \"503\"\nafter 3".into() },
        };
        let stamped = Stamped { id: 7, unix_millis: 1000, event };
        assert_eq!(
            stamped.to_json(),
            r#"{"id":7,"unix_ms":1000,"level":"warn","event":"member-down","text":"member api/a is down: probe: \"503\" after 3","pool":"api","member":"a","reason":"probe: \"503\"\nafter 3"}"#
        );
    }
}
