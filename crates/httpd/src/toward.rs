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
        let preserve = wanted && !self.facts.host.is_empty();
        // With the client's host, what rules made of the field counts.
        let ruled = joined(&self.facts.fields, b"host").filter(|_| preserve);
        let host = match (&ruled, preserve) {
            (Some(host), _) => &host[..],
            (None, true) => &self.facts.host[..],
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
        let port = match self.server().port {
            None | Some(80) => String::new(),
            Some(port) => format!(":{port}"),
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
