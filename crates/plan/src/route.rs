use crate::{Conditions, Name, Split};

/// Which requests go where. The first route that matches, in file order, wins.
#[derive(Clone, PartialEq, Debug)]
pub struct Route {
    /// Unique among routes. Default: `route-N`, N counting from 1 in file order.
    pub name: Name,
    /// The listeners it applies to; empty: all that speak HTTP.
    pub listeners: Vec<Name>,
    /// Any of these hosts; empty: every host.
    pub hosts: Vec<HostMatch>,
    /// Any of these paths; empty: every path.
    pub paths: Vec<PathMatch>,
    /// Any of these methods (upper case tokens); empty: every method.
    pub methods: Vec<String>,
    /// What else the request must have.
    pub conditions: Conditions,
    /// On TCP listeners: any of these server names in the TLS ClientHello; empty: every name, and
    /// none.
    pub sni: Vec<HostMatch>,
    /// On TCP listeners: any of these protocols in the ClientHello's ALPN; empty: every one.
    pub alpn: Vec<String>,
    /// What happens to the request.
    pub action: Action,
    /// Changes to the path before it is sent on.
    pub rewrite: Option<Rewrite>,
    /// Changes to the request's headers, after the balancer's own.
    pub request_headers: HeaderEdits,
    /// Changes to the answer's headers.
    pub response_headers: HeaderEdits,
    /// Changes to where answers point (`Location`, `Content-Location`); the first that fits.
    pub reverse: Vec<Reverse>,
}

impl Route {
    /// A route for everything.
    pub fn new(name: Name, action: Action) -> Route {
        Route {
            name,
            listeners: Vec::new(),
            hosts: Vec::new(),
            paths: Vec::new(),
            methods: Vec::new(),
            conditions: Conditions::default(),
            sni: Vec::new(),
            alpn: Vec::new(),
            action,
            rewrite: None,
            request_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
            reverse: Vec::new(),
        }
    }
}

impl Action {
    /// The pools it may lead to.
    pub fn pools(&self) -> impl Iterator<Item = &Name> {
        let (one, several) = match self {
            Action::Pool(name) => (Some(name), None),
            Action::Split(split) => (None, Some(&split.parts)),
            Action::Redirect(_) | Action::Respond(_) => (None, None),
        };
        one.into_iter().chain(several.into_iter().flatten().map(|(name, _)| name))
    }
}

/// What happens to a request that a route takes.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// A member of the pool serves it.
    Pool(Name),
    /// A member of one of several pools serves it.
    Split(Split),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// A fixed answer.
    Respond(Respond),
}

/// A host that a route matches. Compared without port and case.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum HostMatch {
    /// `shop.example.com`, lower case; an IP literal is allowed.
    Exact(String),
    /// `*.example.com` stored as `example.com`: any host with at least one more label.
    Wildcard(String),
}

/// A path that a route matches, compared after percent-decoding of unreserved characters and
/// removal of dot segments (RFC 3986 section 6.2.2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PathMatch {
    /// `/x`: just this path.
    Exact(String),
    /// `/x/*` stored as `/x`: the path itself and all below it. `/*` is stored as the empty text.
    Prefix(String),
    /// `~^/v[0-9]+/`: a regular expression, stored without the `~`, searched (not anchored) in the
    /// path. Checked by the configuration door to compile within 1 MiB.
    Regex(String),
}

/// A redirect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308; 302 by default.
    pub status: u16,
    /// Where to. `{scheme}`, `{host}`, `{path}` and `{query}` (with its `?`, if any) are replaced.
    pub to: String,
}

/// A fixed answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Respond {
    /// 200 to 599; 200 by default.
    pub status: u16,
    /// The body; at most 64 KiB.
    pub body: String,
    /// `text/plain; charset=utf-8` by default.
    pub content_type: String,
}

/// A change of the path: the leading `prefix` becomes `to`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rewrite {
    /// What the path must begin with, by whole segments; other paths stay as they are.
    pub prefix: String,
    /// What stands there instead; begins with `/`.
    pub to: String,
}

/// A change of where an answer points: what begins with `from` points below `to` instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reverse {
    /// `http://10.0.0.11:8080/base/`: compared without case over its whole length. Beginning with
    /// `/`: compared with the path, whatever the host.
    pub from: String,
    /// What stands there instead; begins with `/`. The request's scheme and host are put before.
    pub to: String,
}

/// Changes to headers, applied in the order remove, set, add. At most 100 in all.
/// Names are lower case.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HeaderEdits {
    /// Taken out.
    pub remove: Vec<String>,
    /// Replaced, or added when absent.
    pub set: Vec<(String, HeaderValue)>,
    /// Added beside what is there.
    pub add: Vec<(String, HeaderValue)>,
}

impl HeaderEdits {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// A header value: visible ASCII, blanks and tabs, and bytes from 0x80, without blanks at the
/// ends. `{client}`, `{host}`, `{scheme}`, `{path}`, `{request_id}` and `{member}` are replaced.
pub type HeaderValue = String;
