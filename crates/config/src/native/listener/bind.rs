//! Where a listener accepts: addresses, and ranges of ports.

use std::str::FromStr;

use evenkeel_plan::BindAddress;

use crate::native::row::Places;
use crate::native::value::{Reader, Value};

/// Addresses of one listener, ranges counted in full.
const ADDRESSES_MAX: usize = 1024;

/// Reads `bind`; ranges become an address for each port. Where each address stood goes into
/// `places`, as `bind ADDRESS`.
pub(super) fn bind(
    value: Value<'_>,
    places: &mut Places,
    reader: &mut Reader<'_>,
) -> Vec<BindAddress> {
    let mut all = Vec::new();
    let mut count = 0;
    let read = value.one_or_more(reader, |value, reader| {
        let Ports(addresses) = value.address(reader, bind_slip)?;
        count += addresses.len();
        if count <= ADDRESSES_MAX {
            places.extend(addresses.iter().map(|one| (key(one), value.span())));
            all.extend(addresses);
        }
        Some(())
    });
    if count > ADDRESSES_MAX {
        let message = format!("{count} addresses; a listener has at most {ADDRESSES_MAX}");
        value.wrong::<()>(reader, message);
    }
    if read.is_some() && value.items().is_some_and(|mut items| items.next().is_none()) {
        value.wrong::<()>(reader, "a listener needs at least one address");
    }
    all
}

/// The key under which the place of an address is kept.
pub(crate) fn key(address: &BindAddress) -> String {
    format!("bind {address}")
}

/// The addresses of `0.0.0.0:5000-5099`, or the one of `0.0.0.0:80`.
struct Ports(Vec<BindAddress>);

impl FromStr for Ports {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Ports, &'static str> {
        let range = match text.rsplit_once(':') {
            Some((host, ports)) if !text.starts_with("unix:") => {
                ports.split_once('-').map(|(first, last)| (host, first, last))
            }
            _ => None,
        };
        let Some((host, first, last)) = range else {
            return text.parse().map(|address| Ports(vec![address]));
        };
        let wrong = "a range of ports is written as 5000-5099";
        let first = port(first).ok_or(wrong)?;
        let last = port(last).ok_or(wrong)?;
        if first == 0 {
            return Err("a range of ports begins at 1 or above");
        }
        if first > last {
            return Err("the range ends before it begins");
        }
        if usize::from(last - first) >= ADDRESSES_MAX {
            return Err("a listener has at most 1024 addresses");
        }
        match format!("{host}:{first}").parse()? {
            BindAddress::Socket(address) => Ok(Ports(
                (first..=last)
                    .map(|port| {
                        let mut address = address;
                        address.set_port(port);
                        BindAddress::Socket(address)
                    })
                    .collect(),
            )),
            unix @ BindAddress::Unix(_) => Ok(Ports(vec![unix])),
        }
    }
}

/// A port in plain digits.
fn port(text: &str) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// What was probably meant by an address that is none.
pub(crate) fn bind_slip(text: &str) -> Option<String> {
    if let Some((host, (first, last))) =
        text.rsplit_once(':').and_then(|(host, ports)| Some((host, ports.split_once('-')?)))
        && let (Some(first), Some(last)) = (port(first), port(last))
        && first > last
        && last > 0
    {
        return Some(format!("write \"{host}:{last}-{first}\""));
    }
    let ports = text.strip_prefix('*').unwrap_or(text);
    let ports = ports.strip_prefix(':').unwrap_or(ports);
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    port(first)?;
    port(last)?;
    Some(format!("write \"0.0.0.0:{ports}\", or \"[::]:{ports}\" for IPv6"))
}
