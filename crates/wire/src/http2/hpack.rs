//! HPACK, the field compression of HTTP/2 (RFC 7541).
//!
//! Each direction of a connection has a table of fields that both ends keep alike. So a block must
//! be decoded even when nobody wants it any more, in the order of arrival, and after a [`Fault`]
//! the connection is lost (`COMPRESSION_ERROR`, RFC 9113 section 4.3).
//!
//! A small block can stand for many bytes, as one byte repeats a field of 4 KiB. Nothing of that
//! is stored here; who collects the fields counts them.

mod decoder;
mod dynamic;
mod encoder;
mod fixed;
mod huffman;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;

pub use decoder::Decoder;
pub use encoder::Encoder;

/// The size of a dynamic table until something else is said (RFC 9113 section 6.5.2).
pub const TABLE_BYTES: usize = 4096;

/// One field as it was decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'a> {
    /// As sent: nothing says that it is a token, or in lower case.
    pub name: &'a [u8],
    /// As sent.
    pub value: &'a [u8],
}

/// What is wrong with a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// An index of 0, or of no entry.
    Index,
    /// A number beyond 32 bits, or of more octets than it could need.
    Integer,
    /// A string with the end-of-string symbol in it, or padded otherwise than with up to seven
    /// ones.
    Huffman,
    /// A size of the table above what was announced, or in the middle of a block.
    SizeUpdate,
    /// The block ends within a field.
    Truncated,
    /// Whoever takes the fields wanted no more.
    Stopped,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Index => "no field of that index",
            Fault::Integer => "number too large",
            Fault::Huffman => "bad Huffman code",
            Fault::SizeUpdate => "bad size of the table",
            Fault::Truncated => "block ends within a field",
            Fault::Stopped => "more fields than are wanted",
        })
    }
}

impl std::error::Error for Fault {}
