//! The API over real sockets, with a controller that only remembers what it was told.

mod access;
mod changes;
mod client;
mod events;
mod fake;
mod limits;
mod openapi;
mod reading;
