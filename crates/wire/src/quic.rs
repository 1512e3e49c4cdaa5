//! What a balancer may read of QUIC: the parts that no version changes (RFC 8999), and which of
//! the long header's packets it is in versions 1 and 2 (RFC 9000 section 17.2, RFC 9369 section
//! 3.2). Everything else is encrypted and none of its business (RFC 9312).

use std::fmt;

/// The longest connection id of versions 1 and 2.
pub const ID_BYTES: usize = 20;
const V1: u32 = 1;
const V2: u32 = 0x6b33_43cf;

/// The first packet of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    /// With a long header: sent until the handshake is over.
    Long {
        /// The version; 0 in a version negotiation.
        version: u32,
        /// Which packet it is.
        kind: Kind,
        /// The id of whom it is for: chosen by the client in its first packets, by the server
        /// afterwards.
        dcid: &'a [u8],
        /// The id that its sender wants to be called by.
        scid: &'a [u8],
    },
    /// With a short header.
    Short {
        /// What follows the first byte; it begins with the id of whom the packet is for, whose
        /// length only that one knows.
        after: &'a [u8],
    },
}

/// Packets with a long header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The first of a connection.
    Initial,
    /// Early data.
    ZeroRtt,
    /// The rest of the handshake.
    Handshake,
    /// The server wants the client to come again with a token.
    Retry,
    /// The server does not speak the client's version.
    VersionNegotiation,
    /// Of a version that is not known here.
    Unknown,
}

/// Why a datagram cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It ends within its header.
    TooShort,
    /// The bit that every packet of versions 1 and 2 has is not set; other protocols on the same
    /// port are told apart by it (RFC 9443).
    NoQuic,
    /// A connection id of more than 20 bytes in version 1 or 2.
    LongId,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Fault::TooShort => "ends within its header",
            Fault::NoQuic => "is no QUIC",
            Fault::LongId => "has a connection id of more than 20 bytes",
        })
    }
}

impl std::error::Error for Fault {}

impl Packet<'_> {
    /// Reads the header of a datagram's first packet.
    ///
    /// # Errors
    /// It is not QUIC, or cut.
    pub fn parse(datagram: &[u8]) -> Result<Packet<'_>, Fault> {
        let (&first, rest) = datagram.split_first().ok_or(Fault::TooShort)?;
        if first & 0x80 == 0 {
            return match first & 0x40 {
                0 => Err(Fault::NoQuic),
                _ => Ok(Packet::Short { after: rest }),
            };
        }
        let (version, rest) = rest.split_first_chunk::<4>().ok_or(Fault::TooShort)?;
        let version = u32::from_be_bytes(*version);
        let known = version == V1 || version == V2;
        if known && first & 0x40 == 0 {
            return Err(Fault::NoQuic);
        }
        let most = if known { ID_BYTES } else { 255 };
        let (dcid, rest) = id(rest, most)?;
        let (scid, _) = id(rest, most)?;
        Ok(Packet::Long { version, kind: kind(version, first), dcid, scid })
    }
}

/// A length, and as many bytes.
fn id(bytes: &[u8], most: usize) -> Result<(&[u8], &[u8]), Fault> {
    let (&length, rest) = bytes.split_first().ok_or(Fault::TooShort)?;
    let length = usize::from(length);
    if length > most {
        return Err(Fault::LongId);
    }
    rest.split_at_checked(length).ok_or(Fault::TooShort)
}

fn kind(version: u32, first: u8) -> Kind {
    let bits = (first >> 4) & 3;
    match (version, bits) {
        (0, _) => Kind::VersionNegotiation,
        (V1, 0) | (V2, 1) => Kind::Initial,
        (V1, 1) | (V2, 2) => Kind::ZeroRtt,
        (V1, 2) | (V2, 3) => Kind::Handshake,
        (V1, 3) | (V2, 0) => Kind::Retry,
        _ => Kind::Unknown,
    }
}

/// The server id of `length` bytes in a connection id that its server issued in the open (the
/// plain-text form of draft-ietf-quic-load-balancers: an octet whose upper three bits name the
/// configuration and whose others may hold the length, the server id, and something random).
/// The configuration 0b111 says that there is none.
pub fn server_id(cid: &[u8], length: usize) -> Option<&[u8]> {
    let (&first, rest) = cid.split_first()?;
    if first >> 5 == 0b111 {
        return None;
    }
    rest.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_of_the_standards_are_read() {
        // RFC 9001 appendix A.2: the protected client Initial.
        let initial =
            [0xc0, 0, 0, 0, 1, 8, 0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08, 0, 0, 0x44, 0x9e];
        let dcid = &initial[6..14];
        let long = |version, kind, dcid, scid| Ok(Packet::Long { version, kind, dcid, scid });
        assert_eq!(Packet::parse(&initial), long(1, Kind::Initial, dcid, &[][..]));
        // Appendix A.3: the server's answer; its id becomes the client's destination.
        let answer =
            [0xcf, 0, 0, 0, 1, 0, 8, 0xf0, 0x67, 0xa5, 0x50, 0x2a, 0x42, 0x62, 0xb5, 0, 0x40];
        assert_eq!(Packet::parse(&answer), long(1, Kind::Initial, &[][..], &answer[7..15]));
        // Appendix A.4: a Retry.
        let retry = [0xff, 0, 0, 0, 1, 0, 8, 0xf0, 0x67, 0xa5, 0x50, 0x2a, 0x42, 0x62, 0xb5, 0x74];
        assert_eq!(Packet::parse(&retry), long(1, Kind::Retry, &[][..], &retry[7..15]));
        // RFC 9369 appendix A.2: version 2.
        let second = [0xd3, 0x6b, 0x33, 0x43, 0xcf, 1, 9, 0, 0];
        assert_eq!(Packet::parse(&second), long(V2, Kind::Initial, &[9][..], &[][..]));
        let short = [0x4c, 1, 2, 3];
        assert_eq!(Packet::parse(&short), Ok(Packet::Short { after: &[1, 2, 3] }));
    }

    #[test]
    fn what_is_no_quic_or_cut_is_refused() {
        let twenty_one = [&[0xc0, 0, 0, 0, 1, 21][..], &[0; 30]].concat();
        let cases: [(&[u8], Fault); 6] = [
            (&[], Fault::TooShort),
            (&[0x00, 1, 2], Fault::NoQuic),
            (&[0x80, 0, 0, 0, 1, 0, 0], Fault::NoQuic),
            (&[0xc0, 0, 0, 0, 1, 8, 1, 2], Fault::TooShort),
            (&[0xc0, 0, 0, 0, 1, 0], Fault::TooShort),
            (&twenty_one, Fault::LongId),
        ];
        for (datagram, fault) in cases {
            assert_eq!(Packet::parse(datagram), Err(fault), "{datagram:x?}");
        }
        // Other versions may have longer ids, and need not set the bit.
        let other = [&[0x80, 9, 9, 9, 9, 21][..], &[7; 21], &[0]].concat();
        assert!(matches!(Packet::parse(&other), Ok(Packet::Long { kind: Kind::Unknown, .. })));
    }

    #[test]
    fn server_ids_stand_behind_the_first_octet() {
        assert_eq!(server_id(&[0x07, 1, 2, 3, 4], 2), Some(&[1, 2][..]));
        assert_eq!(server_id(&[0x07, 1], 2), None);
        assert_eq!(server_id(&[0xe7, 1, 2, 3], 2), None);
        assert_eq!(server_id(&[], 1), None);
    }

    proptest! {
        #[test]
        fn no_datagram_is_read_beyond_its_end(datagram in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(Packet::Long { dcid, scid, .. }) = Packet::parse(&datagram) {
                prop_assert!(dcid.len() + scid.len() + 7 <= datagram.len());
            }
        }
    }
}
