//! Which server a request is for: the address it came to, then its host.

use std::net::SocketAddr;

use crate::pattern::shell_match;
use crate::scene::without_port;
use crate::site::{AddressSet, SiteAddress, Sites};

impl Sites {
    /// Joins virtual hosts of one address to sets; to be called when all sites are there.
    pub fn arrange(&mut self) {
        let mut named: Vec<AddressSet> = Vec::new();
        let mut every: Vec<AddressSet> = Vec::new();
        for (at, site) in self.sites.iter().enumerate().skip(1) {
            for address in &site.addresses {
                let known = match address.ip {
                    Some(_) => named.iter_mut().find(|set| set.address == *address),
                    // What is found first for the port, and is of just that port.
                    None => every
                        .iter_mut()
                        .find(|set| set.address.port.is_none_or(|own| Some(own) == address.port))
                        .filter(|set| set.address.port == address.port),
                };
                match known {
                    Some(set) if set.sites.last() == Some(&at) => {}
                    Some(set) => set.sites.push(at),
                    None => {
                        let set = AddressSet { address: address.clone(), sites: vec![at] };
                        match address.ip {
                            Some(_) => named.push(set),
                            // Those for every address are asked last one first.
                            None => every.insert(0, set),
                        }
                    }
                }
            }
        }
        self.sets = named.into_iter().chain(every).collect();
    }

    /// The virtual hosts that serve an address; the first is its default.
    fn serving(&self, local: SocketAddr) -> &[usize] {
        let (ip, port) = (local.ip().to_canonical(), local.port());
        let find =
            |fits: &dyn Fn(&SiteAddress) -> bool| self.sets.iter().find(|set| fits(&set.address));
        let set = find(&|of| of.ip == Some(ip) && of.port == Some(port))
            .or_else(|| find(&|of| of.ip == Some(ip) && of.port.is_none()))
            .or_else(|| find(&|of| of.ip.is_none() && of.port.is_none_or(|own| own == port)));
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
