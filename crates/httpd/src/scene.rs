//! What is known of a request, for expressions, rules and formats.

use std::net::{IpAddr, SocketAddr};

use crate::env::Env;
use crate::expr::Scene;
use crate::headers::{Fields, joined};

/// The facts of a request.
#[derive(Clone, PartialEq, Debug)]
pub struct Facts {
    /// The method.
    pub method: Vec<u8>,
    /// The path as it was sent.
    pub raw_path: Vec<u8>,
    /// The path, decoded; what rules make of it.
    pub path: Vec<u8>,
    /// What follows the question mark.
    pub query: Option<Vec<u8>>,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub protocol: &'static str,
    /// `Host`, or the host of an absolute target, as sent.
    pub host: Vec<u8>,
    /// Whether the client's connection is secured.
    pub https: bool,
    /// Who asks: the other end of the connection, or whom `RemoteIPHeader` named.
    pub client: IpAddr,
    /// The other end of the connection.
    pub peer: IpAddr,
    /// The port of the connection's other end.
    pub client_port: u16,
    /// Where the request came to.
    pub local: SocketAddr,
    /// `ServerName` of the server that was chosen.
    pub server_name: String,
    /// The name of the server says `https`.
    pub named_https: bool,
    /// When it came, in seconds since 1970.
    pub began: u64,
    /// Cookies that rules set: names and `Set-Cookie` lines.
    pub cookies: Fields,
    /// The fields of the request, hop-by-hop ones aside, lines of one name joined.
    pub fields: Fields,
}

impl Facts {
    /// A field of the request.
    pub fn field(&self, name: &[u8]) -> Option<Vec<u8>> {
        joined(&self.fields, name)
    }

    /// The host without its port.
    pub(crate) fn host_name(&self) -> &[u8] {
        without_port(&self.host)
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.https || self.named_https { "https" } else { "http" }
    }

    /// Takes a cookie of a rule; of one name the first counts.
    pub(crate) fn set_cookie(&mut self, text: &[u8]) {
        let Some((name, line)) = crate::cookie::line(text, self.began) else { return };
        if !self.cookies.iter().any(|(known, _)| *known == name) {
            self.cookies.push((name, line));
        }
    }
}

/// A host without its port.
pub(crate) fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|b| *b == b':') {
        Some(colon) if !host[colon..].contains(&b']') => &host[..colon],
        _ => host,
    }
}

/// Facts and what has become of them.
pub(crate) struct Stage<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) env: &'a Env,
    pub(crate) request: &'a Fields,
    /// Status and fields, once there is an answer.
    pub(crate) answer: Option<(u16, &'a Fields)>,
}

impl<'a> Stage<'a> {
    /// Before there is an answer.
    pub(crate) fn asked(facts: &'a Facts, env: &'a Env) -> Stage<'a> {
        Stage { facts, env, request: &facts.fields, answer: None }
    }
}

impl Scene for Stage<'_> {
    fn variable(&self, name: &str) -> Vec<u8> {
        let facts = self.facts;
        let text = |text: &str| text.as_bytes().to_vec();
        let field = |name: &[u8]| self.field(name);
        match name {
            "HTTP_HOST" if !facts.host.is_empty() => facts.host.clone(),
            "HTTP_USER_AGENT" => field(b"user-agent"),
            "HTTP_REFERER" => field(b"referer"),
            "HTTP_COOKIE" => field(b"cookie"),
            "HTTP_ACCEPT" => field(b"accept"),
            "HTTP_FORWARDED" => field(b"forwarded"),
            "HTTP_PROXY_CONNECTION" => field(b"proxy-connection"),
            "CONTENT_TYPE" => field(b"content-type"),
            "REQUEST_METHOD" => facts.method.clone(),
            "REQUEST_SCHEME" => text(facts.scheme()),
            "REQUEST_URI" | "DOCUMENT_URI" | "REQUEST_FILENAME" | "SCRIPT_FILENAME" => {
                facts.path.clone()
            }
            "QUERY_STRING" => facts.query.clone().unwrap_or_default(),
            "THE_REQUEST" => {
                let mut line = [&facts.method[..], b" ", &facts.raw_path].concat();
                if let Some(query) = &facts.query {
                    line.push(b'?');
                    line.extend_from_slice(query);
                }
                line.push(b' ');
                line.extend_from_slice(facts.protocol.as_bytes());
                line
            }
            "REMOTE_ADDR" | "REMOTE_HOST" => facts.client.to_string().into_bytes(),
            "CONN_REMOTE_ADDR" => facts.peer.to_string().into_bytes(),
            "REMOTE_PORT" => facts.client_port.to_string().into_bytes(),
            "SERVER_ADDR" => facts.local.ip().to_string().into_bytes(),
            "SERVER_PORT" => facts.local.port().to_string().into_bytes(),
            "SERVER_NAME" => match &*facts.server_name {
                "" => without_port(&facts.host).to_vec(),
                name => text(name.split(':').next().unwrap_or_default()),
            },
            "SERVER_PROTOCOL" | "REQUEST_PROTOCOL" => text(facts.protocol),
            "SERVER_SOFTWARE" => text("Apache"),
            "HTTPS" => text(if facts.https { "on" } else { "off" }),
            "REQUEST_STATUS" => {
                self.answer.map_or(Vec::new(), |(status, _)| status.to_string().into_bytes())
            }
            "CONTENT_LENGTH" => field(b"content-length"),
            _ => match name.strip_prefix("HTTP_") {
                Some(header) => field(header.replace('_', "-").as_bytes()),
                None => Vec::new(),
            },
        }
    }

    fn field(&self, name: &[u8]) -> Vec<u8> {
        if name.eq_ignore_ascii_case(b"host") {
            return self.facts.host.clone();
        }
        joined(self.request, name).unwrap_or_default()
    }

    fn answered(&self, name: &[u8]) -> Vec<u8> {
        self.answer.and_then(|(_, fields)| joined(fields, name)).unwrap_or_default()
    }

    fn environment(&self, name: &str) -> Vec<u8> {
        self.env.get(name).unwrap_or_default().to_vec()
    }

    fn is_set(&self, name: &str) -> bool {
        self.env.has(name)
    }
}
