//! What a request asks for, in the form that decisions need: host and path normalised, the
//! client's address after trusted forwarding headers, the request id.

use std::net::IpAddr;

use evenkeel_plan::Forwarded;
use evenkeel_wire::http1::{Framing, Known, Method, Refusal, RequestHead, TargetForm, path};

use crate::cause::Failure;
use crate::route::{Facts, Wanted};
use crate::snapshot::ListenerRt;

/// The longest request id taken over from a trusted peer.
const ID_MAX: usize = 128;

/// What a request asks for. Reused from request to request.
#[derive(Default)]
pub(crate) struct Asked {
    host: Vec<u8>,
    path: Vec<u8>,
    /// The request id.
    pub(crate) id: Vec<u8>,
    /// Whether the peer's forwarding headers are believed.
    pub(crate) trusted: bool,
    /// The client's address; `None` only before a request.
    pub(crate) client: Option<IpAddr>,
    /// Whether the client asked by `https`, as far as is known.
    pub(crate) https: bool,
}

impl Asked {
    pub(crate) fn reset(&mut self) {
        self.host.clear();
        self.path.clear();
        self.id.clear();
        self.client = None;
    }

    /// Reads the request. `random` is for its id.
    pub(crate) fn read(
        &mut self,
        buf: &[u8],
        head: &RequestHead,
        listener: &ListenerRt,
        peer: IpAddr,
        random: impl Fn() -> u64,
    ) -> Result<(), Failure> {
        self.reset();
        admit(head, listener)?;
        self.read_path(buf, head)?;
        self.read_client(buf, head, listener, peer);
        self.take_id(buf, head, &listener.plan.forwarded, random);
        Ok(())
    }

    /// The same for a listener where httpd's rules decide: they look at the path themselves.
    pub(crate) fn read_for_rules(
        &mut self,
        buf: &[u8],
        head: &RequestHead,
        listener: &ListenerRt,
        peer: IpAddr,
    ) -> Result<(), Failure> {
        self.reset();
        if head.method != Method::Trace {
            admit(head, listener)?;
        }
        self.path.extend_from_slice(head.path_or_root(buf));
        self.read_client(buf, head, listener, peer);
        Ok(())
    }

    fn read_path(&mut self, buf: &[u8], head: &RequestHead) -> Result<(), Failure> {
        normal_host(&mut self.host, head.host.map_or(&[], |span| span.of(buf)));
        let raw = head.path_or_root(buf);
        match head.form {
            TargetForm::Asterisk => self.path.push(b'*'),
            // RFC 9112 section 3.2.4: what was an absolute-form without path is sent as `*`.
            TargetForm::Absolute if head.method == Method::Options && head.path.is_empty() => {
                self.path.push(b'*');
            }
            _ => {
                let refused = |r: Refusal| Failure::refused(r.status, r.cause);
                let normal = path::normalise(raw, &mut self.path).map_err(refused)?;
                if normal.as_ptr() == raw.as_ptr() {
                    self.path.clear();
                    self.path.extend_from_slice(raw);
                }
            }
        }
        Ok(())
    }

    fn read_client(&mut self, buf: &[u8], head: &RequestHead, listener: &ListenerRt, peer: IpAddr) {
        if self.host.is_empty() {
            normal_host(&mut self.host, head.host.map_or(&[], |span| span.of(buf)));
        }
        let forwarded = &listener.plan.forwarded;
        self.trusted = forwarded.trusted.iter().any(|network| network.contains(peer));
        self.client =
            Some(if self.trusted { original_client(buf, head, forwarded, peer) } else { peer });
        let proto = self.trusted.then(|| last_value(buf, head, Known::XForwardedProto)).flatten();
        self.https = proto.is_some_and(|p| p.eq_ignore_ascii_case(b"https"));
    }

    fn take_id(
        &mut self,
        buf: &[u8],
        head: &RequestHead,
        forwarded: &Forwarded,
        random: impl Fn() -> u64,
    ) {
        let Some(name) = &forwarded.request_id else { return };
        let named =
            head.fields.iter().find(|f| f.name.of(buf).eq_ignore_ascii_case(name.as_bytes()));
        let given = named
            .map(|f| f.value.of(buf))
            .filter(|v| self.trusted && !v.is_empty() && v.len() <= ID_MAX);
        match given {
            Some(given) => self.id.extend_from_slice(given),
            None => [random(), random()].iter().for_each(|half| hex(&mut self.id, *half)),
        }
    }

    /// The normalised path; `*` for an asterisk-form request.
    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    /// The host: lower case, without port and trailing dot; empty when none was named.
    pub(crate) fn host(&self) -> &[u8] {
        &self.host
    }

    /// What routes are found by.
    pub(crate) fn wanted<'a>(&'a self, buf: &'a [u8], head: &'a RequestHead) -> Wanted<'a> {
        let facts = Some(Facts { buf, head, client: self.client });
        let method = head.method_span.of(buf);
        Wanted { host: &self.host, path: &self.path, method, facts }
    }
}

/// What no listener serves, whatever the route.
fn admit(head: &RequestHead, listener: &ListenerRt) -> Result<(), Failure> {
    if head.lookalike {
        return Err(Failure::LOOKALIKE);
    }
    if matches!(head.method, Method::Connect | Method::Trace) {
        return Err(Failure::METHOD);
    }
    match head.body {
        Framing::Length(length) if length > listener.plan.limits.body.0 => {
            Err(Failure::BODY_TOO_LARGE)
        }
        _ => Ok(()),
    }
}

/// Lower case, without port and trailing dot. The parser has checked its form.
fn normal_host(out: &mut Vec<u8>, host: &[u8]) {
    let name = match host.iter().rposition(|b| *b == b':') {
        // A colon inside brackets belongs to an IPv6 address.
        Some(colon) if !host[colon..].contains(&b']') => &host[..colon],
        _ => host,
    };
    let name = name.strip_suffix(b".").unwrap_or(name);
    out.extend(name.iter().map(u8::to_ascii_lowercase));
}

/// The nearest address in `X-Forwarded-For`, from the right, that is not a trusted network's.
fn original_client(buf: &[u8], head: &RequestHead, forwarded: &Forwarded, peer: IpAddr) -> IpAddr {
    let lines = head.fields.iter().filter(|f| f.known == Known::XForwardedFor).rev();
    let mut nearest = peer;
    for entry in lines.flat_map(|f| f.value.of(buf).rsplit(|b| *b == b',')) {
        let Some(address) = address_of(entry.trim_ascii()) else { break };
        nearest = address;
        if !forwarded.trusted.iter().any(|network| network.contains(address)) {
            break;
        }
    }
    nearest
}

/// An address, possibly with port or in brackets, as proxies write it.
fn address_of(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let plain = text.trim_start_matches('[').split(']').next()?;
    let parsed =
        plain.parse().ok().or_else(|| text.parse().map(|s: std::net::SocketAddr| s.ip()).ok());
    parsed.map(|address: IpAddr| address.to_canonical())
}

fn last_value<'a>(buf: &'a [u8], head: &RequestHead, known: Known) -> Option<&'a [u8]> {
    let field = head.fields.iter().rev().find(|f| f.known == known)?;
    field.value.of(buf).rsplit(|b| *b == b',').next().map(<[u8]>::trim_ascii)
}

fn hex(out: &mut Vec<u8>, number: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend((0..16).rev().map(|i| DIGITS[((number >> (i * 4)) & 15) as usize]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_case_port_and_trailing_dot() {
        for (given, expected) in [
            ("Shop.Example:80", "shop.example"),
            ("a.", "a"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            let mut out = Vec::new();
            normal_host(&mut out, given.as_bytes());
            assert_eq!(out, expected.as_bytes());
        }
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        for text in ["10.0.0.1", "10.0.0.1:8080", "::ffff:10.0.0.1", "[::ffff:10.0.0.1]:80"] {
            assert_eq!(address_of(text.as_bytes()), "10.0.0.1".parse().ok(), "{text}");
        }
        assert_eq!(address_of(b"unknown"), None);
    }
}
