//! A line for a request that ended.

use std::net::{IpAddr, SocketAddr};

use super::{Choice, Format, Item, Port, What};
use crate::headers::{When, joined};
use crate::passage::Passage;
use crate::scene::Stage;
use crate::site::{Site, Sites};

/// Bytes of one value; the rest is cut.
const VALUE_MAX: usize = 4096;
/// Bytes of a line; what comes after is left out.
const LINE_MAX: usize = 64 * 1024;

/// A request that ended.
pub struct Ended<'a> {
    /// Its way through the rules; `None` when it was refused before.
    pub passage: Option<&'a Passage>,
    /// The method, as sent.
    pub method: &'a [u8],
    /// The target, as sent.
    pub target: &'a [u8],
    /// `HTTP/1.1` and the like.
    pub protocol: &'a str,
    /// `Host`, as sent.
    pub host: &'a [u8],
    /// A field of the request as it was sent.
    pub field: &'a dyn Fn(&[u8]) -> Option<Vec<u8>>,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// The status the client got; 0 when it got none.
    pub status: u16,
    /// When it came, in microseconds since 1970.
    pub began: u64,
    /// How long it took, in microseconds.
    pub took: u64,
    /// Bytes of the answer's body.
    pub body: u64,
    /// Bytes from the client, head included.
    pub bytes_in: u64,
    /// Bytes to the client, head included.
    pub bytes_out: u64,
    /// Requests on the connection before it.
    pub served: u32,
    /// What became of the connection.
    pub kept: Kept,
}

/// What became of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// It was broken before the answer was complete.
    Aborted,
    /// It may carry another request.
    Open,
    /// It is closed after the answer.
    Closed,
}

impl Sites {
    /// Gives the lines for a request to `write`, each with the position of its file and without a
    /// newline.
    pub fn log(&self, ended: &Ended<'_>, write: &mut dyn FnMut(usize, &[u8])) {
        let at = match ended.passage {
            Some(passage) => passage.site(),
            None => self.first_of(ended.local),
        };
        let Some(site) = self.sites.get(at) else { return };
        let mut line = Vec::new();
        for log in &site.logs {
            if !ended.is_meant(&log.when) {
                continue;
            }
            line.clear();
            log.format.write(&mut line, ended, site);
            write(log.file, &line);
        }
    }
}

impl Format {
    fn write(&self, out: &mut Vec<u8>, ended: &Ended<'_>, site: &Site) {
        for item in &self.items {
            if out.len() > LINE_MAX {
                return;
            }
            match item {
                Item::Plain(text) => out.extend_from_slice(text),
                Item::Told(what, choice) if choice.holds(ended.status) => {
                    match ended.value(what, choice, site) {
                        Some(value) => escaped(out, &value[..value.len().min(VALUE_MAX)]),
                        None => out.push(b'-'),
                    }
                }
                Item::Told(..) => out.push(b'-'),
            }
        }
    }
}

impl Choice {
    fn holds(&self, status: u16) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&status) != self.not
    }
}

impl Ended<'_> {
    fn is_meant(&self, when: &When) -> bool {
        match (when, self.passage) {
            (When::Always, _) => true,
            (When::Env(name, wanted), passage) => {
                passage.is_some_and(|passage| passage.env.has(name)) == *wanted
            }
            (When::Expr(expr), Some(passage)) => {
                let answer = Some((self.status, &passage.answered));
                let (facts, env) = (&passage.facts, &passage.env);
                expr.holds(&Stage { facts, env, request: &facts.fields, answer })
            }
            (When::Expr(_), None) => false,
        }
    }

    /// `None`: there is no such thing.
    fn value(&self, what: &What, choice: &Choice, site: &Site) -> Option<Vec<u8>> {
        let number = |n: u64| Some(n.to_string().into_bytes());
        let text = |text: &str| Some(text.as_bytes().to_vec());
        let address = |ip: IpAddr| text(&ip.to_canonical().to_string());
        // Of the request as it came, unless asked otherwise.
        let first = self.passage.map(|passage| match choice.last {
            Some(true) => passage,
            _ => passage.first(),
        });
        match what {
            What::Client(true) => address(self.peer.ip()),
            What::Client(false) => {
                address(self.passage.map_or(self.peer.ip(), |passage| passage.facts.client))
            }
            What::Local => address(self.local.ip()),
            What::Body(true) if self.body == 0 => None,
            What::Body(_) => number(self.body),
            What::Cookie(name) => cookie(&self.field_value(b"cookie")?, name),
            What::Env(name) => self.passage?.env.get(name).map(<[u8]>::to_vec),
            What::Field(name) => self.field_value(name.as_bytes()),
            What::Answered(name) => joined(&self.passage?.answered, name.as_bytes()),
            What::Line if self.method.is_empty() => None,
            What::Line => {
                Some([self.method, b" ", self.target, b" ", self.protocol.as_bytes()].concat())
            }
            What::Method => Some(self.method.to_vec()).filter(|method| !method.is_empty()),
            What::Path => match first {
                Some(passage) => Some(passage.facts.path.clone()),
                None => self.target.split(|b| *b == b'?').next().map(<[u8]>::to_vec),
            },
            What::Query => Some(match first.and_then(|passage| passage.facts.query.as_ref()) {
                Some(query) => [b"?", &query[..]].concat(),
                None => Vec::new(),
            }),
            What::Protocol => text(self.protocol),
            What::Status => match (choice.last, self.passage.and_then(Passage::failed)) {
                (None | Some(false), Some(failed)) => number(failed.into()),
                _ => Some(self.status).filter(|status| *status > 0).and_then(|s| number(s.into())),
            },
            What::Time(moment) => text(&moment.text(self.began, self.took)),
            What::Took(unit) => number(self.took / unit),
            What::Port(port) => number(self.port(*port, site).into()),
            What::Server => text(site.name.split(':').next().unwrap_or_default()),
            What::Asked => match self.passage {
                Some(passage) => text(&passage.server_name().to_ascii_lowercase()),
                None => text(site.name.split(':').next().unwrap_or_default()),
            },
            What::Kept => text(match self.kept {
                Kept::Aborted => "X",
                Kept::Open => "+",
                Kept::Closed => "-",
            }),
            What::Served => number(self.served.into()),
            What::Bytes(received, sent) => {
                let of = |is: bool, n: u64| if is { n } else { 0 };
                number(of(*received, self.bytes_in) + of(*sent, self.bytes_out))
            }
            What::Process => number(std::process::id().into()),
            What::Nothing => None,
        }
    }

    /// A field as rules left it, or as it was sent.
    fn field_value(&self, name: &[u8]) -> Option<Vec<u8>> {
        if name.eq_ignore_ascii_case(b"host") {
            return Some(self.host.to_vec()).filter(|host| !host.is_empty());
        }
        let ruled = self.passage.and_then(|passage| passage.facts.field(name));
        ruled.or_else(|| (self.field)(name))
    }

    fn port(&self, port: Port, site: &Site) -> u16 {
        match port {
            Port::Local => self.local.port(),
            Port::Remote => self.peer.port(),
            Port::Canonical => {
                let host = String::from_utf8_lossy(self.host);
                let after = host.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
                let asked = after.and_then(|(_, port)| port.parse().ok());
                let usual = if self.passage.is_some_and(|p| p.facts.https) { 443 } else { 80 };
                match site.canonical_name {
                    true => site.port.unwrap_or(self.local.port()),
                    false => asked.or(site.port).unwrap_or(usual),
                }
            }
        }
    }
}

/// The value of a cookie.
fn cookie(cookies: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut pairs = cookies.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    pairs.find_map(|pair| {
        let rest = pair.strip_prefix(name.as_bytes())?.trim_ascii_start().strip_prefix(b"=")?;
        Some(rest.trim_ascii().to_vec())
    })
}

/// Quote, backslash and what cannot be printed are escaped, so that no value can end a line or a
/// quoted place.
fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0b => out.extend_from_slice(b"\\v"),
            0x20..0x7f => out.push(*byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended<'a>(field: &'a dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Ended<'a> {
        Ended {
            passage: None,
            method: b"GET",
            target: b"/a\"b?q",
            protocol: "HTTP/1.1",
            host: b"shop.example:8080",
            field,
            peer: "10.0.0.1:999".parse().expect("an address"),
            local: "10.0.0.2:80".parse().expect("an address"),
            status: 400,
            began: 971_186_136_007_009,
            took: 2_345_678,
            body: 0,
            bytes_in: 10,
            bytes_out: 20,
            served: 3,
            kept: Kept::Closed,
        }
    }

    fn told(format: &str) -> String {
        let field = |name: &[u8]| (name == b"X-A").then(|| b"one\ntwo".to_vec());
        let format = Format::new(format).unwrap_or_else(|error| panic!("{format}: {error}"));
        let mut out = Vec::new();
        format.write(&mut out, &ended(&field), &Site::default());
        String::from_utf8(out).expect("lines are plain")
    }

    #[test]
    fn lines_say_what_their_formats_ask_for() {
        for (format, expected) in [
            (
                super::super::COMMON,
                r#"10.0.0.1 - - [10/Oct/2000:13:55:36 +0000] "GET /a\"b?q HTTP/1.1" 400 -"#,
            ),
            ("%{X-A}i %{X-B}i %400{X-A}i %!400,404{X-A}i", r"one\ntwo - one\ntwo -"),
            ("%D %T %{ms}T %I %O %S %X %k %B", "2345678 2 2345 10 20 30 - 3 0"),
            ("%{sec}t %{msec_frac}t %{%Y-%j}t %{end:%S}t", "971186136 007 2000-284 38"),
            ("%p %{local}p %{remote}p %A %{c}a 100%%", "8080 80 999 10.0.0.2 10.0.0.1 100%"),
            ("%m %H %s a\\tb", "GET HTTP/1.1 400 a\tb"),
        ] {
            assert_eq!(told(format), expected, "{format}");
        }
    }

    #[test]
    fn formats_that_mean_nothing_are_told() {
        for text in ["%Z", "%", "%{x", "%i", "%{x}T", "%{%Q}t", "%{%}t", "%é", &"x".repeat(4097)] {
            assert!(Format::new(text).is_err(), "{text}");
        }
    }
}
