//! `Header` and `RequestHeader`: changes to fields, in the order of the file.

use crate::env::Env;
use crate::expr::{Expr, Scene, Word, filled};
use crate::pattern::Pattern;
use crate::scene::{Facts, Stage};

/// Lines of a head: name and value.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// One change.
#[derive(Clone, PartialEq, Debug)]
pub struct HeaderRule {
    /// `always`: also on answers that are made here.
    pub always: bool,
    /// What is done.
    pub change: Change,
    /// The field.
    pub name: String,
    /// When.
    pub when: When,
}

/// When a change is made.
#[derive(Clone, PartialEq, Debug)]
pub enum When {
    /// Always.
    Always,
    /// When the variable is set, or is not.
    Env(String, bool),
    /// When the expression holds.
    Expr(Expr),
}

/// What is done to a field.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// In place of what is there.
    Set(Value),
    /// One more line.
    Add(Value),
    /// Joined to what is there.
    Append(Value),
    /// Joined unless it is there.
    Merge(Value),
    /// When nothing is there.
    SetIfEmpty(Value),
    /// Taken out.
    Unset,
    /// Replaced within the value: in its first place or in all.
    Edit(Pattern, Value, bool),
    /// Fields of the request whose names match go into the answer.
    Echo(Pattern),
    /// The value becomes a note.
    Note(String),
}

/// A value: a format, or an expression.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Text with `%{NAME}e` and the like.
    Format(Vec<Piece>),
    /// `expr=…`.
    Expr(Word),
}

/// A piece of a format.
#[derive(Clone, PartialEq, Debug)]
pub enum Piece {
    /// As it stands.
    Plain(Vec<u8>),
    /// `%{NAME}e`.
    Env(String),
    /// `%{NAME}s`.
    Tls(String),
    /// `%t`: when the request came.
    Time,
    /// `%D`: how long it has taken.
    Duration,
    /// `%l`, `%i`, `%b`: load and idle workers; not known here.
    Unknown,
}

/// The times that formats tell, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// When the request came, since 1970.
    pub began: u64,
    /// How long it has taken.
    pub took: u64,
}

/// Reads a format.
///
/// # Errors
/// What is wrong, in words.
pub fn format(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            plain.push(c);
            continue;
        }
        let rest = chars.as_str();
        let (piece, used) = match rest.chars().next() {
            Some('%') => (None, 1),
            Some('t') => (Some(Piece::Time), 1),
            Some('D') => (Some(Piece::Duration), 1),
            Some('l' | 'i' | 'b') => (Some(Piece::Unknown), 1),
            Some('{') => {
                let end = rest.find('}').ok_or("`%{` has no end")?;
                let name = rest[1..end].to_owned();
                let piece = match rest[end + 1..].chars().next() {
                    Some('e') => Piece::Env(name),
                    Some('s') => Piece::Tls(name),
                    _ => return Err(format!("`%{{{name}}}` should be followed by `e` or `s`")),
                };
                (Some(piece), end + 2)
            }
            Some(other) => return Err(format!("there is no `%{other}`")),
            // A lone percent sign at the end.
            None => (None, 0),
        };
        match piece {
            None => plain.push('%'),
            Some(piece) => {
                flush(&mut pieces, &mut plain);
                pieces.push(piece);
            }
        }
        chars = rest[used..].chars();
    }
    flush(&mut pieces, &mut plain);
    Ok(pieces)
}

fn flush(pieces: &mut Vec<Piece>, plain: &mut String) {
    if !plain.is_empty() {
        pieces.push(Piece::Plain(std::mem::take(plain).into_bytes()));
    }
}

impl Value {
    fn text(&self, env: &Env, scene: &dyn Scene, times: Times) -> Vec<u8> {
        let pieces = match self {
            Value::Expr(word) => return clean(filled(word, scene)),
            Value::Format(pieces) => pieces,
        };
        let mut out = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Plain(text) => out.extend_from_slice(text),
                Piece::Env(name) => out.extend_from_slice(env.get(name).unwrap_or(b"(null)")),
                Piece::Tls(name) => match scene.variable(name) {
                    text if text.is_empty() => out.extend_from_slice(b"(null)"),
                    text => out.extend_from_slice(&text),
                },
                Piece::Time => out.extend_from_slice(format!("t={}", times.began).as_bytes()),
                Piece::Duration => out.extend_from_slice(format!("D={}", times.took).as_bytes()),
                Piece::Unknown => out.extend_from_slice(b"0"),
            }
        }
        clean(out)
    }
}

/// Bytes that may not stand in a value are left out.
pub(crate) fn clean(mut value: Vec<u8>) -> Vec<u8> {
    value.retain(|b| (*b >= 0x20 && *b != 0x7f) || *b == b'\t');
    value
}

/// Which head is changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Head {
    /// The request's.
    Request,
    /// The answer's, of that status.
    Answer(u16),
}

/// Makes the changes.
pub(crate) fn apply<'r>(
    rules: impl Iterator<Item = &'r HeaderRule>,
    head: Head,
    fields: &mut Fields,
    facts: &Facts,
    env: &mut Env,
    times: Times,
) {
    for rule in rules {
        let stage = match head {
            Head::Request => Stage { facts, env, request: fields, answer: None },
            Head::Answer(status) => {
                Stage { facts, env, request: &facts.fields, answer: Some((status, fields)) }
            }
        };
        let due = match &rule.when {
            When::Always => true,
            When::Env(name, wanted) => env.has(name) == *wanted,
            When::Expr(expr) => expr.holds(&stage),
        };
        if due {
            let value = rule.change.value().map(|value| value.text(env, &stage, times));
            change(rule, fields, &facts.fields, env, value.unwrap_or_default());
        }
    }
}

impl Change {
    fn value(&self) -> Option<&Value> {
        match self {
            Change::Set(value)
            | Change::Add(value)
            | Change::Append(value)
            | Change::Merge(value)
            | Change::SetIfEmpty(value)
            | Change::Edit(_, value, _) => Some(value),
            Change::Unset | Change::Echo(_) | Change::Note(_) => None,
        }
    }
}

fn change(rule: &HeaderRule, fields: &mut Fields, request: &Fields, env: &mut Env, value: Vec<u8>) {
    let name = rule.name.as_bytes();
    let there = joined(fields, name);
    match &rule.change {
        Change::Set(_) => put(fields, name, value),
        Change::Add(_) => fields.push((name.to_vec(), value)),
        Change::Append(_) | Change::Merge(_) => match there {
            None => put(fields, name, value),
            Some(there) => {
                let known = matches!(rule.change, Change::Merge(_))
                    && there.split(|b| *b == b',').any(|one| one.trim_ascii() == value);
                if !known {
                    put(fields, name, [&there[..], b", ", &value].concat());
                }
            }
        },
        Change::SetIfEmpty(_) => {
            if there.is_none_or(|there| there.is_empty()) {
                put(fields, name, value);
            }
        }
        Change::Unset => fields.retain(|field| !field.0.eq_ignore_ascii_case(name)),
        Change::Edit(pattern, _, all) => {
            // Lines that were looked at come last.
            let is_it = |field: &mut (Vec<u8>, Vec<u8>)| field.0.eq_ignore_ascii_case(name);
            let looked_at: Fields = fields.extract_if(.., is_it).collect();
            for (name, old) in looked_at {
                let new = pattern.replaced(&old, &value, *all).map(clean);
                fields.push((name, new.unwrap_or(old)));
            }
        }
        Change::Echo(pattern) => {
            fields.extend(request.iter().filter(|field| pattern.is_found(&field.0)).cloned());
        }
        Change::Note(variable) => {
            if let Some(value) = there {
                env.note(variable, value);
            }
        }
    }
}

/// One line of that name, where the first one stood.
pub(crate) fn put(fields: &mut Fields, name: &[u8], value: Vec<u8>) {
    let mut value = Some(value);
    fields.retain_mut(|field| match field.0.eq_ignore_ascii_case(name) {
        false => true,
        true => value.take().map(|value| field.1 = value).is_some(),
    });
    if let Some(value) = value {
        fields.push((name.to_vec(), value));
    }
}

/// The lines of a field as one.
pub(crate) fn joined(fields: &Fields, name: &[u8]) -> Option<Vec<u8>> {
    let mut lines = fields.iter().filter(|field| field.0.eq_ignore_ascii_case(name));
    let mut text = lines.next()?.1.clone();
    for line in lines {
        text.extend_from_slice(b", ");
        text.extend_from_slice(&line.1);
    }
    Some(text)
}
