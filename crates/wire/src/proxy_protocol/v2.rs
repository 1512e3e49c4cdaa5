use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Addresses, Command, Fault, Header, Tlvs, V2_BYTES, crc32c, kind};

pub(super) const START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
pub(super) const FIXED: usize = 16;
/// A unix path in the address block.
pub(super) const PATH: usize = 108;

/// The binary header: sixteen fixed bytes, the addresses, the TLVs.
pub(super) fn parse(buf: &[u8]) -> Result<Option<Header>, Fault> {
    let Some(&command) = buf.get(12) else { return Ok(None) };
    let command = match command {
        0x20 => Command::Local,
        0x21 => Command::Proxy,
        _ => return Err(Fault::BadBlock),
    };
    let Some(fixed) = buf.first_chunk::<FIXED>() else { return Ok(None) };
    let len = FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if len > V2_BYTES {
        return Err(Fault::TooLong);
    }
    let Some(block) = buf.get(FIXED..len) else { return Ok(None) };
    // A local connection may come with any family, even an unknown one; it is ignored, and so is
    // what follows, since where the TLVs begin is not known.
    let (addresses, used) = match command {
        Command::Local => (Addresses::Unknown, block.len()),
        Command::Proxy => addresses(fixed[13], block).ok_or(Fault::BadBlock)?,
    };
    check_tlvs(&buf[..len], FIXED + used)?;
    Ok(Some(Header { version: 2, command, addresses, len, tlvs: FIXED + used }))
}

/// The addresses, and how many bytes of the block they take.
fn addresses(family: u8, block: &[u8]) -> Option<(Addresses, usize)> {
    let (source, destination, used) = match family >> 4 {
        0 if family == 0 => return Some((Addresses::Unknown, 0)),
        1 => v4(block)?,
        2 => v6(block)?,
        3 => return unix(family, block),
        _ => return None,
    };
    match family & 15 {
        1 => Some((Addresses::Tcp { source, destination }, used)),
        2 => Some((Addresses::Udp { source, destination }, used)),
        _ => None,
    }
}

fn v4(block: &[u8]) -> Option<(SocketAddr, SocketAddr, usize)> {
    let [a, b, c, d, e, f, g, h, ports @ ..] = block.first_chunk::<12>()?;
    let [from, to] = two_ports(ports);
    let source = Ipv4Addr::new(*a, *b, *c, *d);
    let destination = Ipv4Addr::new(*e, *f, *g, *h);
    Some(((source, from).into(), (destination, to).into(), 12))
}

fn v6(block: &[u8]) -> Option<(SocketAddr, SocketAddr, usize)> {
    let source = Ipv6Addr::from(*block.first_chunk::<16>()?);
    let destination = Ipv6Addr::from(*block[16..].first_chunk::<16>()?);
    let [from, to] = two_ports(block[32..].first_chunk::<4>()?);
    Some(((source, from).into(), (destination, to).into(), 36))
}

fn two_ports(bytes: &[u8; 4]) -> [u16; 2] {
    let [a, b, c, d] = *bytes;
    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
}

fn unix(family: u8, block: &[u8]) -> Option<(Addresses, usize)> {
    let datagram = match family & 15 {
        1 => false,
        2 => true,
        _ => return None,
    };
    let both = block.get(..2 * PATH)?;
    let (source, destination) = both.split_at(PATH);
    let addresses =
        Addresses::Unix { source: path(source), destination: path(destination), datagram };
    Some((addresses, 2 * PATH))
}

/// Up to the first NUL; an abstract name has one before it.
fn path(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [] | [0] | [0, 0, ..] => Vec::new(),
        [_, rest @ ..] => {
            let end = memchr::memchr(0, rest).unwrap_or(rest.len());
            bytes[..=end].to_vec()
        }
    }
}

/// Each TLV fits, and the checksum, if there is one, is right.
fn check_tlvs(header: &[u8], start: usize) -> Result<(), Fault> {
    let mut at = start;
    let mut checksum = None;
    for tlv in Tlvs::new(&header[start..]) {
        at += 3 + tlv.value.len();
        match (tlv.kind, tlv.value.len()) {
            (kind::CRC32C, 4) if checksum.is_none() => checksum = Some(at - 4),
            (kind::CRC32C, _) | (kind::UNIQUE_ID, 129..) => return Err(Fault::BadTlv),
            _ => {}
        }
    }
    if at != header.len() {
        return Err(Fault::BadTlv);
    }
    match checksum {
        Some(at) if header[at..at + 4] != crc_without(header, at).to_be_bytes() => {
            Err(Fault::BadChecksum)
        }
        _ => Ok(()),
    }
}

/// The checksum of the header with zeros in place of the four bytes at `at`.
pub(super) fn crc_without(header: &[u8], at: usize) -> u32 {
    crc32c::checksum(&[&header[..at], &[0; 4], &header[at + 4..]])
}
