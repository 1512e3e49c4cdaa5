use std::time::Duration;

use evenkeel_plan as plan;

use crate::guard::Guard;

/// Microseconds of a monotonic clock that the caller reads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Micros(pub u64);

impl Micros {
    /// The time from `earlier` to `self`; zero if it is not earlier.
    pub fn since(self, earlier: Micros) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    pub(crate) fn after(self, time: Duration) -> Micros {
        Micros(self.0.saturating_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Random numbers of one core (xorshift64*, Vigna 2014): fast, and good enough to pick by.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// From a seed; any number will do.
    pub fn new(seed: u64) -> Rng {
        // The generator has one forbidden state, zero.
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "it never ends, so it is no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound` (0 when that is 0), by Lemire's multiplication.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

/// What a pick depends on.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The time.
    pub now: Micros,
    /// What hashing policies pick by, already hashed ([`hash_key`](crate::hash_key)).
    pub key: u64,
    /// What affinity knows.
    pub bound: Bound<'a>,
    /// Members that were tried for this exchange.
    pub tried: &'a Tried,
}

/// What affinity knows about a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound<'a> {
    /// Nothing.
    None,
    /// The tag of its member.
    Tag(&'a [u8]),
    /// A key: the same key goes to the same member while the set holds.
    Key(u64),
}

/// Members that were tried for an exchange, by position; 16 are remembered, which is more than
/// retries allow in earnest.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    members: [u32; 16],
    count: u8,
}

impl Tried {
    /// Remembers a member.
    pub fn add(&mut self, member: usize) {
        if let Some(place) = self.members.get_mut(usize::from(self.count)) {
            *place = u32::try_from(member).unwrap_or(u32::MAX);
            self.count += 1;
        }
    }

    /// Whether the member was tried.
    pub fn contains(&self, member: usize) -> bool {
        self.members[..usize::from(self.count)].iter().any(|tried| *tried as usize == member)
    }

    /// How many were tried.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether none was tried.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// A pick.
#[derive(Debug)]
pub struct Pick {
    /// Counts the exchange on its member.
    pub guard: Guard,
    /// Affinity was honoured.
    pub bound: bool,
    /// Why this member.
    pub why: Why,
}

/// Why a member was picked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The policy chose it.
    Policy,
    /// Affinity named it.
    Affinity,
    /// It is a backup, and no other of its tier is usable.
    Backup,
    /// It is a spare for an unusable member.
    Spare,
    /// Every member is ejected, so ejections are ignored.
    Panic,
}

/// How a member stands to new requests: what explanations say of those that were not picked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It may be picked, and why it is among those that may.
    Serves(Why),
    /// It is at its `max_requests`.
    Full,
    /// It was ordered to take no new clients.
    Drained,
    /// It was ordered to take nothing at all.
    Disabled,
    /// Its probes find it down.
    Down,
    /// The breaker took it out.
    Ejected,
    /// It is usable, and others come before it: a lower tier, or those that it stands in for.
    Waits,
}

/// What was seen of a member by another process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// What an operator ordered.
    pub state: plan::MemberState,
    /// Its share as ordered.
    pub weight: plan::Weight,
    /// Whether its probes find it well.
    pub up: bool,
    /// Whether the breaker keeps it out.
    pub ejected: bool,
    /// Requests under way.
    pub active: u32,
}

/// Why no member was picked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoMember {
    /// The pool has no members.
    Empty,
    /// None is usable.
    AllDown,
    /// Usable ones exist, but each is at its `max_requests`.
    AllBusy,
}

/// How an exchange ended for its member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It answered.
    Answered {
        /// The status; 0 for protocols without.
        status: u16,
    },
    /// No connection could be made.
    ConnectFailed,
    /// It closed or reset before its answer was complete.
    Reset,
    /// Its answer broke the protocol.
    BadAnswer,
    /// It took too long.
    Timeout,
    /// The exchange ended for reasons that are not the member's.
    Aborted,
}

impl Outcome {
    /// In a few words, for the log.
    pub(crate) fn words(self) -> String {
        match self {
            Outcome::Answered { status } => format!("status {status}"),
            Outcome::ConnectFailed => "no connection".to_owned(),
            Outcome::Reset => "connections broken off".to_owned(),
            Outcome::BadAnswer => "answers that break the protocol".to_owned(),
            Outcome::Timeout => "no answer in time".to_owned(),
            Outcome::Aborted => "aborted".to_owned(),
        }
    }
}

/// How a probe ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeResult {
    /// Whether the member is well.
    pub pass: bool,
    /// Why, in a few words.
    pub reason: String,
    /// How long it took.
    pub took: Duration,
}

/// Something that changed about a member by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It is up again.
    Up {
        /// What the last probe saw.
        reason: String,
    },
    /// It is down.
    Down {
        /// What the last probe saw.
        reason: String,
    },
    /// The breaker took it out.
    Ejected {
        /// What traffic saw.
        reason: String,
        /// For how long.
        time: Duration,
    },
    /// After an ejection it gets requests again.
    Returned,
}

/// What is measured about a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// It is well.
    Up,
    /// It is well again, and its share still grows.
    Starting,
    /// It is not.
    Down,
}

impl Health {
    /// The name in API and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Health::Up => "up",
            Health::Starting => "starting",
            Health::Down => "down",
        }
    }
}
