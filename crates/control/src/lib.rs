//! The only writer. **Law: every change (file, signal, API, health, names that resolve anew) is
//! one closed [`Command`], and it walks one way: load → check → diff → build → bind (everything
//! that can fail fails here) → swap → tail that cannot fail.** Start-up is the same walk from
//! nothing.
#![forbid(unsafe_code)]

mod apply;
mod certificates;
mod command;
mod controller;
mod cores;
mod heartbeat;
mod log;
pub mod notify;
mod orders;
mod pages;
mod persist;
mod probe;
mod resolve;
mod schedule;
mod shared;
mod sockets;
mod upgrade;

pub use command::{Command, Handle, MemberPatch, Refused};
pub use controller::{Controller, Ended, Source, Start};
pub use orders::OrderView;
pub use shared::{AdminSocket, Bound, LastReload, Shared};
