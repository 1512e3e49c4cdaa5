//! `Require`: who may come.

use std::net::IpAddr;

use crate::expr::{Expr, Scene};
use crate::network::Network;

/// A rule about who may come.
#[derive(Clone, PartialEq, Debug)]
pub enum Access {
    /// Everyone, or no one.
    All(bool),
    /// From these networks.
    From(Vec<Network>),
    /// From this machine.
    Local,
    /// The request has one of these methods.
    Method(Vec<String>),
    /// One of these variables is set.
    Env(Vec<String>),
    /// The expression holds.
    Expr(Expr),
    /// The client's name: never known here.
    Never,
    /// Not.
    Not(Box<Access>),
    /// `<RequireAll>`.
    Each(Vec<Access>),
    /// `<RequireAny>`, and lines without a section.
    Any(Vec<Access>),
    /// `<RequireNone>`.
    None(Vec<Access>),
}

impl Access {
    /// Whether the client may come.
    pub fn admits(&self, client: IpAddr, server: IpAddr, scene: &dyn Scene) -> bool {
        let inner = |rule: &Access| rule.admits(client, server, scene);
        match self {
            Access::All(granted) => *granted,
            Access::From(networks) => networks.iter().any(|network| network.contains(client)),
            Access::Local => client.is_loopback() || client == server,
            Access::Method(methods) => {
                let method = scene.variable("REQUEST_METHOD");
                methods.iter().any(|known| known.as_bytes() == method)
            }
            Access::Env(names) => names.iter().any(|name| !scene.environment(name).is_empty()),
            Access::Expr(expr) => expr.holds(scene),
            Access::Never => false,
            Access::Not(rule) => !inner(rule),
            Access::Each(rules) => rules.iter().all(inner),
            Access::Any(rules) => rules.iter().any(inner),
            Access::None(rules) => !rules.iter().any(inner),
        }
    }
}
