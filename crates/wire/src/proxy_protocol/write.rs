use std::net::SocketAddr;

use super::v2::{self, FIXED, PATH};
use super::{Addresses, Command, Fault, V2_BYTES, kind};

/// Appends a version 1 header. Only TCP between addresses of one family can be told, anything else
/// becomes `UNKNOWN`.
pub fn write_v1(out: &mut Vec<u8>, addresses: &Addresses) {
    let Addresses::Tcp { source, destination } = addresses else {
        return out.extend_from_slice(b"PROXY UNKNOWN\r\n");
    };
    let family = match (source, destination) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) => "TCP4",
        (SocketAddr::V6(_), SocketAddr::V6(_)) => "TCP6",
        _ => return out.extend_from_slice(b"PROXY UNKNOWN\r\n"),
    };
    let (from, to) = (source.ip(), destination.ip());
    let line = format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port());
    out.extend_from_slice(line.as_bytes());
}

/// Appends a version 2 header, TLV by TLV: [`V2Writer::begin`], [`V2Writer::tlv`],
/// [`V2Writer::finish`].
#[derive(Debug)]
pub struct V2Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> V2Writer<'a> {
    /// Writes what comes before the TLVs. An IPv4 address beside an IPv6 one is written as mapped.
    /// Unix paths are cut at 108 bytes.
    pub fn begin(out: &'a mut Vec<u8>, command: Command, addresses: &Addresses) -> V2Writer<'a> {
        let start = out.len();
        out.extend_from_slice(v2::START);
        out.push(if command == Command::Local { 0x20 } else { 0x21 });
        match addresses {
            Addresses::Unknown => out.extend([0, 0, 0]),
            Addresses::Tcp { source, destination } => inet(out, 1, source, destination),
            Addresses::Udp { source, destination } => inet(out, 2, source, destination),
            Addresses::Unix { source, destination, datagram } => {
                out.extend([if *datagram { 0x32 } else { 0x31 }, 0, 0]);
                for path in [source, destination] {
                    let path = &path[..path.len().min(PATH)];
                    out.extend_from_slice(path);
                    out.resize(out.len() + PATH - path.len(), 0);
                }
            }
        }
        V2Writer { out, start }
    }

    /// Writes a TLV.
    ///
    /// # Errors
    /// `TooLong` when the header would grow beyond [`V2_BYTES`]; nothing is written then.
    pub fn tlv(&mut self, kind: u8, value: &[u8]) -> Result<&mut Self, Fault> {
        if self.out.len() - self.start + 3 + value.len() > V2_BYTES {
            return Err(Fault::TooLong);
        }
        // V2_BYTES is below 2^16.
        let [high, low] = (value.len() as u16).to_be_bytes();
        self.out.extend([kind, high, low]);
        self.out.extend_from_slice(value);
        Ok(self)
    }

    /// Puts the length in its place, and a checksum at the end if asked.
    ///
    /// # Errors
    /// `TooLong` when there is no room for the checksum.
    pub fn finish(mut self, checksum: bool) -> Result<(), Fault> {
        if checksum {
            self.tlv(kind::CRC32C, &[0; 4])?;
        }
        let header = &mut self.out[self.start..];
        let len = (header.len() - FIXED) as u16;
        header[14..FIXED].copy_from_slice(&len.to_be_bytes());
        if checksum {
            let at = header.len() - 4;
            let sum = v2::crc_without(header, at);
            header[at..].copy_from_slice(&sum.to_be_bytes());
        }
        Ok(())
    }
}

fn inet(out: &mut Vec<u8>, transport: u8, source: &SocketAddr, destination: &SocketAddr) {
    match (source, destination) {
        (SocketAddr::V4(from), SocketAddr::V4(to)) => {
            out.extend([0x10 | transport, 0, 0]);
            out.extend(from.ip().octets());
            out.extend(to.ip().octets());
        }
        _ => {
            out.extend([0x20 | transport, 0, 0]);
            out.extend(mapped(source));
            out.extend(mapped(destination));
        }
    }
    out.extend(source.port().to_be_bytes());
    out.extend(destination.port().to_be_bytes());
}

fn mapped(address: &SocketAddr) -> [u8; 16] {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_ipv6_mapped().octets(),
        SocketAddr::V6(v6) => v6.ip().octets(),
    }
}
