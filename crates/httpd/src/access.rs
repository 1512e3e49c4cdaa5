//! `Require`: who may come; and the words of httpd 2.2, `Order`, `Allow`, `Deny`, `Satisfy`.

mod old;

use std::net::IpAddr;

pub use old::{Old, Order, Who};

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
    /// Within `<Limit>` and `<LimitExcept>`: about requests with these methods only.
    Limited(Methods, Box<Access>),
}

/// What a rule says of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgment {
    /// It may come.
    Granted,
    /// It may not.
    Denied,
    /// Nothing: a refusal that is not for it, a rule about other methods.
    Neutral,
}

/// How the rules of a section and those of the sections around it go together: `AuthMerging`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merging {
    /// The inner ones count alone.
    Off,
    /// Both must grant.
    And,
    /// One must grant.
    Or,
}

/// Methods by name. `GET` stands for `HEAD` too.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Methods {
    /// Their names; case counts.
    pub names: Vec<String>,
    /// All others.
    pub except: bool,
}

impl Methods {
    /// Whether it is one of them.
    pub fn has(&self, method: &[u8]) -> bool {
        let method: &[u8] = if method == b"HEAD" { b"GET" } else { method };
        let name = |name: &String| match &**name {
            "HEAD" => method == b"GET",
            name => name.as_bytes() == method,
        };
        self.names.iter().any(name) != self.except
    }
}

impl Access {
    /// Whether the client may come.
    pub fn admits(&self, client: IpAddr, server: IpAddr, scene: &dyn Scene) -> bool {
        match self.judges(client, server, scene) {
            Judgment::Granted => true,
            Judgment::Denied => false,
            Judgment::Neutral => !self.concerns(&scene.variable("REQUEST_METHOD")),
        }
    }

    /// Whether it grants nothing by itself, so that it is of use beside others only.
    pub fn only_refuses(&self) -> bool {
        match self {
            Access::Not(_) | Access::None(_) => true,
            Access::Limited(_, inner) => inner.only_refuses(),
            _ => false,
        }
    }

    fn judges(&self, client: IpAddr, server: IpAddr, scene: &dyn Scene) -> Judgment {
        let inner = |rule: &Access| rule.judges(client, server, scene);
        let simple = match self {
            Access::All(granted) => *granted,
            Access::From(networks) => networks.iter().any(|network| network.contains(client)),
            Access::Local => client.is_loopback() || client == server,
            Access::Method(methods) => {
                let method = scene.variable("REQUEST_METHOD");
                methods.iter().any(|known| known.as_bytes() == method)
            }
            Access::Env(names) => names.iter().any(|name| scene.is_set(name)),
            Access::Expr(expr) => expr.holds(scene),
            Access::Never => false,
            Access::Not(rule) => return inner(rule).turned(),
            Access::Each(rules) => return each(rules.iter().map(inner)),
            Access::Any(rules) => return any(rules.iter().map(inner)),
            Access::None(rules) => return any(rules.iter().map(inner)).turned(),
            Access::Limited(methods, rule) => {
                return match methods.has(&scene.variable("REQUEST_METHOD")) {
                    true => inner(rule),
                    false => Judgment::Neutral,
                };
            }
        };
        if simple { Judgment::Granted } else { Judgment::Denied }
    }

    /// Whether it is about requests with that method at all.
    fn concerns(&self, method: &[u8]) -> bool {
        match self {
            Access::Limited(methods, _) => methods.has(method),
            Access::Each(rules) | Access::Any(rules) | Access::None(rules) => {
                rules.iter().any(|rule| rule.concerns(method))
            }
            _ => true,
        }
    }
}

impl Judgment {
    /// That someone is not refused does not let him in.
    fn turned(self) -> Judgment {
        match self {
            Judgment::Granted => Judgment::Denied,
            Judgment::Denied | Judgment::Neutral => Judgment::Neutral,
        }
    }
}

fn each(judgments: impl Iterator<Item = Judgment>) -> Judgment {
    let mut all = Judgment::Neutral;
    for judgment in judgments {
        match judgment {
            Judgment::Denied => return Judgment::Denied,
            Judgment::Granted => all = Judgment::Granted,
            Judgment::Neutral => {}
        }
    }
    all
}

fn any(judgments: impl Iterator<Item = Judgment>) -> Judgment {
    let mut all = Judgment::Neutral;
    for judgment in judgments {
        match judgment {
            Judgment::Granted => return Judgment::Granted,
            Judgment::Denied => all = Judgment::Denied,
            Judgment::Neutral => {}
        }
    }
    all
}
