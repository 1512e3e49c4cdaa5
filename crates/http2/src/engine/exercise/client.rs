//! The client's end: reads what the machine sent as a client would, and finds it in order.

use std::collections::HashSet;

use evenkeel_wire::http2::frame::{HEADER, Header, PAYLOAD, flag, kind};
use evenkeel_wire::http2::hpack::Decoder;

/// What has come from the machine.
pub(super) struct Client {
    /// Bytes that make no whole frame yet.
    rest: Vec<u8>,
    decoder: Decoder,
    /// A head that is spread over frames.
    block: Option<(u32, Vec<u8>)>,
    /// Streams of which the machine said that they end, or that they are reset.
    ended: HashSet<u32>,
    reset: HashSet<u32>,
}

impl Client {
    pub(super) fn new() -> Client {
        Client {
            rest: Vec::new(),
            decoder: Decoder::new(4096),
            block: None,
            ended: HashSet::new(),
            reset: HashSet::new(),
        }
    }

    /// Bytes came, however they were cut.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(header) = Header::read(&self.rest[used..]) {
            let whole = used + HEADER..used + HEADER + header.length;
            let Some(payload) = self.rest.get(whole.clone()) else { break };
            let payload = payload.to_vec();
            self.frame(header, &payload);
            used = whole.end;
        }
        self.rest.drain(..used);
    }

    fn frame(&mut self, header: Header, payload: &[u8]) {
        let (id, continues) = (header.stream, header.kind == kind::CONTINUATION);
        assert!(header.length <= PAYLOAD, "no frame is too long");
        let block = self.block.as_ref().map(|(id, _)| *id);
        assert_eq!(block, continues.then_some(id), "heads are whole");
        match header.kind {
            kind::DATA | kind::HEADERS => {
                let over = self.ended.contains(&id) || self.reset.contains(&id);
                assert!(id % 2 == 1 && !over, "an answer ends where it says so");
                if header.has(flag::END_STREAM) {
                    self.ended.insert(id);
                }
            }
            kind::RST_STREAM => {
                self.reset.insert(id);
            }
            kind::WINDOW_UPDATE => {
                assert!(!self.reset.contains(&id), "nothing is asked for that was refused");
                assert!(payload.iter().any(|byte| *byte > 0), "windows open by something");
            }
            kind::SETTINGS | kind::PING | kind::GOAWAY => assert_eq!(id, 0),
            kind::CONTINUATION => {}
            other => panic!("a frame of kind {other}"),
        }
        if header.kind == kind::DATA {
            assert!(payload == vec![id as u8; payload.len()], "data are of their stream");
        }
        if header.kind == kind::HEADERS || continues {
            let mut block = self.block.take().map(|(_, block)| block).unwrap_or_default();
            block.extend_from_slice(payload);
            if header.has(flag::END_HEADERS) {
                assert_eq!(self.decoder.decode(&block, |_| {}), Ok(()), "heads can be read");
            } else {
                self.block = Some((id, block));
            }
        }
    }
}
