//! Networks as `Require ip` and `-R` name them.

use std::net::{IpAddr, Ipv4Addr};

/// A network: an address and how many of its bits count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads `10.0.0.0/8`, `10.1`, `10.0.0.0/255.0.0.0`, `::1`; `None` for anything else.
    pub fn read(text: &str) -> Option<Network> {
        let (address, mask) = match text.split_once('/') {
            Some((address, mask)) => (address, Some(mask)),
            None => (text, None),
        };
        if let Ok(address) = address.parse::<IpAddr>() {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = match mask {
                None => most,
                Some(mask) => match mask.parse::<Ipv4Addr>() {
                    Ok(mask) => u32::from(mask).leading_ones(),
                    Err(_) => mask.parse().ok().filter(|bits| *bits <= most)?,
                },
            };
            return Some(Network { address, bits });
        }
        let parts: Vec<u8> = address
            .trim_end_matches('.')
            .split('.')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        if mask.is_some() || parts.is_empty() || parts.len() > 3 {
            return None;
        }
        let part = |n: usize| parts.get(n).copied().unwrap_or(0);
        let address = IpAddr::V4(Ipv4Addr::new(part(0), part(1), part(2), 0));
        Some(Network { address, bits: 8 * parts.len() as u32 })
    }

    /// Whether the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                u32::from(own) & mask == u32::from(other) & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                u128::from(own) & mask == u128::from(other) & mask
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_in_every_form() {
        for (text, address, expected) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/255.0.0.0", "10.1.2.3", true),
            ("10.1", "10.1.2.3", true),
            ("10.2", "10.1.2.3", false),
            ("::1", "::1", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
        ] {
            let network = Network::read(text).expect(text);
            assert_eq!(network.contains(address.parse().expect(address)), expected, "{text}");
        }
        assert_eq!(Network::read("ops.example"), None);
        assert_eq!(Network::read("10.0.0.0/33"), None);
    }
}
