//! Which listener is asked about, and what there is when it is none of them.

use std::net::SocketAddr;

use evenkeel_plan::{BindAddress, Protocol};
use evenkeel_proxy::snapshot::{ListenerRt, Snapshot};

/// Addresses that are listed of one listener; ranges of ports have up to 1024.
const LISTED: usize = 4;

/// The HTTP listener on a URL's port; when none has it, the first.
pub(super) fn of_request(snapshot: &Snapshot, port: u16) -> Result<&ListenerRt, String> {
    let has_port = |listener: &&ListenerRt| {
        listener
            .plan
            .bind
            .iter()
            .any(|bind| matches!(bind, BindAddress::Socket(s) if s.port() == port))
    };
    let http = || snapshot.listeners.iter().filter(|l| l.plan.protocol == Protocol::Http);
    // HTTP over UDP would be HTTP/3, and a client that finds none comes by TCP.
    let other = snapshot.listeners.iter().find(|l| has_port(l) && l.plan.protocol == Protocol::Tcp);
    if let Some(found) = http().find(has_port) {
        return Ok(found);
    }
    match (other, http().next()) {
        (Some(other), _) => Err(wrong_kind(other, &format!("port {port}"))),
        (None, Some(first)) => Ok(first),
        (None, None) => Err(format!("no HTTP listener; {}", all(snapshot))),
    }
}

/// The listener that a connection or flow comes to, by address or name, and the address.
pub(super) fn of_arrival<'a>(
    snapshot: &'a Snapshot,
    protocol: Protocol,
    place: &str,
) -> Result<(&'a ListenerRt, Option<SocketAddr>), String> {
    let right = |listener: &&ListenerRt| listener.plan.protocol == protocol;
    if let Some(named) = snapshot.listeners.iter().find(|l| &*l.plan.name == place) {
        return if right(&named) { Ok((named, None)) } else { Err(wrong_kind(named, place)) };
    }
    let kind = protocol.name().to_uppercase();
    let listens = Whither::read(place)
        .ok_or_else(|| format!("no {kind} listener is called {place:?}; {}", all(snapshot)))?;
    // Whoever listens on the very address comes before who listens on all.
    for exact in [true, false] {
        let found = |listener: &&ListenerRt| listens.to(listener, exact).is_some();
        if let Some(listener) = snapshot.listeners.iter().filter(right).find(found) {
            return Ok((listener, listens.to(listener, exact)));
        }
    }
    let other = snapshot.listeners.iter().find(|listener| listens.to(listener, false).is_some());
    Err(match other {
        Some(other) => wrong_kind(other, place),
        None => format!("no {kind} listener at {place}; {}", all(snapshot)),
    })
}

/// Where somebody goes: to an address, or to a port of a machine by its name.
enum Whither {
    Address(SocketAddr),
    Port(u16),
}

impl Whither {
    fn read(place: &str) -> Option<Whither> {
        if let Ok(address) = place.parse() {
            return Some(Whither::Address(address));
        }
        place.rsplit_once(':')?.1.parse().ok().map(Whither::Port)
    }

    /// The address that it comes to on a listener. `exact`: those that listen on this very one.
    fn to(&self, listener: &ListenerRt, exact: bool) -> Option<SocketAddr> {
        listener.plan.bind.iter().find_map(|bind| {
            let BindAddress::Socket(bind) = bind else { return None };
            match self {
                Whither::Address(address) if address == bind => Some(*address),
                Whither::Address(address) => (!exact
                    && bind.ip().is_unspecified()
                    && bind.is_ipv4() == address.is_ipv4()
                    && bind.port() == address.port())
                .then_some(*address),
                Whither::Port(port) => (bind.port() == *port).then_some(*bind),
            }
        })
    }
}

fn wrong_kind(listener: &ListenerRt, place: &str) -> String {
    let (name, kind) = (&listener.plan.name, listener.plan.protocol.name());
    let how = match listener.plan.protocol {
        Protocol::Http => "METHOD http://HOST/PATH".to_owned(),
        Protocol::Tcp | Protocol::Udp => format!("{kind}://{name}"),
    };
    let kind = kind.to_uppercase();
    format!("{place} is the listener {name}, which speaks {kind}: evenkeel explain {how}")
}

/// What listeners there are.
fn all(snapshot: &Snapshot) -> String {
    let one = |listener: &ListenerRt| {
        let plan = &listener.plan;
        format!("{} {} ({})", plan.protocol.name(), plan.name, binds(listener))
    };
    let listed: Vec<String> = snapshot.listeners.iter().map(one).collect();
    match listed.is_empty() {
        true => "the configuration has no listener".to_owned(),
        false => format!("there are: {}", listed.join(", ")),
    }
}

/// Where a listener accepts.
pub(super) fn binds(listener: &ListenerRt) -> String {
    let binds = &listener.plan.bind;
    let shown = if binds.len() > LISTED { 1 } else { LISTED };
    let mut text: Vec<String> = binds.iter().take(shown).map(ToString::to_string).collect();
    if binds.len() > LISTED {
        text.push(format!("and {} more", binds.len() - shown));
    }
    text.join(" ")
}
