//! Which route takes a TCP connection, by the names in its ClientHello. The same rule as for
//! requests: the first in file order that matches wins.

use evenkeel_plan::{HostMatch, Name, Route};

use super::hosts::Hosts;

/// The routes of one TCP listener, indexed by server name.
pub struct ServerNames {
    names: Hosts<Vec<u32>>,
    any: Vec<u32>,
    /// Protocols of each route by its number; empty: every one.
    protocols: Vec<Box<[Box<[u8]>]>>,
}

/// What a ClientHello asks for.
#[derive(Clone, Copy, Debug)]
pub struct ServerName<'a> {
    /// The server name in lower case; empty when it names none.
    pub name: &'a [u8],
    /// The protocols it offers by ALPN.
    pub protocols: &'a [&'a [u8]],
}

/// Why a route does not take a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Miss {
    /// It asks for another name.
    Name,
    /// It asks for a protocol that the client does not offer.
    Protocol,
}

impl ServerNames {
    /// The routes that name the listener; `None` when there are none, and nothing need be read.
    /// Numbers are positions in `routes`.
    pub fn build(routes: &[Route], listener: &Name) -> Option<ServerNames> {
        let mut built = ServerNames {
            names: Hosts::default(),
            any: Vec::new(),
            protocols: routes
                .iter()
                .map(|route| route.alpn.iter().map(|p| p.as_bytes().into()).collect())
                .collect(),
        };
        let mut found = false;
        for (number, route) in (0_u32..).zip(routes) {
            if !route.listeners.contains(listener) {
                continue;
            }
            found = true;
            if route.sni.is_empty() {
                built.any.push(number);
            }
            for name in &route.sni {
                match name {
                    HostMatch::Exact(name) => built.names.exact(name).push(number),
                    HostMatch::Wildcard(parent) => built.names.below(parent).push(number),
                }
            }
        }
        found.then_some(built)
    }

    /// The number of the first route that takes the connection.
    pub fn find(&self, wanted: ServerName<'_>) -> Option<u32> {
        let first = |list: &Vec<u32>| list.iter().copied().find(|n| self.offers(*n, wanted));
        self.lists(wanted).filter_map(first).min()
    }

    /// Why a route does not take the connection; `None` when it would, were it the first.
    pub fn miss(&self, number: u32, wanted: ServerName<'_>) -> Option<Miss> {
        if !self.lists(wanted).any(|list| list.contains(&number)) {
            return Some(Miss::Name);
        }
        (!self.offers(number, wanted)).then_some(Miss::Protocol)
    }

    /// The routes that the name leads to, by each way it does.
    fn lists<'a>(&'a self, wanted: ServerName<'a>) -> impl Iterator<Item = &'a Vec<u32>> {
        let name = wanted.name.strip_suffix(b".").unwrap_or(wanted.name);
        self.names.matching(name).chain([&self.any])
    }

    fn offers(&self, number: u32, wanted: ServerName<'_>) -> bool {
        self.protocols.get(number as usize).is_some_and(|protocols| {
            protocols.is_empty()
                || protocols.iter().any(|protocol| wanted.protocols.contains(&&**protocol))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_plan::Action;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn route(sni: &[&str], alpn: &[&str]) -> Route {
        let mut route = Route::new(name("r"), Action::Pool(name("p")));
        route.listeners.push(name("tls"));
        route.sni = sni
            .iter()
            .map(|sni| match sni.strip_prefix("*.") {
                Some(parent) => HostMatch::Wildcard(parent.to_owned()),
                None => HostMatch::Exact((*sni).to_owned()),
            })
            .collect();
        route.alpn = alpn.iter().map(|alpn| (*alpn).to_owned()).collect();
        route
    }

    #[test]
    fn the_first_route_in_file_order_wins() {
        let routes = [
            route(&["a.example"], &["h2"]),
            route(&["*.example"], &[]),
            route(&["a.example"], &[]),
            route(&[], &["smtp"]),
            route(&["b.test", "*.b.test"], &[]),
        ];
        let names = ServerNames::build(&routes, &name("tls")).unwrap();
        let find = |name: &str, protocols: &[&[u8]]| {
            names.find(ServerName { name: name.as_bytes(), protocols })
        };
        assert_eq!(find("a.example", &[b"h2", b"http/1.1"]), Some(0));
        assert_eq!(find("a.example", &[]), Some(1));
        assert_eq!(find("x.y.example", &[b"h2"]), Some(1));
        assert_eq!(find("example", &[]), None);
        assert_eq!(find("b.test.", &[]), Some(4));
        assert_eq!(find("b.test", &[b"smtp"]), Some(3));
        assert_eq!(find("", &[]), None);
        assert_eq!(find("", &[b"smtp"]), Some(3));
        let wanted = ServerName { name: b"a.example", protocols: &[b"http/1.1"] };
        let misses = [0, 1, 2, 3, 4].map(|number| names.miss(number, wanted));
        let (name, protocol) = (Some(Miss::Name), Some(Miss::Protocol));
        assert_eq!(misses, [protocol, None, None, protocol, name]);
    }

    #[test]
    fn nothing_is_read_for_a_listener_without_routes() {
        assert!(ServerNames::build(&[route(&[], &[])], &name("other")).is_none());
    }
}
