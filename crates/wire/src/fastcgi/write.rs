//! Writers: each appends records to a buffer. `id` is the caller's name for the request, not 0.

use super::{ABORT_REQUEST, BEGIN_REQUEST, HEADER_BYTES, PARAMS, Params, STDIN};

/// Records of a stream are cut here: the longest content that needs no padding.
const CUT: usize = 65528;

/// Appends the beginning of a request to a responder; with `keep_conn` the connection stays open
/// after it (FastCGI section 5.1).
pub fn begin(out: &mut Vec<u8>, id: u16, keep_conn: bool) {
    const RESPONDER: u8 = 1;
    record(out, BEGIN_REQUEST, id, &[0, RESPONDER, u8::from(keep_conn), 0, 0, 0, 0, 0]);
}

/// Appends the variables and the end of their stream (section 5.2).
pub fn params(out: &mut Vec<u8>, id: u16, params: &Params) {
    stream(out, PARAMS, id, params.bytes());
    record(out, PARAMS, id, b"");
}

/// Appends a part of the body (section 5.3); nothing when `data` is empty, as that would end it.
pub fn stdin(out: &mut Vec<u8>, id: u16, data: &[u8]) {
    stream(out, STDIN, id, data);
}

/// The header of a record with `length` bytes of body and no padding, for a caller that sends the
/// bytes from where they are. A length of 0 ends the body.
pub fn stdin_header(id: u16, length: u16) -> [u8; 8] {
    header(STDIN, id, length, 0)
}

/// Appends the end of the body; due also when there is none.
pub fn end_stdin(out: &mut Vec<u8>, id: u16) {
    record(out, STDIN, id, b"");
}

/// Appends the wish to end the request early (section 5.4); the responder still answers with an
/// end, when it heeds this at all: closing the connection is surer.
pub fn abort(out: &mut Vec<u8>, id: u16) {
    record(out, ABORT_REQUEST, id, b"");
}

fn stream(out: &mut Vec<u8>, kind: u8, id: u16, data: &[u8]) {
    out.reserve(data.len() + (data.len() / CUT + 1) * (HEADER_BYTES + 7));
    for part in data.chunks(CUT) {
        record(out, kind, id, part);
    }
}

/// Appends a record, padded to a multiple of 8 as section 3.3 advises; at most [`CUT`] bytes.
fn record(out: &mut Vec<u8>, kind: u8, id: u16, content: &[u8]) {
    debug_assert!(content.len() <= CUT);
    let padding = content.len().wrapping_neg() % 8;
    out.extend_from_slice(&header(kind, id, content.len() as u16, padding as u8));
    out.extend_from_slice(content);
    out.extend_from_slice(&[0; 8][..padding]);
}

fn header(kind: u8, id: u16, length: u16, padding: u8) -> [u8; HEADER_BYTES] {
    let [id_high, id_low] = id.to_be_bytes();
    let [high, low] = length.to_be_bytes();
    [1, kind, id_high, id_low, high, low, padding, 0]
}
