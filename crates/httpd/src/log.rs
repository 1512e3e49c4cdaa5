//! `LogFormat` and `CustomLog`: what a line of an access log says.

mod line;
mod moment;

use std::sync::Arc;

pub use line::{Ended, Kept};

use crate::headers::When;
use moment::Moment;

/// Bytes of a format.
pub const FORMAT_MAX: usize = 4096;
/// What httpd takes where no format is named.
pub const COMMON: &str = "%h %l %u %t \"%r\" %>s %b";

/// `CustomLog` and `TransferLog` of a server.
#[derive(Clone, PartialEq, Debug)]
pub struct SiteLog {
    /// The file, by position in [`Sites::logs`](crate::Sites::logs).
    pub file: usize,
    /// What a line says.
    pub format: Arc<Format>,
    /// Which requests it is written for.
    pub when: When,
}

/// What a line says.
#[derive(Clone, PartialEq, Debug)]
pub struct Format {
    items: Vec<Item>,
    /// Some field of the answer is told.
    tells_answer: bool,
}

/// A part of a line.
#[derive(Clone, PartialEq, Debug)]
enum Item {
    Plain(Vec<u8>),
    Told(What, Choice),
}

/// For which statuses something is told, and of which request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Choice {
    /// These statuses only; all others when `not`.
    statuses: Vec<u16>,
    not: bool,
    /// `<` and `>`: of the request as it came, or of the document it ended with.
    last: Option<bool>,
}

/// What is told.
#[derive(Clone, PartialEq, Debug)]
enum What {
    /// `%h`, `%a`; with `{c}`: the other end of the connection.
    Client(bool),
    /// `%A`.
    Local,
    /// `%b` (`-` for none) and `%B`.
    Body(bool),
    /// `%{NAME}C`.
    Cookie(String),
    /// `%{NAME}e`.
    Env(String),
    /// `%{NAME}i`.
    Field(String),
    /// `%{NAME}o`.
    Answered(String),
    /// `%r`.
    Line,
    /// `%m`.
    Method,
    /// `%U`.
    Path,
    /// `%q`.
    Query,
    /// `%H`.
    Protocol,
    /// `%s`.
    Status,
    /// `%t`.
    Time(Moment),
    /// `%D`, `%T`: in that many microseconds.
    Took(u64),
    /// `%p`.
    Port(Port),
    /// `%v`.
    Server,
    /// `%V`.
    Asked,
    /// `%X`.
    Kept,
    /// `%k`.
    Served,
    /// `%I`, `%O`, `%S`.
    Bytes(bool, bool),
    /// `%P`.
    Process,
    /// What is never known here, as users of a login: `-`.
    Nothing,
}

/// Which port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Port {
    Canonical,
    Local,
    Remote,
}

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// In words, when it holds a letter that means nothing, or is longer than 4096 bytes.
    pub fn new(text: &str) -> Result<Format, String> {
        if text.len() > FORMAT_MAX {
            return Err(format!("a format has at most {FORMAT_MAX} bytes"));
        }
        let (mut items, mut plain) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match (c, rest.as_bytes().first()) {
                ('\\', Some(escaped @ (b'n' | b't' | b'\\'))) => {
                    plain.push(match escaped {
                        b'n' => b'\n',
                        b't' => b'\t',
                        _ => b'\\',
                    });
                    rest = &rest[1..];
                }
                ('%', Some(b'%')) => {
                    plain.push(b'%');
                    rest = &rest[1..];
                }
                ('%', _) => {
                    let (item, after) = told(rest)?;
                    if !plain.is_empty() {
                        items.push(Item::Plain(std::mem::take(&mut plain)));
                    }
                    items.push(item);
                    rest = after;
                }
                _ => plain.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !plain.is_empty() {
            items.push(Item::Plain(plain));
        }
        let tells = |item: &Item| matches!(item, Item::Told(What::Answered(_), _));
        Ok(Format { tells_answer: items.iter().any(tells), items })
    }

    /// Whether it tells of fields of the answer.
    pub fn tells_answer(&self) -> bool {
        self.tells_answer
    }
}

/// What follows a percent sign, and the rest.
fn told(text: &str) -> Result<(Item, &str), String> {
    let (mut choice, mut argument) = (Choice::default(), None);
    let mut rest = text;
    loop {
        let c = rest.chars().next().ok_or("Unexpected end of format string")?;
        match c {
            '!' => choice.not = true,
            '<' => choice.last = Some(false),
            '>' => choice.last = Some(true),
            ',' => {}
            '0'..='9' => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                let status =
                    rest[..end].parse().map_err(|_| format!("{} is no status", &rest[..end]))?;
                choice.statuses.push(status);
                rest = &rest[end..];
                continue;
            }
            '{' => {
                let end = rest.find('}').ok_or("missing '}' in a format")?;
                argument = Some(&rest[1..end]);
                rest = &rest[end + 1..];
                continue;
            }
            letter => {
                // Trailers: `%^ti`, `%^to`.
                if let Some(after) = rest.strip_prefix("^ti").or_else(|| rest.strip_prefix("^to")) {
                    return Ok((Item::Told(What::Nothing, choice), after));
                }
                let what = lettered(letter, argument)?;
                return Ok((Item::Told(what, choice), &rest[letter.len_utf8()..]));
            }
        }
        rest = &rest[1..];
    }
}

fn lettered(letter: char, argument: Option<&str>) -> Result<What, String> {
    let named = || match argument {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(format!("%{letter} needs a name, as in %{{NAME}}{letter}")),
    };
    let peer = argument == Some("c");
    Ok(match letter {
        'h' | 'a' => What::Client(peer),
        'A' => What::Local,
        'b' => What::Body(true),
        'B' => What::Body(false),
        'C' => What::Cookie(named()?),
        'e' => What::Env(named()?),
        'i' => What::Field(named()?),
        'o' => What::Answered(named()?),
        'r' => What::Line,
        'm' => What::Method,
        'U' => What::Path,
        'q' => What::Query,
        'H' => What::Protocol,
        's' => What::Status,
        't' => What::Time(Moment::new(argument.unwrap_or_default())?),
        'D' => What::Took(1),
        'T' => match argument.unwrap_or("s") {
            "s" | "" => What::Took(1_000_000),
            "ms" => What::Took(1000),
            "us" => What::Took(1),
            other => return Err(format!("%{{{other}}}T: there are s, ms and us")),
        },
        'p' => match argument.unwrap_or("canonical") {
            "canonical" | "" => What::Port(Port::Canonical),
            "local" => What::Port(Port::Local),
            "remote" => What::Port(Port::Remote),
            other => return Err(format!("%{{{other}}}p: there are canonical, local and remote")),
        },
        'v' => What::Server,
        'V' => What::Asked,
        'X' => What::Kept,
        'k' => What::Served,
        'I' => What::Bytes(true, false),
        'O' => What::Bytes(false, true),
        'S' => What::Bytes(true, true),
        'P' => What::Process,
        'l' | 'u' | 'L' | 'f' | 'R' | 'n' => What::Nothing,
        other => {
            return Err(format!(
                "Unrecognized LogFormat directive %{other}; a percent sign itself is %%"
            ));
        }
    })
}
