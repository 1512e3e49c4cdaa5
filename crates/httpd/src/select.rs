//! Which server a request is for: the address it came to, then its host.

use std::net::SocketAddr;

use crate::pattern::shell_match;
use crate::scene::without_port;
use crate::site::{AddressSet, SiteAddress, Sites};

impl Sites {
    /// Joins virtual hosts of one address to sets; to be called when all sites are there.
    pub fn arrange(&mut self) {
        self.sets.clear();
        for (at, site) in self.sites.iter().enumerate().skip(1) {
            for address in &site.addresses {
                match self.sets.iter_mut().find(|set| set.address == *address) {
                    Some(set) if set.sites.last() == Some(&at) => {}
                    Some(set) => set.sites.push(at),
                    None => {
                        let set = AddressSet { address: address.clone(), sites: vec![at] };
                        self.sets.push(set);
                    }
                }
            }
        }
    }

    /// The virtual hosts that serve an address; the first is its default.
    fn serving(&self, local: SocketAddr) -> &[usize] {
        let (ip, port) = (local.ip().to_canonical(), local.port());
        // An address before none, then a port before none.
        let of = [(Some(ip), Some(port)), (Some(ip), None), (None, Some(port)), (None, None)];
        let set = of.into_iter().find_map(|(ip, port)| {
            self.sets.iter().find(|set| set.address == SiteAddress { ip, port })
        });
        set.map_or(&[], |set| &set.sites)
    }

    /// The server of an address, before a host is known; 0: the main one.
    pub(crate) fn first_of(&self, local: SocketAddr) -> usize {
        self.serving(local).first().copied().unwrap_or(0)
    }

    /// The position of the server for a request to that host that came to that address.
    pub(crate) fn select(&self, local: SocketAddr, host: &[u8]) -> usize {
        let set = self.serving(local);
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
