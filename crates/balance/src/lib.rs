//! Who gets the next request. **Law: no sockets, tasks, clocks or HTTP; the time, random numbers
//! and keys are arguments.**
//!
//! A [`Pool`] is shared by all cores. A pick reads a view of who is eligible, built when something
//! changes and swapped without a lock; what every request touches are atomics of its member. Only
//! Apache's policies, whose exact order over all cores is a promise, hold a lock for the moment of
//! the decision.
#![forbid(unsafe_code)]

pub mod affinity;
mod ask;
mod budget;
mod guard;
mod hash;
mod member;
mod policy;
mod pool;
mod queue;
mod shared;
mod standing;
mod view;

pub use ask::{
    Ask, Bound, Change, Health, Micros, NoMember, Outcome, Pick, ProbeResult, Rng, Seen, Standing,
    Tried, Why,
};
pub use guard::Guard;
pub use hash::hash_key;
pub use member::Member;
pub use pool::Pool;
pub use queue::Ticket;
