//! The headers of frames (RFC 9113 section 4.1), the codes of errors (section 7), and settings
//! (section 6.5).

/// What every HTTP/2 connection begins with (RFC 9113 section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length of a frame's header.
pub const HEADER: usize = 9;

/// The payload that every peer takes, and the most that we take.
pub const PAYLOAD: usize = 16_384;

/// The largest window (RFC 9113 section 6.9.1).
pub const WINDOW_MAX: i64 = (1 << 31) - 1;

/// The window that streams and connections begin with (RFC 9113 section 6.9.2).
pub const WINDOW: u32 = 65_535;

/// Kinds of frames.
#[allow(missing_docs, reason = "each is the frame of that name")]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
    /// RFC 9218 section 7.1.
    pub const PRIORITY_UPDATE: u8 = 16;
}

/// Flags of frames.
#[allow(missing_docs, reason = "each is the flag of that name")]
pub mod flag {
    /// Of SETTINGS and PING.
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    pub const PRIORITY: u8 = 32;
}

/// Why a stream or a connection ends (RFC 9113 section 7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is the code of that name")]
pub enum Code {
    NoError = 0,
    ProtocolError = 1,
    InternalError = 2,
    FlowControlError = 3,
    SettingsTimeout = 4,
    StreamClosed = 5,
    FrameSizeError = 6,
    RefusedStream = 7,
    Cancel = 8,
    CompressionError = 9,
    ConnectError = 10,
    EnhanceYourCalm = 11,
    InadequateSecurity = 12,
    Http11Required = 13,
}

/// Settings by their numbers (RFC 9113 section 6.5.2, RFC 8441 section 3, RFC 9218 section 2.1).
#[allow(missing_docs, reason = "each is the setting of that name")]
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 8;
    pub const NO_RFC7540_PRIORITIES: u16 = 9;
}

/// The header of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Bytes of the payload.
    pub length: usize,
    /// See [`kind`].
    pub kind: u8,
    /// See [`flag`].
    pub flags: u8,
    /// The stream; 0 is the connection.
    pub stream: u32,
}

impl Header {
    /// The header at the beginning of the bytes, if it is whole.
    #[inline]
    pub fn read(bytes: &[u8]) -> Option<Header> {
        let [a, b, c, kind, flags, s, t, u, v] = *bytes.first_chunk::<HEADER>()?;
        Some(Header {
            length: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            kind,
            flags,
            stream: u32::from_be_bytes([s, t, u, v]) & 0x7fff_ffff,
        })
    }

    /// Its bytes.
    #[inline]
    pub fn bytes(self) -> [u8; HEADER] {
        let [_, .., a, b, c] = self.length.to_be_bytes();
        let [s, t, u, v] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, s, t, u, v]
    }

    /// Whether it has that flag.
    #[inline]
    pub fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A payload without its padding (RFC 9113 section 6.1). `None`: the padding is longer than what
/// there is.
pub fn unpadded(header: Header, payload: &[u8]) -> Option<&[u8]> {
    if !header.has(flag::PADDED) {
        return Some(payload);
    }
    let (padding, rest) = payload.split_first()?;
    Some(&rest[..rest.len().checked_sub(usize::from(*padding))?])
}

/// The four bytes at the beginning as a number without its highest bit: a stream, or an increment.
pub fn number(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|four| u32::from_be_bytes(*four) & 0x7fff_ffff)
}

/// The settings in a payload, whose length is a multiple of six.
pub fn settings(payload: &[u8]) -> impl Iterator<Item = (u16, u32)> {
    payload.chunks_exact(6).map(|six| {
        let value = u32::from_be_bytes([six[2], six[3], six[4], six[5]]);
        (u16::from_be_bytes([six[0], six[1]]), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_are_written() {
        for header in [
            Header { length: 0, kind: kind::SETTINGS, flags: flag::ACK, stream: 0 },
            Header { length: 0x01_02_03, kind: 0xff, flags: 0xff, stream: 0x7fff_ffff },
        ] {
            assert_eq!(Header::read(&header.bytes()), Some(header));
            assert_eq!(Header::read(&header.bytes()[..8]), None);
        }
        let reserved = Header::read(&[0, 0, 1, 0, 0, 0x80, 0, 0, 1]);
        assert_eq!(reserved.map(|header| header.stream), Some(1));
    }

    #[test]
    fn padding_is_cut_off_and_not_believed() {
        let header = |flags| Header { length: 0, kind: kind::DATA, flags, stream: 1 };
        assert_eq!(unpadded(header(0), b"\x02abc"), Some(&b"\x02abc"[..]));
        assert_eq!(unpadded(header(flag::PADDED), b"\x02abc"), Some(&b"a"[..]));
        assert_eq!(unpadded(header(flag::PADDED), b"\x03abc"), Some(&b""[..]));
        assert_eq!(unpadded(header(flag::PADDED), b"\x04abc"), None);
        assert_eq!(unpadded(header(flag::PADDED), b""), None);
    }

    #[test]
    fn settings_are_pairs() {
        let pairs: Vec<_> = settings(&[0, 4, 0, 1, 0, 0, 0, 5, 0, 0, 64, 0]).collect();
        assert_eq!(pairs, [(4, 65_536), (5, 16_384)]);
        assert_eq!(number(&[0x80, 0, 0, 7, 9]), Some(7));
        assert_eq!(number(&[0, 0, 7]), None);
    }
}
