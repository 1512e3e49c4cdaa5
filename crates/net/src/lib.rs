//! The only user-space code that talks to the kernel. **Law: knows no balancing and no
//! configuration; `unsafe` only in `sys/`.**
//!
//! What the rooms above see: a [`Stream`] that receives into a leased [`Buffer`] and sends a list
//! of slices, a [`Listener`] that accepts, [`connect`](connect::connect), and a clock. Behind it
//! stands the kernel through tokio's epoll, or, in tests, a seeded network in memory
//! (`sim`, a feature). A ring back end can take their place without touching callers,
//! because no caller holds a socket or a buffer that it did not lease.
#![deny(unsafe_code)]

pub mod buffer;
pub mod clock;
pub mod connect;
pub mod handover;
pub mod limits;
pub mod listen;
mod made;
pub mod pipe;
#[cfg(feature = "sim")]
pub mod sim;
pub mod splice;
pub mod stream;
mod sys;
pub mod tls;
pub mod udp;
mod whole;

pub use buffer::Buffer;
pub use clock::{Deadline, Micros};
pub use connect::Target;
pub use listen::{Listener, Peer};
pub use made::Made;
pub use stream::Stream;
pub use whole::Whole;
