//! The first message of a TLS client, read without taking part: which name it asks for and which
//! protocols it offers, to route a connection that is passed on untouched.
//!
//! The message may be cut over several records and the records over any reads (RFC 8446 sections
//! 4.1.2 and 5.1); clients with post-quantum key shares do both.

mod breach;
mod message;

use std::fmt;

pub use breach::Breach;

use crate::http1::{Parsed, Span};

/// The most bytes looked at, record headers included.
pub const HELLO_BYTES: usize = 64 << 10;
/// The largest fragment of a record (RFC 8446 section 5.1).
const FRAGMENT_BYTES: usize = 1 << 14;
const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;

/// Reads a ClientHello.
#[derive(Clone, Debug, Default)]
pub struct ClientHello {
    /// The message, put together from its records, with its header.
    message: Vec<u8>,
    /// How far the buffer was read.
    at: usize,
    /// What is left of the record begun.
    left: usize,
    found: message::Found,
    done: bool,
}

impl ClientHello {
    /// A reader that has seen nothing.
    pub fn new() -> ClientHello {
        ClientHello::default()
    }

    /// Reads as far as the bytes go; call again with the same buffer grown until `Complete`. What
    /// the client sends after the message is not looked at.
    ///
    /// # Errors
    /// When it is no TLS, a message that is malformed, or one beyond [`HELLO_BYTES`].
    pub fn parse(&mut self, buf: &[u8]) -> Result<Parsed, Fault> {
        while !self.done {
            if self.left == 0 {
                let Some(left) = record(buf.get(self.at..).unwrap_or_default())? else {
                    return Ok(Parsed::Partial);
                };
                self.left = left;
                self.at += RECORD_HEADER;
            }
            let rest = buf.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(Parsed::Partial);
            }
            let want = self.wanted()?;
            let taken = rest.len().min(self.left).min(want);
            if self.at + taken > HELLO_BYTES {
                return Err(Fault::TooLong);
            }
            self.message.extend_from_slice(&rest[..taken]);
            self.at += taken;
            self.left -= taken;
            self.finish()?;
        }
        Ok(Parsed::Complete)
    }

    /// The host name asked for (SNI, RFC 6066 section 3), as sent; `None` if there is none.
    pub fn server_name(&self) -> Option<&str> {
        let name = self.found.server_name?;
        std::str::from_utf8(name.of(&self.message)).ok()
    }

    /// The protocols offered by ALPN (RFC 7301), in the client's order of preference.
    pub fn alpn(&self) -> impl Iterator<Item = &[u8]> {
        message::protocols(self.found.alpn.of(&self.message))
    }

    /// The highest version offered, such as 0x0304 for TLS 1.3.
    pub fn version(&self) -> u16 {
        self.found.version
    }

    /// Whether TLS 1.3 is offered (RFC 8446 section 4.2.1).
    pub fn offers_tls13(&self) -> bool {
        self.found.offers_tls13
    }

    /// Whether a session is to be resumed, as TLS 1.3 does it (RFC 8446 section 4.2.11).
    pub fn resumes(&self) -> bool {
        self.found.resumes
    }

    /// The signature schemes that are offered (RFC 8446 section 4.2.3), in the client's order.
    pub fn signature_schemes(&self) -> impl Iterator<Item = u16> {
        message::numbers(self.found.schemes.unwrap_or_default().of(&self.message))
    }

    /// The rule that the whole message breaks, of those that whoever ends TLS must enforce.
    pub fn breach(&self) -> Option<Breach> {
        breach::find(&self.found, &self.message)
    }

    /// How many bytes of the message are still missing, as far as is known.
    fn wanted(&self) -> Result<usize, Fault> {
        match self.message[..] {
            [] => Ok(MESSAGE_HEADER),
            [1] | [1, _] | [1, _, _] => Ok(MESSAGE_HEADER - self.message.len()),
            [1, a, b, c, ..] => {
                let len = MESSAGE_HEADER + u32::from_be_bytes([0, a, b, c]) as usize;
                if len > HELLO_BYTES { Err(Fault::TooLong) } else { Ok(len - self.message.len()) }
            }
            _ => Err(Fault::NoHello),
        }
    }

    /// If the message is whole, looks into it.
    fn finish(&mut self) -> Result<(), Fault> {
        if self.wanted()? == 0 && self.message.len() >= MESSAGE_HEADER {
            self.found = message::parse(&self.message).ok_or(Fault::BadHello)?;
            self.done = true;
        }
        Ok(())
    }
}

/// Why a hello could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Not a TLS handshake record.
    NoTls,
    /// A handshake message other than ClientHello.
    NoHello,
    /// Longer than [`HELLO_BYTES`].
    TooLong,
    /// A malformed ClientHello.
    BadHello,
    /// A record of more than 16 KiB.
    LongRecord,
}

impl Fault {
    /// Every one.
    pub const ALL: [Fault; 5] =
        [Fault::NoTls, Fault::NoHello, Fault::TooLong, Fault::BadHello, Fault::LongRecord];

    /// A code for logs and searches.
    pub fn cause(self) -> &'static str {
        match self {
            Fault::NoTls => "tls-no-record",
            Fault::NoHello => "tls-no-hello",
            Fault::TooLong => "tls-long-hello",
            Fault::BadHello => "tls-bad-hello",
            Fault::LongRecord => "tls-long-record",
        }
    }

    /// The record that tells the client so, if it speaks TLS at all by its first byte: an alert,
    /// `unexpected_message`, `record_overflow` or `decode_error` (RFC 8446 section 6.2).
    pub fn alert(self, first: Option<&u8>) -> Option<[u8; 7]> {
        let description = match self {
            Fault::NoTls if !first.is_some_and(|kind| (20..=24).contains(kind)) => return None,
            Fault::NoTls | Fault::NoHello => 10,
            Fault::LongRecord => 22,
            Fault::TooLong | Fault::BadHello => 50,
        };
        Some(fatal_alert(description))
    }
}

/// The record of a fatal alert, for where no keys are in use.
pub fn fatal_alert(description: u8) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, description]
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.cause())
    }
}

impl std::error::Error for Fault {}

/// The length of the record that begins here; `None` when its header is not all there. Refuses
/// what is no handshake record at the first byte that shows it. Any minor version is fine (RFC 5246
/// appendix E.1, RFC 8446 section 5.1); empty fragments are not allowed.
fn record(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    match *bytes {
        [] | [22] | [22, 3] | [22, 3, _] | [22, 3, _, _] => Ok(None),
        [22, 3, _, a, b, ..] => match usize::from(u16::from_be_bytes([a, b])) {
            0 => Err(Fault::NoTls),
            len @ 1..=FRAGMENT_BYTES => Ok(Some(len)),
            _ => Err(Fault::LongRecord),
        },
        _ => Err(Fault::NoTls),
    }
}

#[cfg(test)]
mod tests;
