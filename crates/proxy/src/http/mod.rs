//! HTTP: sessions, exchanges, and the two directions of each.

mod answer_head;
pub(crate) mod asked;
mod download;
mod early;
mod exchange;
mod forwarding;
pub(crate) mod key;
mod partial;
pub(crate) mod passing;
mod prefetch;
mod progress;
pub(crate) mod record;
mod request_head;
pub(crate) mod respond;
mod ruled;
pub(crate) mod scratch;
pub(crate) mod session;
mod session_value;
pub(crate) mod split;
mod tunnel;
mod upload;
