//! What is known of a request, for expressions, rules and formats.

use std::net::{IpAddr, SocketAddr};

use crate::date::Civil;
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
    /// What TLS agreed on with the client.
    pub tls: TlsFacts,
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
    /// That name counts, whatever was asked for: `UseCanonicalName On`.
    pub canonical_name: bool,
    /// The port as links to the server name it: of `Host`, of `ServerName`, or the scheme's own.
    pub server_port: u16,
    /// The name of the server says `https`.
    pub named_https: bool,
    /// When it came, in seconds since 1970.
    pub began: u64,
    /// Cookies that rules set: names and `Set-Cookie` lines.
    pub cookies: Fields,
    /// The fields of the request, hop-by-hop ones aside, lines of one name joined.
    pub fields: Fields,
    /// Hop-by-hop fields: rules see them, members do not.
    pub ending: Fields,
}

/// What TLS agreed on with a client; empty without.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsFacts {
    /// `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite, as it is registered.
    pub cipher: &'static str,
    /// The name of a server that the client asked for.
    pub server_name: String,
    /// It showed a certificate that is believed.
    pub certified: bool,
}

impl TlsFacts {
    /// A variable of mod_ssl; nothing when there is none.
    fn variable(&self, name: &str) -> Vec<u8> {
        if self.version.is_empty() {
            return Vec::new();
        }
        match name {
            "SSL_PROTOCOL" => self.version.as_bytes().to_vec(),
            "SSL_CIPHER" => self.suite().into_bytes(),
            "SSL_TLS_SNI" => self.server_name.clone().into_bytes(),
            "SSL_CLIENT_VERIFY" => if self.certified { &b"SUCCESS"[..] } else { b"NONE" }.to_vec(),
            "SSL_SECURE_RENEG" => b"true".to_vec(),
            "SSL_COMPRESS_METHOD" => b"NULL".to_vec(),
            _ => Vec::new(),
        }
    }

    /// The suite by the name that OpenSSL gives it.
    fn suite(&self) -> String {
        if let Some(new) = self.cipher.strip_prefix("TLS13_") {
            return format!("TLS_{new}");
        }
        let name = self.cipher.trim_start_matches("TLS_").replace("_WITH", "");
        let name = name.replace("AES_128", "AES128").replace("AES_256", "AES256");
        match name.replace('_', "-") {
            short if short.contains("CHACHA20") => short.trim_end_matches("-SHA256").to_owned(),
            whole => whole,
        }
    }

    /// All variables, as `SSLOptions +StdEnvVars` sets them.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        let names = ["SSL_PROTOCOL", "SSL_CIPHER", "SSL_TLS_SNI", "SSL_CLIENT_VERIFY"];
        let all = names.into_iter().map(|name| (name, self.variable(name)));
        all.filter(|(_, value)| !value.is_empty())
    }
}

impl Facts {
    /// A field of the request.
    pub fn field(&self, name: &[u8]) -> Option<Vec<u8>> {
        joined(&self.fields, name).or_else(|| joined(&self.ending, name))
    }

    /// The host without its port.
    pub(crate) fn host_name(&self) -> &[u8] {
        without_port(&self.host)
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.https || self.named_https { "https" } else { "http" }
    }

    /// The head as it came.
    pub(crate) fn echo(&self) -> Vec<u8> {
        let mut out = [&self.method[..], b" ", &self.raw_path].concat();
        if let Some(query) = &self.query {
            out.push(b'?');
            out.extend_from_slice(query);
        }
        out.push(b' ');
        out.extend_from_slice(self.protocol.as_bytes());
        out.extend_from_slice(b"\r\nHost: ");
        out.extend_from_slice(&self.host);
        for (name, value) in self.fields.iter().chain(&self.ending) {
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
        }
        out.extend_from_slice(b"\r\n\r\n");
        out
    }

    /// Scheme, host and port as the client knows the server.
    pub(crate) fn own_url(&self) -> Vec<u8> {
        if !self.canonical_name && !self.host.is_empty() {
            return [self.scheme().as_bytes(), b"://", &self.host].concat();
        }
        let usual = if self.scheme() == "https" { 443 } else { 80 };
        let name = self.server_name.split(':').next().unwrap_or_default();
        match self.server_port {
            port if port == usual => format!("{}://{name}", self.scheme()),
            port => format!("{}://{name}:{port}", self.scheme()),
        }
        .into_bytes()
    }

    /// When it came, in UTC: all of it, or one unit of it.
    fn time(&self, unit: Option<&str>) -> String {
        let at = Civil::of(self.began);
        let Civil { year, month, day, hour, minute, second, .. } = at;
        match unit {
            None => format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}"),
            Some("YEAR") => format!("{year:04}"),
            Some("MON") => format!("{month:02}"),
            Some("DAY") => format!("{day:02}"),
            Some("HOUR") => format!("{hour:02}"),
            Some("MIN") => format!("{minute:02}"),
            Some("SEC") => format!("{second:02}"),
            Some("WDAY") => at.weekday.to_string(),
            Some(_) => String::new(),
        }
    }

    /// Takes a cookie of a rule; of one name the first counts.
    pub(crate) fn set_cookie(&mut self, text: &[u8]) {
        let Some((name, line)) = crate::cookie::line(text, self.began) else { return };
        if !self.cookies.iter().any(|(known, _)| *known == name) {
            self.cookies.push((name, line));
        }
    }
}

/// The port of a host, if it names one.
pub(crate) fn port_of(host: &[u8]) -> Option<u16> {
    let colon = host.iter().rposition(|b| *b == b':').filter(|at| !host[*at..].contains(&b']'))?;
    str::from_utf8(&host[colon + 1..]).ok()?.parse().ok()
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
            "SERVER_PORT" => facts.server_port.to_string().into_bytes(),
            "SERVER_NAME" => match without_port(&facts.host) {
                host if !host.is_empty() && !facts.canonical_name => host.to_vec(),
                _ => text(facts.server_name.split(':').next().unwrap_or_default()),
            },
            "SERVER_PROTOCOL" | "REQUEST_PROTOCOL" => text(facts.protocol),
            "SERVER_SOFTWARE" => text("Apache"),
            "HTTPS" => text(if facts.https { "on" } else { "off" }),
            "REQUEST_STATUS" => {
                let status = self.answer.map_or(200, |(status, _)| status);
                status.to_string().into_bytes()
            }
            "IPV6" => text(if facts.peer.is_ipv6() { "on" } else { "off" }),
            "IS_SUBREQ" => text("false"),
            "TIME" => facts.time(None).into_bytes(),
            "CONTENT_LENGTH" => field(b"content-length"),
            name if name.starts_with("SSL_") => facts.tls.variable(name),
            _ => match name.strip_prefix("HTTP_") {
                Some(header) => field(header.replace('_', "-").as_bytes()),
                None => match name.strip_prefix("TIME_") {
                    Some(unit) => facts.time(Some(unit)).into_bytes(),
                    None => Vec::new(),
                },
            },
        }
    }

    fn field(&self, name: &[u8]) -> Vec<u8> {
        if name.eq_ignore_ascii_case(b"host") {
            return self.facts.host.clone();
        }
        let ending = || joined(&self.facts.ending, name);
        joined(self.request, name).or_else(ending).unwrap_or_default()
    }

    fn answered(&self, name: &[u8]) -> Vec<u8> {
        self.answer.and_then(|(_, fields)| joined(fields, name)).unwrap_or_default()
    }

    fn environment(&self, name: &str) -> Vec<u8> {
        self.env.get(name).unwrap_or_default().to_vec()
    }

    fn note(&self, name: &str) -> Vec<u8> {
        self.env.noted(name).unwrap_or_default().to_vec()
    }

    fn is_set(&self, name: &str) -> bool {
        self.env.has(name)
    }
}
