//! What binds a request to a member: the key that hashing policies hash, and affinity.

use evenkeel_httpd::{Chosen, Passage, Verdict};

use evenkeel_balance::{Bound, affinity, hash_key};
use evenkeel_observe::access_log::Affinity as Logged;
use evenkeel_plan::{Affinity, CookieAffinity, HashKey, Policy};
use evenkeel_wire::http1::{Known, RequestHead};
use evenkeel_wire::{cookie, query};

use crate::dial::Upstream;
use crate::http::asked::Asked;
use crate::http::session_value;
use crate::key::client_key;
use crate::snapshot::PoolRt;

/// The hash that a hashing policy picks by; 0 for the others.
pub(crate) fn of(buf: &[u8], head: &RequestHead, asked: &Asked, pool: &PoolRt) -> u64 {
    if !pool.plan.policy.hashes() {
        return 0;
    }
    let text = match &pool.plan.hash_key {
        _ if pool.plan.policy == Policy::SourceHash => None,
        HashKey::Client => None,
        HashKey::Uri => Some(head.target.of(buf)),
        HashKey::Path => Some(asked.path()),
        HashKey::Header(name) => head.field(buf, name).next(),
        HashKey::Cookie(name) => cookie_of(buf, head, name),
        HashKey::Query(name) => {
            head.query.and_then(|span| query::find(span.of(buf), name.as_bytes()))
        }
    };
    match text {
        Some(text) => hash_key(text),
        None => client_key(asked.client),
    }
}

fn cookie_of<'a>(buf: &'a [u8], head: &RequestHead, name: &str) -> Option<&'a [u8]> {
    let lines = head.fields.iter().filter(|field| field.known == Known::Cookie);
    lines.map(|field| field.value.of(buf)).find_map(|line| cookie::find(line, name.as_bytes()))
}

/// What affinity knows about a request.
pub(crate) struct Binding {
    /// The tag the request names.
    tag: Option<Vec<u8>>,
    key: Option<u64>,
    /// The pool's members are bound by a cookie of ours.
    by_cookie: bool,
    /// Where the session was found, and its route; for httpd's variables.
    session: Option<(String, Vec<u8>)>,
}

impl Binding {
    /// Looks for the request's binding in cookies and parameters.
    pub(crate) fn of(buf: &[u8], head: &RequestHead, asked: &Asked, pool: &PoolRt) -> Binding {
        let none = Binding { tag: None, key: None, by_cookie: false, session: None };
        match &pool.plan.affinity {
            None => none,
            Some(Affinity::Client) => Binding { key: Some(client_key(asked.client)), ..none },
            Some(Affinity::Cookie(plan)) => {
                let value = cookie_of(buf, head, &plan.name);
                let tags = pool.plan.members.iter().map(|member| &*member.tag);
                let at =
                    value.and_then(|value| affinity::tag_for(plan, &pool.plan.name, value, tags));
                let tag =
                    at.and_then(|at| pool.plan.members.get(at)).map(|m| m.tag.as_bytes().to_vec());
                // A value that names nobody is remembered: the client was bound once.
                let tag = tag.or_else(|| value.map(|_| Vec::new()));
                Binding { tag, by_cookie: true, ..none }
            }
            Some(Affinity::Application { cookie, parameter, separator, .. }) => {
                let target = head.target.of(buf);
                let value = if pool.plan.policy.is_apache() {
                    let lines = head.fields.iter().filter(|field| field.known == Known::Cookie);
                    let mut lines = lines.map(|field| field.value.of(buf));
                    session_value::in_target(target, parameter.as_bytes()).or_else(|| {
                        lines.find_map(|line| session_value::in_cookie(line, cookie.as_bytes()))
                    })
                } else {
                    parameter_of(target, parameter).or_else(|| cookie_of(buf, head, cookie))
                };
                let tag = value.and_then(|value| affinity::session_tag(value, *separator));
                Binding { tag: tag.map(<[u8]>::to_vec), ..none }
            }
        }
    }

    /// The same where httpd's rules decide: they may have changed target and cookies.
    pub(crate) fn of_passage(passage: &Passage, pool: &PoolRt) -> Binding {
        let none = Binding { tag: None, key: None, by_cookie: false, session: None };
        let (Some(Affinity::Application { cookie, parameter, separator, .. }), Verdict::Proxy(to)) =
            (&pool.plan.affinity, &passage.verdict)
        else {
            return none;
        };
        let line = passage.facts.field(b"cookie").unwrap_or_default();
        let semicolon = pool.plan.rules.as_ref().is_some_and(|rules| rules.semicolon_ends);
        let target = session_value::in_target(&to.target, parameter.as_bytes());
        let target = target.map(|value| match semicolon {
            true => value.split(|b| *b == b';').next().unwrap_or_default(),
            false => value,
        });
        let found = match target.filter(|value| !value.is_empty()) {
            Some(value) => Some((parameter, value)),
            None => session_value::in_cookie(&line, cookie.as_bytes()).map(|v| (cookie, v)),
        };
        let Some((name, value)) = found else { return none };
        let route = match separator {
            Some(byte) => value.iter().position(|b| b == byte).map(|at| &value[at + 1..]),
            None => Some(value),
        };
        let tag = affinity::session_tag(value, *separator).map(<[u8]>::to_vec);
        Binding { tag, session: route.map(|route| (name.clone(), route.to_vec())), ..none }
    }

    /// Who was chosen, for httpd's variables.
    pub(crate) fn chosen(&self, member: usize, passage: &Passage) -> Chosen {
        let own = passage.member(member).map_or(&b""[..], |member| member.route.as_bytes());
        let kept = self.session.as_ref().is_some_and(|(_, route)| route == own && !own.is_empty());
        Chosen { member, session: self.session.clone(), changed: !kept }
    }

    /// What the pick is asked for.
    pub(crate) fn bound(&self) -> Bound<'_> {
        match (&self.tag, self.key) {
            (Some(tag), _) => Bound::Tag(tag),
            (None, Some(key)) => Bound::Key(key),
            (None, None) => Bound::None,
        }
    }

    /// What affinity did, for the log.
    pub(crate) fn affinity(&self, honoured: bool) -> Logged {
        match (&self.tag, honoured) {
            (_, true) => Logged::Kept,
            (Some(_), false) => Logged::Moved,
            (None, false) if self.by_cookie => Logged::New,
            (None, false) => Logged::None,
        }
    }

    /// The cookie to set, if the client must learn of its member.
    pub(crate) fn cookie<'p>(
        &self,
        pool: &'p PoolRt,
        upstream: &Upstream,
    ) -> Option<(&'p CookieAffinity, Vec<u8>)> {
        let Some(Affinity::Cookie(plan)) = &pool.plan.affinity else { return None };
        if upstream.bound {
            return None;
        }
        let tag = &pool.plan.members.get(upstream.member)?.tag;
        Some((plan, affinity::cookie_value(plan, &pool.plan.name, tag).into_bytes()))
    }
}

impl Binding {
    /// The line that tells the client of its member, where the application does not.
    pub(crate) fn announce(&self, pool: &PoolRt, upstream: &Upstream) -> Option<String> {
        let Some(Affinity::Application { set_cookie: Some(text), .. }) = &pool.plan.affinity else {
            return None;
        };
        if upstream.bound {
            return None;
        }
        let tag = &pool.plan.members.get(upstream.member)?.tag;
        Some(format!("Set-Cookie: {}\r\n", text.replace("{tag}", tag)))
    }
}

/// `;NAME=VALUE` in the path or `NAME=VALUE` in the query, whichever comes first.
fn parameter_of<'a>(target: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = target;
    while let Some(at) = rest.iter().position(|b| matches!(b, b';' | b'?' | b'&')) {
        rest = &rest[at + 1..];
        let value = rest.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        if let Some(value) = value {
            let end = value.iter().position(|b| matches!(b, b';' | b'?' | b'&' | b'/' | b'#'));
            let value = &value[..end.unwrap_or(value.len())];
            return (!value.is_empty()).then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_in_path_and_query() {
        let cases = [
            ("/a;jsessionid=x.b?c=d", Some("x.b")),
            ("/a;v=1;jsessionid=x.b;w", Some("x.b")),
            ("/a;jsessionid=x.b/c", Some("x.b")),
            ("/a?jsessionid=x.b&c", Some("x.b")),
            ("/a?c&jsessionid=x.b", Some("x.b")),
            ("/a?xjsessionid=x.b", None),
            ("/jsessionid=x.b", None),
            ("/a;jsessionid=", None),
        ];
        for (target, expected) in cases {
            assert_eq!(
                parameter_of(target.as_bytes(), "jsessionid"),
                expected.map(str::as_bytes),
                "{target}"
            );
        }
    }
}
