//! The head of a request as a member gets it.

use crate::headers::{joined, put};
use crate::passage::{Passage, Verdict};
use crate::site::{MemberNames, Via};

/// How the connection to the member is to be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Manner {
    /// `force-proxy-request-1.0`.
    pub old: bool,
    /// `proxy-nokeepalive`, and what follows from the above.
    pub once: bool,
}

impl Passage {
    /// How the connection to the member is to be used.
    pub fn manner(&self) -> Manner {
        let old = self.env.has("force-proxy-request-1.0");
        Manner { old, once: old || self.env.has("proxy-nokeepalive") }
    }

    /// Whether the connection to the member carries this request only.
    pub fn is_lone(&self, at: usize) -> bool {
        self.member(at).is_some_and(|member| member.once)
    }

    /// The host that members of TLS must have, if it is the client's (`ProxyPreserveHost`).
    pub fn preserved_host(&self) -> Option<&[u8]> {
        let host = self.facts.host_name();
        (self.place.preserve_host == Some(true) && !host.is_empty()).then_some(host)
    }

    /// Whether the member was found by the route of the client's session.
    pub fn is_bound(&self) -> bool {
        let route = self.env.get("BALANCER_SESSION_ROUTE");
        route.is_some_and(|route| !route.is_empty()) && !self.env.has("BALANCER_ROUTE_CHANGED")
    }

    /// Whether the member is to ask for the body itself (`Proxy100Continue`).
    pub fn forwards_expectation(&self) -> bool {
        self.place.forwards_expectation != Some(false) && !self.manner().old
    }

    /// Takes the expectation out of what members get.
    pub fn forget_expectation(&mut self) {
        self.facts.fields.retain(|(name, _)| !name.eq_ignore_ascii_case(b"expect"));
    }

    /// Whether a body must have a length: `proxy-sendcl`, or a member of HTTP/1.0.
    pub fn wants_length(&self) -> bool {
        let chunks = ["proxy-sendchunked", "proxy-sendchunks"];
        let cancelled = chunks.iter().any(|name| self.env.has(name));
        self.manner().old || self.env.has("proxy-sendcl") && !cancelled
    }

    /// Whether the first request of a client gets a fresh connection to the member.
    pub fn begins_afresh(&self) -> bool {
        self.env.has("proxy-initial-not-pooled")
    }

    /// Whether interim answers are kept from the client.
    pub fn hides_interim(&self) -> bool {
        let value = self.env.get("proxy-interim-response");
        value.is_some_and(|value| value.eq_ignore_ascii_case(b"suppress"))
    }

    /// The member a request goes to.
    pub fn member(&self, at: usize) -> Option<&MemberNames> {
        let Verdict::Proxy(toward) = &self.verdict else { return None };
        self.sites.balancers.get(toward.balancer)?.members.get(at)
    }

    /// Whether the member may be asked to switch to that protocol.
    pub fn may_switch(&self, at: usize, protocol: &[u8]) -> bool {
        let Some(member) = self.member(at) else { return false };
        let known = |one: &String| one == "*" || one.as_bytes().eq_ignore_ascii_case(protocol);
        member.upgrade.iter().any(known)
    }

    /// Writes request line and fields, without those that frame a body and the empty line. Members
    /// that are `foreign` to HTTP learn of the client otherwise.
    pub fn write_request(&self, at: usize, foreign: bool, out: &mut Vec<u8>) {
        let Verdict::Proxy(toward) = &self.verdict else { return };
        let none = MemberNames::default();
        let member = self.member(at).unwrap_or(&none);
        out.extend_from_slice(&self.facts.method);
        out.push(b' ');
        out.extend_from_slice(member.path.as_bytes());
        out.extend_from_slice(&toward.target);
        let old = self.manner().old;
        out.extend_from_slice(if old { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" });
        let wanted = foreign || self.place.preserve_host == Some(true);
        let nobody = wanted && self.facts.host.is_empty();
        let preserve = wanted && !nobody;
        // With the client's host, what rules made of the field counts.
        let ruled = joined(&self.facts.fields, b"host").filter(|_| preserve);
        let host = match (&ruled, preserve) {
            (Some(host), _) => &host[..],
            (None, true) => &self.facts.host[..],
            // Old clients name none: then it is for the server.
            (None, false) if nobody => self.server().name.as_bytes(),
            (None, false) => member.host.as_bytes(),
        };
        line(out, b"Host", host);
        let mut fields = self.facts.fields.clone();
        fields.retain(|field| !field.0.eq_ignore_ascii_case(b"host"));
        self.via(&mut fields);
        if self.place.add_headers != Some(false) && !foreign {
            let client = self.facts.client.to_string();
            let name = self.server().name.split(':').next().unwrap_or_default();
            let ruled = joined(&self.facts.fields, b"host");
            for (field, own) in [
                (&b"X-Forwarded-For"[..], client.as_bytes()),
                (b"X-Forwarded-Host", ruled.as_deref().unwrap_or(&self.facts.host)),
                (b"X-Forwarded-Server", name.as_bytes()),
            ] {
                if !own.is_empty() {
                    join(&mut fields, field, own);
                }
            }
        }
        for (name, value) in &fields {
            line(out, name, value);
        }
    }

    fn via(&self, fields: &mut crate::headers::Fields) {
        match self.server().via {
            Via::Off => {}
            Via::Block => fields.retain(|field| !field.0.eq_ignore_ascii_case(b"via")),
            Via::On | Via::Full => join(fields, b"Via", &self.own_via()),
        }
    }

    /// What we say of ourselves in `Via`.
    pub(crate) fn own_via(&self) -> Vec<u8> {
        let name = self.server().name.split(':').next().unwrap_or_default();
        let usual = if self.facts.scheme() == "https" { 443 } else { 80 };
        let port = match self.facts.server_port {
            port if port == usual => String::new(),
            port => format!(":{port}"),
        };
        let version = self.facts.protocol.trim_start_matches("HTTP/");
        let full = if self.server().via == Via::Full { " (Apache/2.4.71)" } else { "" };
        format!("{version} {name}{port}{full}").into_bytes()
    }
}

/// Joins a value to what is there.
fn join(fields: &mut crate::headers::Fields, name: &[u8], own: &[u8]) {
    let value = match joined(fields, name) {
        Some(there) => [&there[..], b", ", own].concat(),
        None => own.to_vec(),
    };
    put(fields, name, value);
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
