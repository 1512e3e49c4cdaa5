//! What a route asks of a request beside host, path and method. Looked at only for routes that the
//! tables have found.

use std::net::IpAddr;

use evenkeel_plan::{self as plan, Cidr, ValueMatch};
use evenkeel_wire::http1::{Known, RequestHead};
use evenkeel_wire::{cookie, query};
use regex::bytes::{Regex, RegexBuilder};

/// Compiled size of one expression; the configuration door checks the same bound.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Where the conditions look.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The bytes of the head.
    pub buf: &'a [u8],
    /// The head.
    pub head: &'a RequestHead,
    /// The client, as trusted forwarding headers have it.
    pub client: Option<IpAddr>,
}

/// Conditions, compiled.
pub(super) struct Conditions {
    headers: Vec<Condition>,
    cookies: Vec<Condition>,
    queries: Vec<Condition>,
    clients: Vec<Cidr>,
}

struct Condition {
    name: Box<str>,
    values: Vec<Wanted>,
}

enum Wanted {
    Present,
    Absent,
    Exact(Box<[u8]>),
    Regex(Regex),
}

impl Conditions {
    /// `None`: nothing is asked.
    pub(super) fn compile(plan: &plan::Conditions) -> Result<Option<Conditions>, String> {
        if plan.is_empty() {
            return Ok(None);
        }
        let all = |conditions: &[plan::Condition]| {
            conditions.iter().map(compile).collect::<Result<Vec<_>, _>>()
        };
        Ok(Some(Conditions {
            headers: all(&plan.headers)?,
            cookies: all(&plan.cookies)?,
            queries: all(&plan.queries)?,
            clients: plan.clients.clone(),
        }))
    }

    /// Whether the request has all of it.
    pub(super) fn hold(&self, facts: Facts<'_>) -> bool {
        let Facts { buf, head, client } = facts;
        let known = |client: IpAddr| self.clients.iter().any(|network| network.contains(client));
        (self.clients.is_empty() || client.is_some_and(known))
            && self.headers.iter().all(|condition| {
                let mut lines = head.field(buf, &condition.name).peekable();
                match lines.peek() {
                    None => condition.fits(None),
                    Some(_) => lines.any(|line| condition.fits(Some(line))),
                }
            })
            && self.cookies.iter().all(|condition| {
                let lines = head.fields.iter().filter(|field| field.known == Known::Cookie);
                let mut lines = lines.map(|field| field.value.of(buf));
                condition.fits(lines.find_map(|line| cookie::find(line, condition.name.as_bytes())))
            })
            && self.queries.iter().all(|condition| {
                let query = head.query.map_or(&[][..], |span| span.of(buf));
                match query::find(query, condition.name.as_bytes()) {
                    Some(value) if value.iter().any(|b| matches!(b, b'%' | b'+')) => {
                        let mut plain = Vec::with_capacity(value.len());
                        query::decode(value, &mut plain);
                        condition.fits(Some(&plain))
                    }
                    value => condition.fits(value),
                }
            })
    }
}

impl Condition {
    fn fits(&self, value: Option<&[u8]>) -> bool {
        self.values.iter().any(|wanted| match (wanted, value) {
            (Wanted::Present, value) => value.is_some(),
            (Wanted::Absent, value) => value.is_none(),
            (Wanted::Exact(text), Some(value)) => &**text == value,
            (Wanted::Regex(regex), Some(value)) => regex.is_match(value),
            (Wanted::Exact(_) | Wanted::Regex(_), None) => false,
        })
    }
}

fn compile(condition: &plan::Condition) -> Result<Condition, String> {
    let wanted = |value: &ValueMatch| {
        Ok(match value {
            ValueMatch::Present => Wanted::Present,
            ValueMatch::Absent => Wanted::Absent,
            ValueMatch::Exact(text) => Wanted::Exact(text.as_bytes().into()),
            ValueMatch::Regex(pattern) => {
                let built = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
                Wanted::Regex(built.map_err(|error| error.to_string())?)
            }
        })
    };
    let values = condition.values.iter().map(wanted).collect::<Result<_, String>>()?;
    Ok(Condition { name: condition.name.as_str().into(), values })
}
