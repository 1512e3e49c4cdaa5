//! What was asked: the request's parts, and the parameters they carry.

/// How much of a form is read, in bytes, as httpd does.
pub const BODY_READ: usize = 1024;

/// How much of a query is read, in bytes.
pub const QUERY_READ: usize = 8190;

/// A request for the balancer page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// `GET`, `HEAD` or `POST`; anything else is refused.
    pub method: &'a str,
    /// The decoded path of the page, for its links.
    pub path: &'a str,
    /// `http://host:port` as the client sees it, for the form.
    pub origin: &'a str,
    /// What stands behind the question mark.
    pub query: Option<&'a str>,
    /// The `Referer` field.
    pub referer: Option<&'a str>,
    /// The server's name as the request means it, without port or brackets: what a Referer is
    /// compared with.
    pub server: &'a str,
    /// The body; [`BODY_READ`] bytes of it are looked at.
    pub body: &'a [u8],
}

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Look.
    Read,
    /// Change.
    Write,
}

impl Asked<'_> {
    /// `None` for a method that this page does not know.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self.method {
            "GET" | "HEAD" => Some(Kind::Read),
            "POST" => Some(Kind::Write),
            _ => None,
        }
    }

    /// The parameters, none if the request may come from a foreign page.
    pub(crate) fn parameters(&self) -> Parameters {
        if !self.referer.is_some_and(|referer| same_host(referer, self.server)) {
            return Parameters::default();
        }
        match self.kind() {
            Some(Kind::Read) => {
                let query = self.query.unwrap_or_default().as_bytes();
                Parameters::read(&query[..query.len().min(QUERY_READ)], &READABLE)
            }
            Some(Kind::Write) => {
                let body = &self.body[..self.body.len().min(BODY_READ)];
                Parameters::read(body, &Field::ALL)
            }
            None => Parameters::default(),
        }
    }
}

/// The parameters of the page: fields of its forms, and parts of its links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Balancer,
    Worker,
    Nonce,
    Xml,
    Factor,
    Set,
    Route,
    Redirect,
    IgnoreErrors,
    Drain,
    Disabled,
    Standby,
    Spare,
    Stopped,
    HealthFailed,
    HealthMethod,
    HealthExpression,
    HealthInterval,
    HealthPasses,
    HealthFails,
    HealthUri,
    Method,
    Timeout,
    Attempts,
    NoFailover,
    Sticky,
    NewMember,
    NewMemberSure,
}

/// What a link may carry.
const READABLE: [Field; 4] = [Field::Balancer, Field::Worker, Field::Nonce, Field::Xml];

impl Field {
    pub(crate) const ALL: [Field; 28] = [
        Field::Balancer,
        Field::Worker,
        Field::Nonce,
        Field::Xml,
        Field::Factor,
        Field::Set,
        Field::Route,
        Field::Redirect,
        Field::IgnoreErrors,
        Field::Drain,
        Field::Disabled,
        Field::Standby,
        Field::Spare,
        Field::Stopped,
        Field::HealthFailed,
        Field::HealthMethod,
        Field::HealthExpression,
        Field::HealthInterval,
        Field::HealthPasses,
        Field::HealthFails,
        Field::HealthUri,
        Field::Method,
        Field::Timeout,
        Field::Attempts,
        Field::NoFailover,
        Field::Sticky,
        Field::NewMember,
        Field::NewMemberSure,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Field::Balancer => "b",
            Field::Worker => "w",
            Field::Nonce => "nonce",
            Field::Xml => "xml",
            Field::Factor => "w_lf",
            Field::Set => "w_ls",
            Field::Route => "w_wr",
            Field::Redirect => "w_rr",
            Field::IgnoreErrors => "w_status_I",
            Field::Drain => "w_status_N",
            Field::Disabled => "w_status_D",
            Field::Standby => "w_status_H",
            Field::Spare => "w_status_R",
            Field::Stopped => "w_status_S",
            Field::HealthFailed => "w_status_C",
            Field::HealthMethod => "w_hm",
            Field::HealthExpression => "w_he",
            Field::HealthInterval => "w_hi",
            Field::HealthPasses => "w_hp",
            Field::HealthFails => "w_hf",
            Field::HealthUri => "w_hu",
            Field::Method => "b_lbm",
            Field::Timeout => "b_tmo",
            Field::Attempts => "b_max",
            Field::NoFailover => "b_sforce",
            Field::Sticky => "b_ss",
            Field::NewMember => "b_nwrkr",
            Field::NewMemberSure => "b_wyes",
        }
    }
}

/// A parameter's value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Value {
    /// Decoded once: what a browser's form field held.
    pub(crate) shown: String,
    /// Decoded twice, which is what counts.
    pub(crate) text: String,
}

/// The known parameters of a request, each with its last value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(Vec<(Field, Value)>);

impl Parameters {
    /// `name=value&…`; a plus sign is itself, names may be in any case.
    fn read(text: &[u8], known: &[Field]) -> Parameters {
        let mut read = Parameters::default();
        for part in text.split(|byte| *byte == b'&') {
            let equals = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
            let (name, value) = part.split_at(equals);
            let name = decode(name);
            let is_it = |field: &&Field| name.eq_ignore_ascii_case(field.name().as_bytes());
            let Some(field) = known.iter().copied().find(|field| is_it(&field)) else {
                continue;
            };
            let once = decode(value.get(1..).unwrap_or_default());
            let value = Value { shown: text_of(&once), text: text_of(&decode(&once)) };
            read.0.retain(|(earlier, _)| *earlier != field);
            read.0.push((field, value));
        }
        read
    }

    /// The value of a field.
    pub(crate) fn value(&self, field: Field) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == field).map(|(_, value)| value)
    }

    /// The text of a field, if it has no control characters.
    pub(crate) fn text(&self, field: Field) -> Option<&str> {
        let text = &self.value(field)?.text;
        (!text.chars().any(char::is_control)).then_some(text)
    }
}

/// Percent decoding; what is not an escape stays.
fn decode(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (*byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high << 4 | low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}

/// UTF-8 if it is, else the page's own charset, in which a browser answers.
fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Whether a Referer's host is that name; scheme, user, port and path do not matter.
fn same_host(referer: &str, server: &str) -> bool {
    let after = match referer.find("//") {
        Some(0) => &referer[2..],
        Some(at) if scheme(&referer[..at]) => &referer[at + 2..],
        _ => return false,
    };
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    let authority = &after[..end];
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host_port.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) if rest.is_empty() || rest.starts_with(':') => host,
        Some(_) => return false,
        None => host_port.split_once(':').map_or(host_port, |(host, _)| host),
    };
    !host.is_empty() && host.eq_ignore_ascii_case(server)
}

/// `http:` and the like.
fn scheme(text: &str) -> bool {
    text.strip_suffix(':').is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_referer_counts_by_its_host_alone() {
        let good = [
            "http://lb.test",
            "https://LB.test:99/x",
            "http://u@lb.test/",
            "//lb.test/",
            "HTTP://lb.test?x",
            "http://lb.test#x",
        ];
        let bad = [
            "",
            "lb.test",
            "foo:lb.test",
            "http://evil/",
            "http://lb.test.evil/",
            "http://evil/http://lb.test/",
            "http://evil?//lb.test/",
            "http://lb.test@evil/",
            "http:///",
            "/x//lb.test/",
            "http://[lb.test]evil/",
        ];
        for referer in good {
            assert!(same_host(referer, "lb.test"), "{referer}");
        }
        for referer in bad {
            assert!(!same_host(referer, "lb.test"), "{referer}");
        }
        assert!(same_host("http://[::1]:8/", "::1"));
        assert!(!same_host("http:///x", ""));
    }

    #[test]
    fn values_are_decoded_twice_names_once_and_the_last_one_counts() {
        let text = "B=x&%62=a%2562+c&&w_wr&w_rr=%zz%E9&nonce==&w_ls=1%00&other=1";
        let read = Parameters::read(text.as_bytes(), &Field::ALL);
        assert_eq!(read.text(Field::Balancer), Some("ab+c"));
        assert_eq!(read.value(Field::Balancer).map(|value| &*value.shown), Some("a%62+c"));
        assert_eq!(read.text(Field::Route), Some(""));
        assert_eq!(read.text(Field::Redirect), Some("%zzé"));
        assert_eq!(read.text(Field::Nonce), Some("="));
        assert_eq!(read.text(Field::Set), None, "a control character");
        assert_eq!(read.0.len(), 5);
    }

    #[test]
    fn a_link_carries_only_what_may_be_read() {
        let asked = Asked {
            method: "GET",
            query: Some("b=x&w_ls=3&b_tmo=1&xml"),
            referer: Some("http://lb.test/"),
            server: "lb.test",
            ..Asked::default()
        };
        let fields: Vec<Field> = asked.parameters().0.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, [Field::Balancer, Field::Xml]);
        assert!(Asked { referer: None, ..asked }.parameters().0.is_empty());
        assert!(Asked { method: "PUT", ..asked }.parameters().0.is_empty());
    }

    #[test]
    fn what_stands_beyond_the_bound_is_not_read() {
        let body = format!("w_ls=1&w_wr={}&w_lf=2", "x".repeat(BODY_READ));
        let asked = Asked {
            method: "POST",
            body: body.as_bytes(),
            referer: Some("http://lb.test/"),
            server: "lb.test",
            ..Asked::default()
        };
        assert_eq!(asked.parameters().text(Field::Set), Some("1"));
        assert_eq!(asked.parameters().text(Field::Factor), None);
    }
}
