//! What the two directions of an exchange tell each other. They run in one task, by turns.

use std::cell::Cell;

/// The state of an exchange with one member.
#[derive(Default)]
pub(crate) struct Progress {
    /// The whole request is on its way to the member.
    pub(crate) sent: Cell<bool>,
    /// The member no longer takes the request; its answer may still come.
    pub(crate) deaf: Cell<bool>,
    /// Bytes of the body came from beyond the session's buffer: the request cannot be repeated.
    pub(crate) streamed: Cell<bool>,
    /// Bytes of the session's buffer that belong to this request.
    pub(crate) used: Cell<usize>,
    /// The body waits until the member asks for it.
    pub(crate) held: Cell<bool>,
    /// The client asked for that word too.
    pub(crate) expected: Cell<bool>,
    /// The request is a call of gRPC, to be tried again when nobody is there for it.
    pub(crate) calls: Cell<bool>,
    /// The client got an interim answer, after which there is no other member.
    pub(crate) interim: Cell<bool>,
    /// The client got the first byte of a final answer.
    pub(crate) answered: Cell<bool>,
    /// The status of the final answer, once its head was made; 0 before.
    pub(crate) status: Cell<u16>,
    /// Bytes of the request's body taken from the client, framing included.
    pub(crate) body_in: Cell<u64>,
    /// Bytes written to the client.
    pub(crate) down: Cell<u64>,
    /// Bytes of the answer's body, framing aside.
    pub(crate) body_out: Cell<u64>,
    /// Bytes written to the member that its guard has not heard of.
    pub(crate) to_member: Cell<u64>,
    /// The same of what the member sent.
    pub(crate) from_member: Cell<u64>,
}

pub(crate) fn add(cell: &Cell<u64>, n: usize) {
    cell.set(cell.get() + n as u64);
}

/// Writes the chunk that ends a body, and the trailers.
pub(crate) fn end_chunks(out: &mut Vec<u8>, trailers: &[u8]) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}
