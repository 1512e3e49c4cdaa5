//! Which server a request is for: the address it came to, then its host.

use std::net::SocketAddr;

use crate::pattern::shell_match;
use crate::scene::without_port;
use crate::site::{Site, SiteAddress, Sites};

impl Sites {
    /// The position of the server for a request to that host that came to that address.
    pub(crate) fn select(&self, local: SocketAddr, host: &[u8]) -> usize {
        let serves = |site: &Site, exact: bool| {
            site.addresses.iter().any(|address| address.is(local, exact))
        };
        let of = |exact| -> Vec<usize> {
            (1..self.sites.len()).filter(|at| serves(&self.sites[*at], exact)).collect()
        };
        let mut set = of(true);
        if set.is_empty() {
            set = of(false);
        }
        let host = without_port(host);
        let host = host.strip_suffix(b".").unwrap_or(host).to_ascii_lowercase();
        let named = set.iter().find(|at| {
            let names = &self.sites[**at].names;
            names.iter().any(|name| shell_match(name.as_bytes(), &host, false))
        });
        // Whoever is first in a set is its default; without a set there is the main server.
        named.or(set.first()).copied().unwrap_or(0)
    }
}

impl SiteAddress {
    fn is(&self, local: SocketAddr, exact: bool) -> bool {
        let port = self.port.is_none_or(|port| port == local.port());
        match self.ip {
            Some(ip) => exact && port && ip == local.ip().to_canonical(),
            None => !exact && port,
        }
    }
}
