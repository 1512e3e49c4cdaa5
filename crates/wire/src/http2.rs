//! HTTP/2 after RFC 9113, with the field compression of RFC 7541.

pub mod frame;
pub mod hpack;
