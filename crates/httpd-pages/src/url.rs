//! The URL of a member: how it is read and what its normal form is.

use std::net::Ipv6Addr;

/// A member's URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberUrl {
    /// The normal form: scheme and host in lower case, no default port, no socket.
    pub name: String,
    /// The path of the socket, with `unix:/path|http://name`.
    pub socket: Option<String>,
    /// The scheme, in lower case. It may be one that is not served.
    pub scheme: String,
    /// The host, in lower case, without brackets.
    pub host: String,
    /// The port, the scheme's own if none is given; 0 if that has none.
    pub port: u16,
    /// The path with its slash; may be empty.
    pub path: String,
}

/// Longest name, host and scheme that httpd keeps, in bytes.
const NAME_MAX: usize = 383;
const HOST_MAX: usize = 255;
const SCHEME_MAX: usize = 15;

impl MemberUrl {
    /// Reads a URL such as `http://host:8080/base` or `unix:/run/app.sock|http://name`. `None` if
    /// it is not absolute, has a user, a query, a fragment, a blank or a control character, or a
    /// part that is too long (name 383 bytes, host 255, scheme 15).
    pub fn parse(text: &str) -> Option<MemberUrl> {
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return None;
        }
        let (socket, url) = match strip_unix(text) {
            Some(rest) => rest.split_once('|').map(|(path, url)| (Some(path), url))?,
            None => (None, text),
        };
        if socket.is_some_and(|path| path.is_empty() || path.len() > NAME_MAX) {
            return None;
        }
        let (scheme, rest) = url.split_once("://")?;
        if !is_scheme(scheme) || rest.contains(['?', '#', '@']) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // `unix:/path|http:` is allowed to have no name.
        let authority =
            if authority.is_empty() && socket.is_some() { "localhost" } else { authority };
        let (host, port) = split_port(authority)?;
        let host = host.to_ascii_lowercase();
        let own = default_port(&scheme);
        let port = port.or(own).unwrap_or(0);
        let shown_host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let name = match Some(port) == own || port == 0 {
            true => format!("{scheme}://{shown_host}{path}"),
            false => format!("{scheme}://{shown_host}:{port}{path}"),
        };
        let fits = name.len() <= NAME_MAX && !host.is_empty() && host.len() <= HOST_MAX;
        let socket = socket.map(str::to_owned);
        fits.then(|| MemberUrl { name, socket, scheme, host, port, path: path.to_owned() })
    }

    /// The length of the normal form's part before the path.
    fn root(&self) -> usize {
        self.name.len() - self.path.len()
    }

    /// Which of these names httpd takes this URL for: the longest one that it begins with, host
    /// and port included.
    pub(crate) fn find<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<usize> {
        let fitting = names
            .enumerate()
            .filter(|(_, name)| name.len() >= self.root() && self.name.starts_with(name));
        // Of equal ones the first.
        fitting.max_by_key(|(at, name)| (name.len(), std::cmp::Reverse(*at))).map(|(at, _)| at)
    }
}

fn strip_unix(text: &str) -> Option<&str> {
    let (prefix, rest) = text.split_at_checked(5)?;
    prefix.eq_ignore_ascii_case("unix:").then_some(rest)
}

fn is_scheme(text: &str) -> bool {
    text.len() <= SCHEME_MAX
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._~:".contains(c) || !c.is_ascii();
    if host.is_empty() || !host.chars().all(legal) {
        return None;
    }
    match port {
        None | Some("") => Some((host, None)),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let port = digits.parse::<u16>().ok().filter(|port| *port > 0)?;
            Some((host, Some(port)))
        }
        Some(_) => None,
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" | "h2c" => Some(80),
        "https" | "wss" | "h2" => Some(443),
        "ajp" => Some(8009),
        "fcgi" => Some(8000),
        "ftp" => Some(21),
        "scgi" => Some(4000),
        "uwsgi" => Some(3031),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_out_in_normal_form() {
        let table = [
            ("http://h", "http://h", 80),
            ("HTTP://LocalHost:80/Q", "http://localhost/Q", 80),
            ("https://h:80/", "https://h:80/", 80),
            ("ajp://h:8009", "ajp://h", 8009),
            ("foo://h:9", "foo://h:9", 9),
            ("foo://h", "foo://h", 0),
            ("http://[2001:DB8::1]:8080/x", "http://[2001:db8::1]:8080/x", 8080),
            ("http://h:", "http://h", 80),
        ];
        for (text, name, port) in table {
            let url = MemberUrl::parse(text).expect(text);
            assert_eq!((&*url.name, url.port), (name, port), "{text}");
        }
        let url = MemberUrl::parse("unix:/run/a.sock|http://app/base").expect("a socket");
        assert_eq!(url.socket.as_deref(), Some("/run/a.sock"));
        assert_eq!((&*url.name, &*url.path), ("http://app/base", "/base"));
        let url = MemberUrl::parse("unix:/run/a.sock|http://").expect("no name");
        assert_eq!(url.host, "localhost");
    }

    #[test]
    fn what_is_no_absolute_url_is_none() {
        let table = [
            "",
            "nonsense",
            "/x",
            "http:///x",
            "http:h",
            "://h",
            "1http://h",
            "http://h:0",
            "http://h:65536",
            "http://h:+1",
            "http://h:x",
            "http://[::1",
            "http://[x]/",
            "http://[::1]8",
            "http://u@h/",
            "http://h/?q",
            "http://h/#f",
            "http://h /",
            "http://h\n",
            "http://<h>/",
            "http://a:1:2/",
            "unix:/x",
            "unix:|http://h",
            "unix:/a b|http://h",
        ];
        for text in table {
            assert_eq!(MemberUrl::parse(text), None, "{text}");
        }
        assert_eq!(MemberUrl::parse(&format!("http://h/{}", "x".repeat(375))), None);
        assert!(MemberUrl::parse(&format!("http://h/{}", "x".repeat(374))).is_some());
        assert_eq!(MemberUrl::parse(&format!("http://{}/", "x".repeat(256))), None);
        assert_eq!(MemberUrl::parse(&format!("{}://h", "x".repeat(16))), None);
    }

    #[test]
    fn a_url_is_the_member_with_the_longest_name_it_begins_with() {
        let names = ["http://h:1", "http://h:1/base", "http://h", "http://h:1"];
        let find = |text: &str| MemberUrl::parse(text).expect(text).find(names.into_iter());
        assert_eq!(find("http://h:1"), Some(0));
        assert_eq!(find("http://H:1/zz"), Some(0));
        assert_eq!(find("http://h:1/base/x"), Some(1));
        assert_eq!(find("http://h:80/x"), Some(2));
        assert_eq!(find("http://h:12"), None);
        assert_eq!(find("http://hh"), None);
    }
}
