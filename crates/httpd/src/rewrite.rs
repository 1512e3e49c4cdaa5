//! mod_rewrite in a server: rules, conditions, flags.

use crate::env::Env;
use crate::expr::{Expr, Scene};
use crate::pattern::{Groups, Pattern};
use crate::scene::{Facts, Stage};

/// Steps of one request, `[N]` and `[S]` included.
const STEPS_MAX: usize = 10_000;

/// The rules of a server, in order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Rewriting {
    /// `RewriteRule`s with their conditions.
    pub rules: Vec<Rule>,
}

/// `RewriteRule`.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// `RewriteCond`s before it.
    pub conditions: Vec<Condition>,
    /// What the path must look like,
    pub pattern: Pattern,
    /// or must not.
    pub not: bool,
    /// What it becomes; `None` for `-`.
    pub to: Option<String>,
    /// Flags.
    pub flags: Flags,
    /// With `[P]`: the routes (positions in the plan) and balancers of targets, by the beginning
    /// of their URLs.
    pub target: Option<crate::site::Target>,
}

/// `RewriteCond`.
#[derive(Clone, PartialEq, Debug)]
pub struct Condition {
    /// What is looked at, with `%{…}`, `$n` and `%n`.
    pub subject: String,
    /// What it is held against.
    pub test: Test,
    /// The other way round.
    pub not: bool,
    /// `[OR]`.
    pub or_next: bool,
}

/// What a condition asks.
#[derive(Clone, PartialEq, Debug)]
pub enum Test {
    /// The pattern is found.
    Found(Pattern),
    /// It is this text; in any case.
    Is(String, bool),
    /// It comes before, or after, this text.
    Before(String),
    /// It comes after this text.
    After(String),
    /// As numbers: `-eq`, `-lt`…
    Number(&'static str, i64),
    /// `expr`.
    Expr(Expr),
    /// `-f`, `-d` and the like: files are not looked at.
    Never,
}

/// `[P,L,R=302,…]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Flags {
    /// `P`.
    pub proxy: bool,
    /// `L`, `END`, and what ends it by itself.
    pub last: bool,
    /// `PT`: the path is still one of ours.
    pub through: bool,
    /// `R`: the status.
    pub redirect: Option<u16>,
    /// `QSA`.
    pub append_query: bool,
    /// `QSD`.
    pub discard_query: bool,
    /// `NE`.
    pub plain: bool,
    /// `N`.
    pub again: bool,
    /// `C`.
    pub chain: bool,
    /// `S`: rules to skip.
    pub skip: usize,
    /// `E`: variables with `$n` and `%n`; `None`: unset.
    pub env: Vec<(String, Option<String>)>,
    /// `CO`: cookies with `$n` and `%n`.
    pub cookies: Vec<String>,
    /// `UnsafeAllow3F`.
    pub unsafe_3f: bool,
    /// `B`: what is filled in is escaped.
    pub escape: bool,
    /// `BNP`: and a blank is not a plus.
    pub no_plus: bool,
}

/// What the rules came to.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Outcome {
    /// Go on with the path as it is now.
    On,
    /// The path was changed, and no rule said that it is still one.
    File,
    /// Pass to this URL by this rule; the path as sent, query included.
    Proxy(crate::site::Target, Vec<u8>),
    /// Send the client there.
    Redirect(u16, Vec<u8>),
    /// End with this status.
    Status(u16),
}

/// Runs the rules over a request.
pub(crate) fn run(rewriting: &Rewriting, facts: &mut Facts, env: &mut Env) -> Outcome {
    let mut at = 0;
    let mut steps = 0;
    let mut changed = false;
    let on = |changed: bool| if changed { Outcome::File } else { Outcome::On };
    while let Some(rule) = rewriting.rules.get(at) {
        steps += 1;
        if steps > STEPS_MAX {
            return Outcome::Status(500);
        }
        let Some((groups, found)) = rule.fits(facts, env) else {
            at += 1;
            // What hangs on a rule is passed over with it.
            let mut chained = rule;
            while chained.flags.chain {
                let Some(next) = rewriting.rules.get(at) else { break };
                chained = next;
                at += 1;
            }
            continue;
        };
        if let Some(outcome) = rule.act(facts, env, &groups, &found) {
            return outcome;
        }
        changed |= rule.to.is_some();
        if rule.flags.through {
            return Outcome::On;
        }
        if rule.flags.last {
            return on(changed);
        }
        at = if rule.flags.again { 0 } else { at + 1 + rule.flags.skip };
    }
    on(changed)
}

impl Rule {
    /// The groups of the pattern and of the last condition.
    fn fits(&self, facts: &Facts, env: &Env) -> Option<(Groups, Groups)> {
        let groups = match (self.pattern.groups(&facts.path), self.not) {
            (Some(groups), false) => groups,
            (None, true) => Groups::default(),
            _ => return None,
        };
        let mut found = Groups::default();
        let mut any_before = false;
        for condition in &self.conditions {
            // One of alternatives held already.
            if any_before {
                any_before = condition.or_next;
                continue;
            }
            let holds = condition.holds(facts, env, &groups, &mut found);
            match (holds, condition.or_next) {
                (true, or_next) => any_before = or_next,
                (false, true) => {}
                (false, false) => return None,
            }
        }
        Some((groups, found))
    }

    fn act(
        &self,
        facts: &mut Facts,
        env: &mut Env,
        groups: &Groups,
        found: &Groups,
    ) -> Option<Outcome> {
        for (name, value) in &self.flags.env {
            match value {
                Some(value) => {
                    let value = fill(value, facts, env, groups, found, Escape::Never);
                    env.set(name, value);
                }
                None => env.unset(name),
            }
        }
        for cookie in &self.flags.cookies {
            let text = fill(cookie, facts, env, groups, found, Escape::Never);
            facts.set_cookie(&text);
        }
        let status = self.flags.redirect.filter(|status| !(300..400).contains(status));
        if status.is_some() {
            return status.map(Outcome::Status);
        }
        if let Some(to) = &self.to {
            // A question mark that was escaped would begin a query.
            if to.contains(['$', '%']) && facts.path.contains(&b'?') && !self.flags.unsafe_3f {
                return Some(Outcome::Status(403));
            }
            let new = fill(to, facts, env, groups, found, self.escape());
            self.set_path(facts, new);
        } else if !self.flags.proxy && self.flags.redirect.is_none() {
            return None;
        }
        if self.flags.proxy {
            return self.target.as_ref().map(|target| {
                let path = url_path(&facts.path);
                let path = crate::path::encoded(path, crate::site::EncodedSlashes::Off);
                Outcome::Proxy(target.clone(), path)
            });
        }
        let absolute = is_absolute(&facts.path);
        let status = self.flags.redirect.or(absolute.then_some(302))?;
        let mut url = match self.flags.plain {
            true => facts.path.clone(),
            false => escaped_url(&facts.path),
        };
        if !absolute {
            let front = facts.own_url();
            let slash: &[u8] = if url.starts_with(b"/") { b"" } else { b"/" };
            url = [&front[..], slash, &url].concat();
        }
        if let Some(query) = facts.query.as_ref().filter(|query| !query.is_empty()) {
            url.push(b'?');
            url.extend_from_slice(query);
        }
        Some(Outcome::Redirect(status, url))
    }

    fn escape(&self) -> Escape {
        match (self.flags.escape, self.flags.no_plus) {
            (false, _) => Escape::Never,
            (true, false) => Escape::Plus,
            (true, true) => Escape::Hex,
        }
    }

    /// Takes the query apart from what was written, and joins it as the flags say.
    fn set_path(&self, facts: &mut Facts, new: Vec<u8>) {
        match new.iter().position(|b| *b == b'?') {
            Some(mark) => {
                let query = &new[mark + 1..];
                facts.query = match (&facts.query, self.flags.append_query) {
                    (Some(old), true) if !old.is_empty() && !query.is_empty() => {
                        Some([query, b"&", old].concat())
                    }
                    (Some(old), true) if query.is_empty() => Some(old.clone()),
                    _ => (!query.is_empty()).then(|| query.to_vec()),
                };
                facts.path = new[..mark].to_vec();
            }
            None => {
                if self.flags.discard_query {
                    facts.query = None;
                }
                facts.path = new;
            }
        }
    }
}

impl Condition {
    fn holds(&self, facts: &Facts, env: &Env, groups: &Groups, found: &mut Groups) -> bool {
        let text = fill(&self.subject, facts, env, groups, found, Escape::Never);
        let holds = match &self.test {
            Test::Found(pattern) => match pattern.groups(&text) {
                Some(new) => {
                    if !self.not {
                        *found = new;
                    }
                    true
                }
                None => false,
            },
            Test::Is(other, true) => text.eq_ignore_ascii_case(other.as_bytes()),
            Test::Is(other, false) => text == other.as_bytes(),
            Test::Before(other) => &text[..] < other.as_bytes(),
            Test::After(other) => &text[..] > other.as_bytes(),
            Test::Number(op, other) => {
                let number = String::from_utf8_lossy(&text).trim().parse().unwrap_or(0_i64);
                match *op {
                    "-eq" => number == *other,
                    "-ne" => number != *other,
                    "-lt" => number < *other,
                    "-le" => number <= *other,
                    "-gt" => number > *other,
                    _ => number >= *other,
                }
            }
            Test::Expr(expr) => expr.holds(&Stage::asked(facts, env)),
            Test::Never => false,
        };
        holds != self.not
    }
}

/// Fills in `$n`, `%n`, `%{NAME}`, `%{HTTP:Field}`, `%{ENV:name}`; a backslash takes the meaning.
fn fill(
    text: &str,
    facts: &Facts,
    env: &Env,
    groups: &Groups,
    found: &Groups,
    escape: Escape,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    let group = |text: &[u8], out: &mut Vec<u8>| match escape {
        Escape::Never => out.extend_from_slice(text),
        how => out.extend_from_slice(&component(text, how)),
    };
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, after) {
            (b'\\', [escaped, after @ ..]) => {
                out.push(*escaped);
                rest = after;
            }
            (b'$', [digit @ b'0'..=b'9', after @ ..]) => {
                group(groups.get(usize::from(digit - b'0')), &mut out);
                rest = after;
            }
            (b'%', [digit @ b'0'..=b'9', after @ ..]) => {
                group(found.get(usize::from(digit - b'0')), &mut out);
                rest = after;
            }
            (b'%', [b'{', after @ ..]) => match after.iter().position(|b| *b == b'}') {
                Some(end) => {
                    let name = String::from_utf8_lossy(&after[..end]);
                    out.extend_from_slice(&looked_up(&name, facts, env));
                    rest = &after[end + 1..];
                }
                None => out.push(b'%'),
            },
            _ => out.push(*byte),
        }
    }
    out
}

fn looked_up(name: &str, facts: &Facts, env: &Env) -> Vec<u8> {
    let stage = Stage::asked(facts, env);
    match name.split_once(':') {
        Some(("HTTP", field)) => stage.field(field.as_bytes()),
        Some(("ENV", variable)) => stage.environment(variable),
        Some(_) => Vec::new(),
        None => stage.variable(&name.to_ascii_uppercase()),
    }
}

/// Whether a text begins with a scheme and an authority.
pub(crate) fn is_absolute(text: &[u8]) -> bool {
    text.windows(3).position(|window| window == b"://").is_some_and(|at| {
        at > 0 && text[..at].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'+')
    })
}

/// What follows scheme and authority.
fn url_path(url: &[u8]) -> &[u8] {
    let Some(at) = url.windows(3).position(|window| window == b"://") else { return url };
    let rest = &url[at + 3..];
    rest.iter().position(|b| *b == b'/').map_or(b"", |slash| &rest[slash..])
}

fn escaped_url(url: &[u8]) -> Vec<u8> {
    let (front, path) = match is_absolute(url) {
        true => url.split_at(url.len() - url_path(url).len()),
        false => (&b""[..], url),
    };
    [front, &crate::path::encoded(path, crate::site::EncodedSlashes::Off)].concat()
}

/// What becomes of groups that are filled in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    /// Nothing.
    Never,
    /// They are escaped, blanks as plus.
    Plus,
    /// They are escaped, blanks too.
    Hex,
}

fn component(text: &[u8], escape: Escape) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'~' => out.push(*byte),
            b' ' if escape == Escape::Plus => out.push(b'+'),
            _ => out.extend_from_slice(format!("%{byte:02x}").as_bytes()),
        }
    }
    out
}
