//! What was gathered: the main server, its virtual hosts, balancers.

use std::time::Duration;

use evenkeel_plan::{HeaderEdits, HostMatch};

use crate::apache::{Arg, Place};

/// Everything.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) listens: Vec<Listen>,
    pub(super) main: Site,
    pub(super) hosts: Vec<Site>,
    pub(super) balancers: Vec<Balancer>,
    pub(super) checks: super::pools::Checks,
    /// Workers that rules have named, by URL.
    pub(super) workers: Vec<String>,
}

/// `Listen`.
#[derive(Clone)]
pub(super) struct Listen {
    /// As written, brackets included; `None`: every address.
    pub(super) address: Option<String>,
    pub(super) port: u16,
}

/// The main server, or a virtual host.
#[derive(Default)]
pub(super) struct Site {
    /// `*:80` and the like.
    pub(super) addresses: Vec<String>,
    pub(super) names: Vec<HostMatch>,
    pub(super) passes: Vec<Pass>,
    /// In file order.
    pub(super) locations: Vec<Location>,
    pub(super) own: Settings,
}

/// What may be said of a server and of a location.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) preserve_host: Option<bool>,
    pub(super) add_headers: Option<bool>,
    pub(super) timeout: Option<Duration>,
    pub(super) proxy_timeout: Option<Duration>,
    /// Path of ours, and what members say.
    pub(super) reverses: Vec<(String, String)>,
    pub(super) request_headers: HeaderEdits,
    pub(super) response_headers: HeaderEdits,
    /// Cookies that announce a route: the name, and the line with `{tag}`.
    pub(super) announced: Vec<(String, String)>,
}

/// `<Location>`.
pub(super) struct Location {
    pub(super) path: Matched,
    pub(super) pass: Option<Pass>,
    pub(super) own: Settings,
    /// It holds more than a `ProxyPass`.
    pub(super) said: bool,
}

/// What a path must look like.
#[derive(Clone, PartialEq)]
pub(super) enum Matched {
    /// As in `ProxyPass`.
    Prefix(String),
    Pattern(String),
}

/// `ProxyPass`.
#[derive(Clone)]
pub(super) struct Pass {
    pub(super) path: Matched,
    /// `None` for `!`.
    pub(super) to: Option<String>,
    pub(super) words: Vec<Word>,
    pub(super) at: Place,
}

/// `key=value`.
#[derive(Clone)]
pub(super) struct Word {
    /// In lower case.
    pub(super) key: String,
    pub(super) value: String,
    pub(super) at: Place,
}

/// `balancer://name`.
pub(super) struct Balancer {
    /// In lower case.
    pub(super) name: String,
    pub(super) members: Vec<MemberLine>,
    pub(super) words: Vec<Word>,
}

/// `BalancerMember`.
pub(super) struct MemberLine {
    pub(super) url: String,
    pub(super) words: Vec<Word>,
    pub(super) at: Place,
}

impl Gathered {
    /// The balancer of `balancer://NAME/…`, made when it is new.
    pub(super) fn balancer(&mut self, url: &str) -> &mut Balancer {
        let name = balancer_name(url);
        let at = match self.balancers.iter().position(|balancer| balancer.name == name) {
            Some(at) => at,
            None => {
                self.balancers.push(Balancer { name, members: Vec::new(), words: Vec::new() });
                self.balancers.len() - 1
            }
        };
        &mut self.balancers[at]
    }
}

/// `mycluster` of `balancer://MyCluster/path`.
pub(super) fn balancer_name(url: &str) -> String {
    let rest = url.get("balancer://".len()..).unwrap_or_default();
    rest.split('/').next().unwrap_or_default().to_ascii_lowercase()
}

/// Whether it is `balancer://…`, in any case.
pub(super) fn is_balancer(url: &str) -> bool {
    url.get(.."balancer://".len()).is_some_and(|start| start.eq_ignore_ascii_case("balancer://"))
}

/// The words `key=value` among arguments; the others, in order.
pub(super) fn words(args: &[Arg], at: &Place) -> (Vec<Word>, Vec<String>) {
    let mut words = Vec::new();
    let mut others = Vec::new();
    for arg in args {
        match arg.text.split_once('=') {
            Some((key, value)) => words.push(Word {
                key: key.to_ascii_lowercase(),
                value: value.to_owned(),
                at: Place { span: arg.span.clone(), ..at.clone() },
            }),
            None => others.push(arg.text.clone()),
        }
    }
    (words, others)
}
