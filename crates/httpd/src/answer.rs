//! The head of an answer on its way to the client, and answers that are made here.

use crate::date;
use crate::expr::filled;
use crate::headers::{Fields, Head, apply, joined};
use crate::page::{PROXY_ERROR, document_of, page, phrase};
use crate::passage::{Passage, Verdict};
use crate::rewrite;
use crate::scene::Stage;
use crate::site::{BadFields, Document, Mapping, Via};

/// Which member was chosen, and why.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chosen {
    /// Its position.
    pub member: usize,
    /// Name and route of the session that the request named.
    pub session: Option<(String, Vec<u8>)>,
    /// Sessions count, and the member was not found by its own route.
    pub changed: bool,
}

/// An answer that is made here.
#[derive(Clone, PartialEq, Debug)]
pub struct Own {
    /// The status.
    pub status: u16,
    /// Its phrase, if it is not the usual one.
    pub phrase: Option<Vec<u8>>,
    /// Further lines of its head.
    pub fields: Fields,
    /// Its body.
    pub body: Vec<u8>,
}

impl Passage {
    /// Takes down which member was chosen, for rules and logs.
    pub fn chose(&mut self, chosen: &Chosen) {
        let Verdict::Proxy(toward) = &self.verdict else { return };
        let Some(balancer) = self.sites.balancers.get(toward.balancer) else { return };
        if balancer.url.is_empty() {
            return;
        }
        let member = balancer.members.get(chosen.member);
        self.env.set("BALANCER_NAME", balancer.url.as_bytes());
        // A socket is no part of the name here.
        let url = member.map_or("", |member| &*member.url);
        let url =
            url.strip_prefix("unix:").and_then(|url| url.split_once('|')).map_or(url, |u| u.1);
        self.env.set("BALANCER_WORKER_NAME", url);
        self.env.set("BALANCER_WORKER_ROUTE", member.map_or("", |member| &member.route));
        match &chosen.session {
            Some((name, route)) => {
                self.env.set("BALANCER_SESSION_STICKY", name.as_bytes());
                self.env.set("BALANCER_SESSION_ROUTE", route.as_slice());
            }
            None => {
                self.env.unset("BALANCER_SESSION_STICKY");
                self.env.unset("BALANCER_SESSION_ROUTE");
            }
        }
        match chosen.changed && balancer.sticky {
            true => self.env.set("BALANCER_ROUTE_CHANGED", "1"),
            false => self.env.unset("BALANCER_ROUTE_CHANGED"),
        }
    }

    /// Whether a member's answer of that status is thrown away for a page of ours.
    pub fn overrides(&self, status: u16) -> bool {
        match &self.place.error_override {
            Some((true, codes)) if codes.is_empty() => status >= 400,
            Some((true, codes)) => codes.contains(&status),
            _ => false,
        }
    }

    /// What becomes of lines without a colon in the head of an answer.
    pub fn bad_fields(&self) -> BadFields {
        self.server().bad_fields
    }

    /// Keeps what a page in the place of a member's answer still tells of that: its phrase, and
    /// for a 401 how to log in.
    pub fn note_overridden(&mut self, status: u16, phrase: &[u8], fields: &Fields) {
        let challenge = joined(fields, b"www-authenticate").filter(|_| status == 401);
        self.overridden = Some((status, phrase.to_vec(), challenge));
    }

    /// What becomes of the fields of a member's answer.
    pub fn answer(&mut self, status: u16, mut fields: Fields) -> Fields {
        for (name, value) in &mut fields {
            if ["location", "content-location", "uri", "destination"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
            {
                if let Some(new) = self.reversed(value) {
                    *value = new;
                }
            } else if [&b"date"[..], b"expires", b"last-modified"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known))
            {
                let modern = str::from_utf8(value).ok().and_then(date::modern);
                *value = modern.map_or_else(|| std::mem::take(value), String::into_bytes);
            } else if name.eq_ignore_ascii_case(b"set-cookie") {
                self.cookie(value);
            }
        }
        if matches!(self.server().via, Via::On | Via::Full) {
            fields.push((b"Via".to_vec(), self.own_via()));
        }
        let mut always = self.cookies();
        self.apply(true, status, &mut always);
        self.apply(false, status, &mut fields);
        always.extend(fields);
        self.remember(&always);
        always
    }

    /// Keeps what the client gets, if a log tells it.
    fn remember(&mut self, fields: &Fields) {
        if self.server().logs.iter().any(|log| log.format.tells_answer()) {
            self.answered.clone_from(fields);
        }
    }

    /// Lines of cookies that rules set.
    fn cookies(&self) -> Fields {
        let lines = self.facts.cookies.iter();
        lines.map(|(_, line)| (b"Set-Cookie".to_vec(), line.clone())).collect()
    }

    fn apply(&mut self, always: bool, status: u16, fields: &mut Fields) {
        let rules = std::mem::take(&mut self.place.headers);
        let chosen = rules.iter().filter(|rule| rule.always == always);
        apply(chosen, Head::Answer(status), fields, &self.facts, &mut self.env, self.times);
        self.place.headers = rules;
    }

    /// An answer of our own: the document that was asked for, or a plain one.
    pub fn own(&mut self, status: u16, location: Option<&[u8]>) -> Own {
        self.told(status, location, None)
    }

    /// An answer of our own that says why a member's could not be passed on.
    pub fn failed_with(&mut self, status: u16, about: Option<&str>) -> Own {
        self.told(status, None, about)
    }

    fn told(&mut self, status: u16, location: Option<&[u8]>, about: Option<&str>) -> Own {
        if status == 200 {
            return self.end_of_way();
        }
        let stage = Stage::asked(&self.facts, &self.env);
        let mut fields = Fields::new();
        let code = document_of(status);
        let document = self.place.documents.iter().find(|(known, _)| *known == code);
        let overridden = std::mem::take(&mut self.overridden);
        let (status, body) = match document.map(|(_, document)| document) {
            Some(Document::Text(word)) => (status, filled(word, &stage)),
            Some(Document::Url(url)) => {
                fields.push((b"Location".to_vec(), url.clone().into_bytes()));
                (302, page(302, None, Some(url.as_bytes())))
            }
            Some(Document::Path(_) | Document::Default) | None => {
                (status, page(status, about, location))
            }
        };
        let phrase = match about.filter(|_| status >= 500) {
            Some(_) => Some(PROXY_ERROR),
            None => phrase(status),
        };
        let mut phrase = phrase.map(|phrase| phrase.as_bytes().to_vec());
        if let Some((status_then, words, challenge)) = overridden {
            if status_then == status {
                phrase = Some(words);
            }
            fields.extend(challenge.map(|value| (b"WWW-Authenticate".to_vec(), value)));
        }
        if let Some(location) = location {
            let clean = location.iter().copied().filter(|b| *b > 0x20 && *b != 0x7f).collect();
            fields.push((b"Location".to_vec(), clean));
        }
        if status == 426 {
            fields.push((b"Upgrade".to_vec(), b"WebSocket".to_vec()));
        }
        fields.push((b"Content-Type".to_vec(), b"text/html; charset=iso-8859-1".to_vec()));
        let mut always = self.cookies();
        self.apply(true, status, &mut always);
        always.extend(fields);
        self.remember(&always);
        Own { status, phrase, fields: always, body }
    }

    /// The answer to TRACE and OPTIONS that end here (RFC 9110 sections 9.3.7 and 9.3.8).
    fn end_of_way(&mut self) -> Own {
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let (fields, body) = match &self.facts.method[..] {
            b"TRACE" => (vec![field("Content-Type", "message/http")], self.facts.echo()),
            _ if self.facts.path == b"*" => (Fields::new(), Vec::new()),
            _ => (vec![field("Allow", "TRACE")], Vec::new()),
        };
        Own { status: 200, phrase: None, fields: self.answer(200, fields), body }
    }

    /// The fields of a page of ours.
    pub fn page_fields(&mut self, content_type: &str) -> Fields {
        self.answer(200, vec![(b"Content-Type".to_vec(), content_type.as_bytes().to_vec())])
    }

    /// `ProxyPassReverse`.
    fn reversed(&self, pointer: &[u8]) -> Option<Vec<u8>> {
        let mut found = None;
        for mapping in &self.place.reverses {
            let mapping = mapping.filled(&self.env, self.place.interpolates == Some(true));
            let Mapping { from, to, .. } = &*mapping;
            found = match from.strip_prefix("balancer://") {
                Some(rest) => self.reversed_balancer(to, rest, pointer),
                None => reversed_plain(from.as_bytes(), to, pointer),
            };
            if found.is_some() {
                break;
            }
        }
        let found = found?;
        if rewrite::is_absolute(&found) {
            return Some(found);
        }
        Some([self.facts.own_url(), found].concat())
    }

    fn reversed_balancer(&self, path: &str, rest: &str, pointer: &[u8]) -> Option<Vec<u8>> {
        let (name, inner) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let url = format!("balancer://{}", name.to_ascii_lowercase());
        let balancer = self.sites.balancers.iter().find(|balancer| balancer.url == url)?;
        balancer.members.iter().find_map(|member| {
            let start = match inner {
                "" | "/" => member.url.clone(),
                inner => format!("{}{inner}", member.url.trim_end_matches('/')),
            };
            let rest = strip_any_case(start.as_bytes(), pointer)?;
            let rest = match path {
                "/" => rest.strip_prefix(b"/").unwrap_or(rest),
                _ => rest,
            };
            Some([path.as_bytes(), rest].concat())
        })
    }

    /// `ProxyPassReverseCookiePath` and `…Domain`.
    fn cookie(&self, value: &mut Vec<u8>) {
        for (name, rules, any_case) in [
            ("path", &self.place.cookie_paths, false),
            ("domain", &self.place.cookie_domains, true),
        ] {
            let Some((start, end)) = attribute(value, name) else { continue };
            let fits = |inner: &str| match any_case {
                true => strip_any_case(inner.as_bytes(), &value[start..end]).is_some(),
                false => value[start..end].starts_with(inner.as_bytes()),
            };
            let on = self.place.interpolates == Some(true);
            let mut rules = rules.iter().map(|rule| rule.filled(&self.env, on));
            if let Some(rule) = rules.find(|rule| fits(&rule.from)) {
                value.splice(start..end, rule.to.bytes());
            }
        }
    }
}

fn reversed_plain(target: &[u8], path: &str, pointer: &[u8]) -> Option<Vec<u8>> {
    // A target with only a path is compared with the path, whatever the host.
    let compared = match target {
        [b'/', ..] => path_of(pointer)?,
        _ => pointer,
    };
    let rest = strip_any_case(target, compared)?;
    Some([path.as_bytes(), rest].concat())
}

fn path_of(pointer: &[u8]) -> Option<&[u8]> {
    if pointer.starts_with(b"/") {
        return Some(pointer);
    }
    let at = pointer.windows(3).position(|window| window == b"://")? + 3;
    let slash = pointer[at..].iter().position(|b| *b == b'/')?;
    Some(&pointer[at + slash..])
}

fn strip_any_case<'t>(start: &[u8], text: &'t [u8]) -> Option<&'t [u8]> {
    let (front, rest) = text.split_at_checked(start.len())?;
    front.eq_ignore_ascii_case(start).then_some(rest)
}

/// Where the value of a cookie's attribute stands; of several the last.
fn attribute(cookie: &[u8], name: &str) -> Option<(usize, usize)> {
    let mut at = 0;
    let mut found = None;
    for part in cookie.split(|b| *b == b';') {
        let inner = part.len() - part.trim_ascii_start().len();
        let text = &part[inner..];
        if let Some(value) =
            strip_any_case(name.as_bytes(), text).and_then(|v| v.strip_prefix(b"="))
        {
            let start = at + part.len() - value.len();
            found = Some((start, at + part.len()));
        }
        at += part.len() + 1;
    }
    found
}

/// The lines of a field as one; for callers who hold fields of an answer.
pub fn field(fields: &Fields, name: &[u8]) -> Option<Vec<u8>> {
    joined(fields, name)
}
