use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Addresses, Command, Fault, Header, V1_BYTES};

pub(super) const START: &[u8] = b"PROXY ";

/// `PROXY TCP4 192.0.2.1 192.0.2.2 5555 443` and CRLF.
pub(super) fn parse(buf: &[u8]) -> Result<Option<Header>, Fault> {
    let window = &buf[..buf.len().min(V1_BYTES)];
    let Some(end) = memchr::memchr2(b'\r', b'\n', window) else {
        return if window.len() == V1_BYTES { Err(Fault::TooLong) } else { Ok(None) };
    };
    match (window[end], window.get(end + 1)) {
        (b'\r', Some(b'\n')) => {}
        (b'\r', None) if window.len() == V1_BYTES => return Err(Fault::TooLong),
        (b'\r', None) => return Ok(None),
        _ => return Err(Fault::BadLine),
    }
    // The buffer begins with START as far as it goes, and START has no line end.
    let line = window.get(START.len()..end).ok_or(Fault::BadLine)?;
    let line = std::str::from_utf8(line).map_err(|_| Fault::BadLine)?;
    let len = end + 2;
    let addresses = addresses(line).ok_or(Fault::BadLine)?;
    Ok(Some(Header { version: 1, command: Command::Proxy, addresses, len, tlvs: len }))
}

fn addresses(line: &str) -> Option<Addresses> {
    let mut words = line.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        // Whatever follows is to be ignored.
        return Some(Addresses::Unknown);
    }
    let (from, to) = (words.next()?, words.next()?);
    let (from_port, to_port) = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    let socket = |address: &str, port| match family {
        "TCP4" => Ipv4Addr::from_str(address).ok().map(|ip| SocketAddr::from((ip, port))),
        "TCP6" => Ipv6Addr::from_str(address).ok().map(|ip| SocketAddr::from((ip, port))),
        _ => None,
    };
    Some(Addresses::Tcp { source: socket(from, from_port)?, destination: socket(to, to_port)? })
}

/// Digits without leading zeros, at most 65535.
fn port(text: &str) -> Option<u16> {
    let plain = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
    plain.then(|| text.parse().ok()).flatten()
}
