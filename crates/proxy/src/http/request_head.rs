//! The head of a request as the member gets it: the client's fields in their order without what
//! ends here, then what the balancer and the route say.

use std::io::Write;
use std::net::IpAddr;

use evenkeel_plan::{Forwarded, ForwardedStyle};
use evenkeel_wire::http1::{Field, Framing, Known, RequestHead, TargetForm, Version, write};

use crate::filter;
use crate::filter::template::Place;
use crate::http::asked::Asked;
use crate::http::scratch::Scratch;
use crate::http::session::Session;
use crate::snapshot::{ListenerRt, RouteRt};

/// What a request's head for the member is made of.
pub(crate) struct Asking<'a> {
    pub(crate) buf: &'a [u8],
    pub(crate) head: &'a RequestHead,
    pub(crate) asked: &'a Asked,
    pub(crate) listener: &'a ListenerRt,
    pub(crate) route: &'a RouteRt,
    pub(crate) peer: IpAddr,
    pub(crate) member: Toward<'a>,
    /// The client speaks HTTP/2.
    pub(crate) multiplexed: bool,
    /// The lines that tell whose certificate the client showed.
    pub(crate) identity: &'a [u8],
    /// The client's handshake is not over (RFC 8470 section 5.1).
    early: bool,
}

/// Whom a request is for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Toward<'a> {
    /// The member's address.
    pub(crate) address: &'a str,
    /// What its paths begin with.
    pub(crate) path: &'a str,
    /// It gets its own address as `Host`; otherwise only when the request names none.
    pub(crate) own_host: bool,
}

impl<'a> Asking<'a> {
    /// The request at the front of the session's buffer.
    pub(crate) fn of(
        session: &'a Session,
        scratch: &'a Scratch,
        listener: &'a ListenerRt,
        route: &'a RouteRt,
        member: Toward<'a>,
    ) -> Asking<'a> {
        let (buf, peer) = (session.buffer.bytes(), session.peer.ip());
        let (head, asked, multiplexed) = (&scratch.head, &scratch.asked, session.is_multiplexed());
        let identity = session.secured.as_ref().map_or(&[][..], |secured| &secured.identity[..]);
        let early = scratch.early;
        Asking { buf, head, asked, listener, route, peer, member, multiplexed, identity, early }
    }

    /// Writes the head.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.request_line(out);
        let host = self.head.host.map_or(&[][..], |span| span.of(self.buf));
        if !self.route.request_edits.hides(b"host") {
            let own = host.is_empty() || self.member.own_host;
            let address = self.member.address;
            let short = address.strip_suffix(":80").unwrap_or(address);
            write::field(out, b"Host", if own { short.as_bytes() } else { host });
        }
        for field in &self.head.fields {
            let name = field.name.of(self.buf);
            if self.passes(field, name) {
                self.field(out, field, name);
            }
        }
        // The length as it was understood, not as it was spelled.
        match self.head.body {
            Framing::Length(length) => write::number_field(out, b"Content-Length", length),
            Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Framing::None | Framing::UntilClose => {}
        }
        if let Some(upgrade) = self.head.upgrade {
            out.extend_from_slice(b"Connection: Upgrade\r\n");
            write::field(out, b"Upgrade", upgrade.of(self.buf));
        }
        self.forwarded(out);
        out.extend_from_slice(self.identity);
        if self.early {
            out.extend_from_slice(b"Early-Data: 1\r\n");
        }
        self.route.request_edits.write(out, &|place, out| self.fill(place, out));
        out.extend_from_slice(b"\r\n");
    }

    fn request_line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head.method_span.of(self.buf));
        out.push(b' ');
        out.extend_from_slice(self.member.path.as_bytes());
        let path = self.asked.path();
        let rewritten = self.route.rewrite.as_ref().and_then(|rule| filter::rewrite(rule, path));
        match rewritten {
            Some(parts) => parts.iter().for_each(|part| out.extend_from_slice(part)),
            None => out.extend_from_slice(path),
        }
        if let Some(query) = self.head.query {
            out.push(b'?');
            out.extend_from_slice(query.of(self.buf));
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
    }

    /// Whether a field of the client goes on to the member.
    fn passes(&self, field: &Field, name: &[u8]) -> bool {
        if field.drop || self.route.request_edits.hides(name) {
            return false;
        }
        match field.known {
            Known::Host | Known::ContentLength => false,
            // An HTTP/1.0 client's wish cannot be fulfilled (RFC 9110 section 10.1.1).
            Known::Expect => self.head.version == Version::H11,
            // Written anew below, from what is believed.
            Known::XForwardedFor
            | Known::XForwardedProto
            | Known::XForwardedHost
            | Known::Forwarded => {
                self.asked.trusted && self.listener.plan.forwarded.style == ForwardedStyle::Off
            }
            _ if name.eq_ignore_ascii_case(b"x-forwarded-server") => {
                self.listener.plan.forwarded.style != ForwardedStyle::Apache
            }
            // Who a client is tells whoever shook hands with it (RFC 9440 section 4).
            _ if is_identity(name) => self.asked.trusted && !self.listener.asks_clients(),
            Known::XForwardedPort | Known::XRealIp => self.asked.trusted,
            Known::Http2Settings => false,
            _ if self.early && name.eq_ignore_ascii_case(b"early-data") => false,
            _ => !self.is_request_id(name),
        }
    }

    fn is_request_id(&self, name: &[u8]) -> bool {
        let id = self.listener.plan.forwarded.request_id.as_deref();
        id.is_some_and(|id| id.as_bytes().eq_ignore_ascii_case(name))
    }

    fn field(&self, out: &mut Vec<u8>, field: &Field, name: &[u8]) {
        let value = field.value.of(self.buf);
        match field.known {
            // Each hop takes one off (RFC 9110 section 7.6.2).
            Known::MaxForwards if self.head.form == TargetForm::Asterisk || self.is_options() => {
                let hops = str::from_utf8(value).ok().and_then(|text| text.parse::<u32>().ok());
                let _ = write!(out, "Max-Forwards: {}\r\n", hops.unwrap_or(0).saturating_sub(1));
            }
            _ => write::field(out, name, value),
        }
    }

    fn is_options(&self) -> bool {
        self.head.method == evenkeel_wire::http1::Method::Options
    }

    fn forwarded(&self, out: &mut Vec<u8>) {
        let Forwarded { style, via, request_id, .. } = &self.listener.plan.forwarded;
        if matches!(style, ForwardedStyle::XForwarded | ForwardedStyle::Both) {
            self.x_forwarded(out);
        }
        if matches!(style, ForwardedStyle::Rfc7239 | ForwardedStyle::Both) {
            self.rfc7239(out);
        }
        if *style == ForwardedStyle::Apache {
            self.as_apache(out);
        }
        if *via {
            out.extend_from_slice(match self.head.version {
                _ if self.multiplexed => b"Via: 2.0 evenkeel\r\n",
                Version::H11 => b"Via: 1.1 evenkeel\r\n",
                Version::H10 => b"Via: 1.0 evenkeel\r\n",
            });
        }
        if let Some(name) = request_id {
            write::field(out, name.as_bytes(), &self.asked.id);
        }
    }

    /// What the client sent and what is seen here, in one line each.
    fn as_apache(&self, out: &mut Vec<u8>) {
        let host = self.head.host.map_or(&[][..], |span| span.of(self.buf));
        let name_end = host.iter().rposition(|b| *b == b':').unwrap_or(host.len());
        let peer = self.peer.to_string();
        let lines: [(&[u8], &[u8]); 3] = [
            (b"X-Forwarded-For", peer.as_bytes()),
            (b"X-Forwarded-Host", host),
            (b"X-Forwarded-Server", &host[..name_end]),
        ];
        for (name, own) in lines {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            for field in &self.head.fields {
                if field.name.of(self.buf).eq_ignore_ascii_case(name) {
                    out.extend_from_slice(field.value.of(self.buf));
                    out.extend_from_slice(b", ");
                }
            }
            out.extend_from_slice(own);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// The values of the client that are believed, joined into one line with ours.
    fn x_forwarded(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"X-Forwarded-For: ");
        self.believed(out, Known::XForwardedFor);
        write::ip(out, self.peer);
        out.extend_from_slice(b"\r\n");
        let given = |known| self.asked.trusted && self.head.fields.iter().any(|f| f.known == known);
        if given(Known::XForwardedProto) {
            self.copy(out, Known::XForwardedProto);
        } else {
            write::field(out, b"X-Forwarded-Proto", self.scheme());
        }
        if given(Known::XForwardedHost) {
            self.copy(out, Known::XForwardedHost);
        } else if let Some(host) = self.head.host {
            write::field(out, b"X-Forwarded-Host", host.of(self.buf));
        }
    }

    /// RFC 7239 section 4; IPv6 addresses and hosts with ports are quoted.
    fn rfc7239(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Forwarded: ");
        self.believed(out, Known::Forwarded);
        let _ = match self.peer {
            IpAddr::V4(v4) => write!(out, "for={v4}"),
            IpAddr::V6(v6) => write!(out, "for=\"[{v6}]\""),
        };
        if let Some(host) = self.head.host {
            out.extend_from_slice(b";host=\"");
            out.extend_from_slice(host.of(self.buf));
            out.push(b'"');
        }
        out.extend_from_slice(b";proto=");
        out.extend_from_slice(self.scheme());
        out.extend_from_slice(b"\r\n");
    }

    fn believed(&self, out: &mut Vec<u8>, known: Known) {
        if self.asked.trusted {
            for field in self.head.fields.iter().filter(|f| f.known == known) {
                out.extend_from_slice(field.value.of(self.buf));
                out.extend_from_slice(b", ");
            }
        }
    }

    fn copy(&self, out: &mut Vec<u8>, known: Known) {
        for field in self.head.fields.iter().filter(|f| f.known == known) {
            write::field(out, field.name.of(self.buf), field.value.of(self.buf));
        }
    }

    fn scheme(&self) -> &'static [u8] {
        if self.asked.https { b"https" } else { b"http" }
    }

    /// Fills a place of a template from the request.
    pub(crate) fn fill(&self, place: Place, out: &mut Vec<u8>) {
        match place {
            Place::Client => {
                write::ip(out, self.asked.client.unwrap_or(self.peer));
            }
            Place::Host => {
                out.extend_from_slice(self.head.host.map_or(&[], |span| span.of(self.buf)))
            }
            Place::HostName => out.extend_from_slice(self.asked.host()),
            Place::Scheme => out.extend_from_slice(self.scheme()),
            Place::Path => out.extend_from_slice(self.asked.path()),
            Place::Query => {
                if let Some(query) = self.head.query {
                    out.push(b'?');
                    out.extend_from_slice(query.of(self.buf));
                }
            }
            Place::RequestId => out.extend_from_slice(&self.asked.id),
            Place::Member => out.extend_from_slice(self.member.address.as_bytes()),
        }
    }
}
/// `Client-Cert` and `Client-Cert-Chain`.
fn is_identity(name: &[u8]) -> bool {
    match name.len() {
        11 => name.eq_ignore_ascii_case(b"client-cert"),
        17 => name.eq_ignore_ascii_case(b"client-cert-chain"),
        _ => false,
    }
}
