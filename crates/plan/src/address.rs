use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where a member is reached: an IP address and port, a name and port, or a unix socket.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Address {
    /// `10.0.0.11:8080`, `[::1]:8080`
    Socket(SocketAddr),
    /// `app.internal:8080`: resolved again over time, all its addresses are used.
    Name(HostName, u16),
    /// `unix:/run/app.sock`
    Unix(PathBuf),
}

/// A DNS name: labels of letters, digits, `-` and `_`, 253 characters at most, lower case.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct HostName(Box<str>);

impl HostName {
    /// A name, or what is wrong with it. A trailing dot is dropped.
    pub fn new(text: &str) -> Result<HostName, &'static str> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() || text.len() > 253 {
            return Err("a host name has 1 to 253 characters");
        }
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if !text.split('.').all(label) {
            return Err(
                "a host name is made of labels of letters, digits, - and _, joined by dots",
            );
        }
        Ok(HostName(text.to_ascii_lowercase().into()))
    }

    /// The text, lower case, without a trailing dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Address, &'static str> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix_path(path).map(Address::Unix);
        }
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return if socket.port() == 0 {
                Err("the port must not be 0")
            } else {
                Ok(Address::Socket(socket))
            };
        }
        let (host, port) =
            text.rsplit_once(':').ok_or("expected host:port, [v6]:port or unix:/path")?;
        let port: u16 = port.parse().map_err(|_| "the port must be a number from 1 to 65535")?;
        if port == 0 {
            return Err("the port must not be 0");
        }
        if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err("not a valid IPv4 address");
        }
        Ok(Address::Name(HostName::new(host)?, port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Socket(socket) => write!(f, "{socket}"),
            Address::Name(host, port) => write!(f, "{}:{port}", host.as_str()),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Where a listener accepts. Port 0 lets the kernel choose, which tests rely on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum BindAddress {
    /// `0.0.0.0:80`, `[::]:80`
    Socket(SocketAddr),
    /// `unix:/run/evenkeel.sock`
    Unix(PathBuf),
}

impl FromStr for BindAddress {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<BindAddress, &'static str> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix_path(path).map(BindAddress::Unix);
        }
        if let Some(port) = text.strip_prefix("localhost:") {
            return format!("127.0.0.1:{port}").parse();
        }
        text.parse()
            .map(BindAddress::Socket)
            .map_err(|_| "expected ip:port, [v6]:port or unix:/path")
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindAddress::Socket(socket) => write!(f, "{socket}"),
            BindAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Linux' `sun_path` holds 108 bytes, the last of them NUL.
fn unix_path(path: &str) -> Result<PathBuf, &'static str> {
    match path.len() {
        0 => Err("expected a path after unix:"),
        1..=107 if !path.contains('\0') => Ok(path.into()),
        _ => Err("a unix socket path has at most 107 bytes"),
    }
}

/// A network: an address and the number of leading bits that count. Host bits are zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cidr {
    network: IpAddr,
    bits: u8,
}

impl Cidr {
    /// A network; host bits are cleared. `None` if `bits` is more than the address has.
    pub fn new(address: IpAddr, bits: u8) -> Option<Cidr> {
        let network = match address {
            IpAddr::V4(v4) if bits <= 32 => IpAddr::V4((v4.to_bits() & mask32(bits)).into()),
            IpAddr::V6(v6) if bits <= 128 => IpAddr::V6((v6.to_bits() & mask128(bits)).into()),
            _ => return None,
        };
        Some(Cidr { network, bits })
    }

    /// Whether the address lies in the network. A v4-mapped v6 address counts as its v4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => ip.to_bits() & mask32(self.bits) == net.to_bits(),
            (IpAddr::V6(net), IpAddr::V6(ip)) => ip.to_bits() & mask128(self.bits) == net.to_bits(),
            _ => false,
        }
    }
}

fn mask32(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

fn mask128(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Cidr, &'static str> {
        let wrong = "expected a network like 10.0.0.0/8, fd00::/8 or a single address";
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| wrong)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        Cidr::new(address, bits.unwrap_or(all)).ok_or("more bits than the address has")
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_print_the_same() {
        for text in ["10.0.0.1:80", "[::1]:8080", "app.internal:80", "unix:/run/a.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in
            ["", "10.0.0.1", "10.0.0.256:80", "a b:80", "a:0", "a:65536", "unix:", "1.2.3.4:0"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn networks_contain_their_addresses() {
        let private: Cidr = "10.1.2.3/8".parse().unwrap();
        assert_eq!(private.to_string(), "10.0.0.0/8");
        assert!(private.contains("10.255.0.1".parse().unwrap()));
        assert!(private.contains("::ffff:10.0.0.1".parse().unwrap()));
        assert!(!private.contains("11.0.0.1".parse().unwrap()));
        assert!("::/0".parse::<Cidr>().unwrap().contains("::1".parse().unwrap()));
        assert!("10.0.0.0/33".parse::<Cidr>().is_err());
    }
}
