use std::fmt;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::Record;
use super::dates::Dates;
use super::fields::{self, FIELDS, Field, FieldRow, FieldValue};
use crate::json;

/// The longest template, in bytes.
pub const TEMPLATE_MAX: usize = 4096;

/// What a line looks like.
#[derive(Clone, Debug)]
pub struct Format(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Json,
    Combined,
    Template(Vec<Piece>),
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<[u8]>),
    Field(Field),
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// Where in the template, in bytes.
    pub at: usize,
    /// The name that is no field, when that is what is wrong; [`FIELDS`] lists those that are.
    pub unknown: Option<String>,
    /// One sentence.
    pub message: String,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FormatError {}

impl Format {
    /// One JSON object a line. Fields without a value are left out.
    pub fn json() -> Format {
        Format(Kind::Json)
    }

    /// Apache's combined format: `%h - - %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i"`.
    pub fn combined() -> Format {
        Format(Kind::Combined)
    }

    /// A text with `{field}` places; `{{` and `}}` stand for single braces. Values are escaped
    /// like Apache's: no value can end the line or a quoted place.
    pub fn template(text: &str) -> Result<Format, FormatError> {
        pieces(text).map(|pieces| Format(Kind::Template(pieces)))
    }

    /// Appends one line with its newline.
    pub(super) fn append(&self, out: &mut Vec<u8>, dates: &mut Dates, record: &Record<'_>) {
        match &self.0 {
            Kind::Json => json_line(out, dates, record),
            Kind::Combined => combined_line(out, dates, record),
            Kind::Template(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Literal(text) => out.extend_from_slice(text),
                        Piece::Field(field) => plain(out, dates, field.value(record)),
                    }
                }
            }
        }
        out.push(b'\n');
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, FormatError> {
    let wrong = |at, message: &str| FormatError { at, unknown: None, message: message.to_owned() };
    if text.is_empty() || text.len() > TEMPLATE_MAX {
        return Err(wrong(0, "a template has 1 to 4096 bytes"));
    }
    if let Some((at, _)) = text.char_indices().find(|(_, c)| c.is_control() && *c != '\t') {
        return Err(wrong(at, "a template holds no control characters: a line is one line"));
    }
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            literal.push(rest.as_bytes()[0]);
            at += 2;
        } else if rest.starts_with('}') {
            return Err(wrong(at, "a } without {; write }} for a brace"));
        } else if let Some(name) = rest.strip_prefix('{') {
            let end = name.find('}');
            let name = &name[..end.ok_or_else(|| wrong(at, "a { that no } closes"))?];
            let field = field(name, at)?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
            }
            pieces.push(Piece::Field(field));
            at += name.len() + 2;
        } else {
            let end = rest.find(['{', '}']).unwrap_or(rest.len());
            literal.extend_from_slice(&rest.as_bytes()[..end]);
            at += end;
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into()));
    }
    Ok(pieces)
}

fn field(name: &str, at: usize) -> Result<Field, FormatError> {
    let row = FIELDS.iter().find(|row| row.name == name);
    row.map(|row| row.field).ok_or_else(|| FormatError {
        at,
        unknown: Some(name.to_owned()),
        message: format!("no field is named {{{name}}}"),
    })
}

fn json_line(out: &mut Vec<u8>, dates: &mut Dates, record: &Record<'_>) {
    let start = out.len();
    for FieldRow { field, json_key, .. } in FIELDS.iter().filter(|row| row.in_json) {
        let value = field.value(record);
        if matches!(value, FieldValue::Absent) {
            continue;
        }
        out.extend_from_slice(json_key);
        match value {
            FieldValue::Text(text) => json::string(out, text),
            FieldValue::Number(_) | FieldValue::Millis(_) => plain(out, dates, value),
            _ => {
                out.push(b'"');
                plain(out, dates, value);
                out.push(b'"');
            }
        }
    }
    // The time is always there, so there is a first comma.
    out[start] = b'{';
    out.push(b'}');
}

fn combined_line(out: &mut Vec<u8>, dates: &mut Dates, r: &Record<'_>) {
    plain(out, dates, r.client.map_or(FieldValue::Absent, FieldValue::Address));
    out.extend_from_slice(b" - - [");
    dates.clf(out, r.unix_millis);
    out.extend_from_slice(b"] \"");
    if r.method.is_empty() {
        out.push(b'-');
    } else {
        plain(out, dates, fields::text(r.method));
        out.push(b' ');
        plain(out, dates, fields::text(r.target));
        out.push(b' ');
        plain(out, dates, fields::text(r.protocol.as_bytes()));
    }
    out.extend_from_slice(b"\" ");
    json::number(out, r.status.into());
    out.push(b' ');
    json::number(out, r.bytes_out);
    out.extend_from_slice(b" \"");
    plain(out, dates, fields::text(r.referer));
    out.extend_from_slice(b"\" \"");
    plain(out, dates, fields::text(r.user_agent));
    out.push(b'"');
}

/// A value without quotes; `-` when there is none.
fn plain(out: &mut Vec<u8>, dates: &mut Dates, value: FieldValue<'_>) {
    match value {
        FieldValue::Absent => out.push(b'-'),
        FieldValue::Text(text) => escaped(out, text),
        FieldValue::Number(number) => json::number(out, number),
        FieldValue::Millis(duration) => millis(out, duration),
        FieldValue::Rfc3339(unix_millis) => dates.rfc3339(out, unix_millis),
        FieldValue::Clf(unix_millis) => dates.clf(out, unix_millis),
        FieldValue::Address(ip) => address(out, ip),
    }
}

/// Milliseconds with three decimals.
fn millis(out: &mut Vec<u8>, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    json::number(out, micros / 1000);
    let rest = micros % 1000;
    // Digits are below 10.
    out.extend([b'.', (rest / 100) as u8 + b'0', (rest / 10 % 10) as u8 + b'0']);
    out.push((rest % 10) as u8 + b'0');
}

fn address(out: &mut Vec<u8>, ip: IpAddr) {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            for (index, octet) in v4.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                json::number(out, octet.into());
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
}

/// Like Apache's log: quote, backslash and what is not printable ASCII are escaped.
fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    let is_plain = |b: u8| (0x20..0x7f).contains(&b) & (b != b'"') & (b != b'\\');
    if text.iter().fold(true, |plain, b| plain & is_plain(*b)) {
        return out.extend_from_slice(text);
    }
    for b in text.iter().copied() {
        match b {
            b'"' | b'\\' => out.extend([b'\\', b]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0b => out.extend_from_slice(b"\\v"),
            0x20..0x7f => out.push(b),
            b => {
                out.extend_from_slice(b"\\x");
                out.extend_from_slice(&json::hex(b));
            }
        }
    }
}

#[cfg(test)]
mod tests;
