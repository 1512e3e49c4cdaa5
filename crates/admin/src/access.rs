//! Who may do what.

use std::net::{IpAddr, SocketAddr};

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::App;
use crate::problem::Problem;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A client over TCP.
    Tcp(SocketAddr),
    /// A client on a unix socket: the file's permissions let it in.
    Unix,
}

/// Whether the one who asks may change things.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MayChange(pub(crate) bool);

/// Lets a request through, marked with [`MayChange`], or refuses it.
pub(crate) async fn guard(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let open = ["/healthz", "/readyz"].contains(&path) || crate::dashboard::is_file(path);
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD);
    let verdict = match app.token.as_deref() {
        Some(token) if !open || is_change => with_token(request.headers(), token),
        Some(_) => Ok(false),
        None => without_token(&request, peer, open || path == "/metrics", is_change),
    };
    match verdict {
        Ok(may_change) => {
            request.extensions_mut().insert(MayChange(may_change));
            next.run(request).await
        }
        Err(problem) => {
            let unauthorized = app.token.is_some();
            let mut response = problem.into_response();
            if unauthorized {
                let challenge = HeaderValue::from_static("Bearer realm=\"evenkeel\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            response
        }
    }
}

fn with_token(headers: &HeaderMap, token: &str) -> Result<bool, Problem> {
    let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let bearer = given.and_then(|text| {
        let (scheme, token) = text.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
    });
    let detail = match bearer {
        Some(bearer) if is_same(bearer, token.as_bytes()) => return Ok(true),
        Some(_) => "the token is not the one of the configuration",
        None => "send the header Authorization: Bearer TOKEN, with [admin] token",
    };
    let title = "A valid token is needed";
    Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", title, detail))
}

/// Compares in a time that depends on the lengths only.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let differs =
        a.iter().zip(b).fold(0, |differs, (a, b)| std::hint::black_box(differs | (a ^ b)));
    a.len() == b.len() && differs == 0
}

/// Without a token the network decides, so everything that could lend a stranger the address of
/// this machine is refused: a browser on it that shows a foreign page, also under a name that
/// was made to point here, and a proxy on it.
fn without_token(
    request: &Request,
    peer: Peer,
    any_host: bool,
    is_change: bool,
) -> Result<bool, Problem> {
    let headers = request.headers();
    let local = match peer {
        Peer::Unix => true,
        Peer::Tcp(peer) => peer.ip().to_canonical().is_loopback(),
    };
    let host = host(headers, request.uri());
    // A unix socket cannot be reached by a browser.
    let own_host = peer == Peer::Unix || host.is_some_and(names_an_address);
    let may_change = local && own_host && !is_foreign_page(headers, host) && !is_relayed(headers);
    if is_change && !may_change {
        return Err(refusal(headers, host, local, own_host));
    }
    if local && !own_host && !any_host {
        return Err(wrong_host());
    }
    Ok(may_change)
}

fn refusal(headers: &HeaderMap, host: Option<&str>, local: bool, own_host: bool) -> Problem {
    if !local {
        Problem::forbidden(
            "without a token, changes are accepted from this machine only; \
             set token under [admin] to allow them from elsewhere",
        )
    } else if !own_host {
        wrong_host()
    } else if is_foreign_page(headers, host) {
        Problem::forbidden("a page of another origin asked for this change")
    } else {
        Problem::forbidden(
            "the request came through a proxy, so it may be anybody's; set token under [admin]",
        )
    }
}

fn wrong_host() -> Problem {
    Problem::forbidden(
        "without a token, the address must be asked for as localhost or as an IP address, \
         so that no foreign name can stand for it; set token under [admin] to use a name",
    )
}

fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let header = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    uri.authority().map(|authority| authority.as_str()).or(header)
}

/// Whether a `Host` is `localhost` or an IP address, with or without a port.
fn names_an_address(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    match bare {
        Some(v6) => v6.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
        None => name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok(),
    }
}

/// Whether a browser says that a page of another origin sent the request.
fn is_foreign_page(headers: &HeaderMap, host: Option<&str>) -> bool {
    let foreign_site = headers.get_all("sec-fetch-site").iter().any(|site| {
        let site = site.as_bytes();
        site != b"same-origin" && site != b"none"
    });
    let foreign_origin = headers.get_all(header::ORIGIN).iter().any(|origin| {
        let origin = origin.to_str().ok();
        let authority = origin.and_then(|o| o.strip_prefix("http://"));
        authority.is_none() || authority != host
    });
    foreign_site || foreign_origin
}

fn is_relayed(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_addresses_are_told_from_names() {
        for host in ["localhost", "LocalHost:9900", "127.0.0.1", "10.0.0.1:80", "[::1]", "[::1]:9"]
        {
            assert!(names_an_address(host), "{host}");
        }
        for host in ["", "evil.example", "evil.example:9900", "localhost.evil.example", "[evil]:1"]
        {
            assert!(!names_an_address(host), "{host}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(is_same(b"secret", b"secret"));
        for other in ["", "secre", "secretx", "sEcret"] {
            assert!(!is_same(other.as_bytes(), b"secret"));
        }
    }
}
