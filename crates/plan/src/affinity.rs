use std::time::Duration;

/// How requests of one client stay on one member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Affinity {
    /// The balancer sets a cookie that names the member's tag.
    Cookie(CookieAffinity),
    /// The application's own session id carries the tag after a separator
    /// (`JSESSIONID=abc.a` in a cookie or as `;jsessionid=abc.a` / `?jsessionid=abc.a`).
    Application {
        /// The cookie's name, case-sensitive.
        cookie: String,
        /// The path or query parameter's name, case-sensitive.
        parameter: String,
        /// What stands between id and tag; `None`: the whole value is the tag.
        separator: Option<u8>,
        /// The value of a `Set-Cookie` field for clients that were not served by the member that
        /// their session names, with `{tag}` for the tag of the one that did: for applications
        /// that do not put the tag there themselves.
        set_cookie: Option<String>,
        /// Whether another member may serve when the session's cannot; else 503.
        failover: bool,
    },
    /// By client address: the same address goes to the same member while the set holds.
    Client,
}

/// A cookie that the balancer sets: `NAME=TAG` (or a keyed form of the tag).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CookieAffinity {
    /// The cookie's name (an RFC 6265 token).
    pub name: String,
    /// The `Path` attribute; `/` by default.
    pub path: String,
    /// The `Domain` attribute, if any.
    pub domain: Option<String>,
    /// `Max-Age`; a session cookie when absent.
    pub max_age: Option<Duration>,
    /// `Secure`; `None`: when the request came over TLS.
    pub secure: Option<bool>,
    /// `HttpOnly`; on by default.
    pub http_only: bool,
    /// `SameSite`: `Lax` (default), `Strict` or `None`.
    pub same_site: String,
    /// A secret: the cookie then carries a keyed form of the tag, so that a client cannot choose
    /// or learn its member.
    pub key: Option<String>,
}

impl CookieAffinity {
    /// A cookie of that name with every default.
    pub fn named(name: &str) -> CookieAffinity {
        CookieAffinity {
            name: name.to_owned(),
            path: "/".to_owned(),
            domain: None,
            max_age: None,
            secure: None,
            http_only: true,
            same_site: "Lax".to_owned(),
            key: None,
        }
    }
}
