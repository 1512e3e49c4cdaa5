//! mod_access_compat.

use std::net::IpAddr;

use super::Methods;
use crate::expr::Scene;
use crate::network::Network;

/// `Order`, `Allow from`, `Deny from`, `Satisfy` of one section; inner ones take the place of
/// outer ones whole.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Old {
    /// `Order`; of each method the last counts. Without one: [`Order::AllowLast`].
    pub orders: Vec<(Option<Methods>, Order)>,
    /// `Allow from`.
    pub allowed: Vec<(Option<Methods>, Who)>,
    /// `Deny from`.
    pub denied: Vec<(Option<Methods>, Who)>,
    /// `Satisfy Any`: either this or `Require` must let the client in. Of each method the last
    /// counts.
    pub any: Vec<(Option<Methods>, bool)>,
}

/// `Order`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// `deny,allow`: what is not denied may come, and what is allowed in any case.
    #[default]
    AllowLast,
    /// `allow,deny`: what is allowed may come, unless it is denied.
    DenyLast,
    /// `mutual-failure`: what is allowed and not denied.
    Both,
}

/// Whom a line is about.
#[derive(Clone, PartialEq, Debug)]
pub enum Who {
    /// All.
    All,
    /// Those of a network.
    From(Network),
    /// Requests for which the variable is set, or is not.
    Env(String, bool),
    /// Hosts by name: never known here.
    Never,
}

impl Old {
    /// Whether the client may come.
    pub fn admits(&self, client: IpAddr, scene: &dyn Scene) -> bool {
        let method = scene.variable("REQUEST_METHOD");
        let named = |lines: &[(Option<Methods>, Who)]| {
            lines.iter().any(|(methods, who)| {
                methods.as_ref().is_none_or(|methods| methods.has(&method)) && who.is(client, scene)
            })
        };
        let (allowed, denied) = (named(&self.allowed), named(&self.denied));
        match last(&self.orders, &method).unwrap_or_default() {
            Order::AllowLast => allowed || !denied,
            Order::DenyLast | Order::Both => allowed && !denied,
        }
    }

    /// Whether `Require` alone, or this alone, is enough.
    pub fn either(&self, method: &[u8]) -> bool {
        last(&self.any, method).unwrap_or(false)
    }
}

fn last<T: Copy>(lines: &[(Option<Methods>, T)], method: &[u8]) -> Option<T> {
    let about = |methods: &Option<Methods>| methods.as_ref().is_none_or(|m| m.has(method));
    lines.iter().rev().find(|(methods, _)| about(methods)).map(|(_, value)| *value)
}

impl Who {
    fn is(&self, client: IpAddr, scene: &dyn Scene) -> bool {
        match self {
            Who::All => true,
            Who::From(network) => network.contains(client),
            Who::Env(name, wanted) => scene.is_set(name) == *wanted,
            Who::Never => false,
        }
    }
}
