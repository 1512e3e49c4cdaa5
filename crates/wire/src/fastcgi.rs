//! FastCGI 1.0, the protocol between a balancer and a responder such as PHP-FPM: the side that
//! sends requests.
//!
//! A request is [`write::begin`], the CGI variables ([`Params`], filled by [`Request`] and sent by
//! [`write::params`]), the body ([`write::stdin`]) and the end of the body. A [`Decoder`] makes
//! events of the records that come back; what the responder writes to its standard output begins
//! with a [`Head`] as CGI has it (RFC 3875 section 6). One request at a time on a connection, as
//! PHP-FPM wants it.

mod decode;
mod head;
mod params;
mod refusal;
mod request;
pub mod write;

pub use decode::{Decoder, Event, ProtocolStatus};
pub use head::Head;
pub use params::{PARAMS_BYTES, Params};
pub use refusal::CAUSES;
pub use request::Request;

/// Length of a record's header.
const HEADER_BYTES: usize = 8;

/// The types of records.
const BEGIN_REQUEST: u8 = 1;
const ABORT_REQUEST: u8 = 2;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;

#[cfg(test)]
mod tests;
