//! Reading one value: what was expected, what was found, where.

use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use evenkeel_plan::check::nearest;
use evenkeel_plan::{Bytes, Name, Percent, StatusRange};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::units;
use crate::diagnostic::{Diagnostic, Severity};

/// What reading collects, and what it may ask.
pub(crate) struct Reader<'e> {
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) env: &'e dyn Fn(&str) -> Option<String>,
    pub(crate) file: usize,
}

/// A value in a file, with the words for what it belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    pub(crate) node: &'a Spanned<DeValue<'a>>,
}

impl Reader<'_> {
    pub(crate) fn error(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) {
        self.push(Severity::Error, span, message.into(), label.into(), None);
    }

    pub(crate) fn error_help(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Error, span, message.into(), label.into(), Some(help.into()));
    }

    /// Whether a key was suggested since there were so many diagnostics: then it is not missing,
    /// only misspelt.
    pub(crate) fn suggested(&self, key: &str, since: usize) -> bool {
        let help = format!("did you mean `{key}`?");
        self.diagnostics[since..].iter().any(|d| d.help.as_ref() == Some(&help))
    }

    fn push(
        &mut self,
        severity: Severity,
        span: Range<usize>,
        message: String,
        label: String,
        help: Option<String>,
    ) {
        let file = self.file;
        self.diagnostics.push(Diagnostic { severity, file, span, message, label, help });
    }

    /// Something of the contract that this version does not have yet.
    pub(crate) fn not_yet(&mut self, span: Range<usize>, what: &str) {
        self.error(span, format!("{what} is not available in this version"), "");
    }

    /// Replaces `${NAME}` and `${NAME:-default}`; `$${` stands for `${`.
    fn expand(&mut self, text: &str, span: &Range<usize>) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, dollar) = rest.split_at(at);
            out.push_str(before);
            if let Some(after) = dollar.strip_prefix("$${") {
                out.push_str("${");
                rest = after;
            } else if let Some(inner) = dollar.strip_prefix("${") {
                let Some((inner, after)) = inner.split_once('}') else {
                    let message = "`${` begins an environment variable, but no } ends it";
                    self.error_help(span.clone(), message, "", "write $${ for a plain ${");
                    return None;
                };
                out.push_str(&self.variable(inner, span)?);
                rest = after;
            } else {
                out.push('$');
                rest = &dollar[1..];
            }
        }
        out.push_str(rest);
        Some(out)
    }

    /// The value of `NAME` or `NAME:-default`; as in a shell, an empty variable takes the default.
    fn variable(&mut self, inner: &str, span: &Range<usize>) -> Option<String> {
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if name.is_empty() || !name.bytes().all(word) {
            let message = format!("\"{name}\" is not the name of an environment variable");
            let help = "write ${NAME} or ${NAME:-default}, and $${ for a plain ${";
            self.error_help(span.clone(), message, "", help);
            return None;
        }
        let value = (self.env)(name).filter(|value| !(value.is_empty() && default.is_some()));
        let value = value.or_else(|| default.map(str::to_owned));
        if value.is_none() {
            self.error_help(
                span.clone(),
                format!("the environment variable {name} is not set"),
                "",
                format!("set it, or give a default: ${{{name}:-default}}"),
            );
        }
        value
    }
}

impl<'a> Value<'a> {
    pub(crate) fn span(&self) -> Range<usize> {
        self.node.span()
    }

    /// What it is, in words.
    pub(crate) fn found(&self) -> &'static str {
        match self.node.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(true) => "true",
            DeValue::Boolean(false) => "false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }

    /// Complains that something else was expected.
    pub(crate) fn expected<T>(&self, reader: &mut Reader<'_>, what: &str) -> Option<T> {
        let message = format!("expected {what}, found {}", self.found());
        reader.error(self.span(), message, "");
        None
    }

    /// Complains about the value.
    pub(crate) fn wrong<T>(
        &self,
        reader: &mut Reader<'_>,
        message: impl Into<String>,
    ) -> Option<T> {
        reader.error(self.span(), message, "");
        None
    }

    pub(crate) fn as_table(&self) -> Option<&'a DeTable<'a>> {
        match self.node.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn is_string(&self) -> bool {
        matches!(self.node.get_ref(), DeValue::String(_))
    }

    pub(crate) fn is_integer(&self) -> bool {
        matches!(self.node.get_ref(), DeValue::Integer(_))
    }

    pub(crate) fn is_auto(&self) -> bool {
        matches!(self.node.get_ref(), DeValue::String(text) if text == "auto")
    }

    pub(crate) fn is_false(&self) -> bool {
        matches!(self.node.get_ref(), DeValue::Boolean(false))
    }

    pub(crate) fn items(&self) -> Option<impl Iterator<Item = Value<'a>>> {
        match self.node.get_ref() {
            DeValue::Array(array) => Some(array.iter().map(|node| Value { node })),
            _ => None,
        }
    }

    /// A table; `example` shows one.
    pub(crate) fn table(&self, reader: &mut Reader<'_>, example: &str) -> Option<&'a DeTable<'a>> {
        self.as_table().or_else(|| self.expected(reader, &format!("a table like {example}")))
    }

    pub(crate) fn string(&self, reader: &mut Reader<'_>) -> Option<String> {
        self.string_like(reader, "a string")
    }

    pub(crate) fn string_like(&self, reader: &mut Reader<'_>, what: &str) -> Option<String> {
        match self.node.get_ref() {
            DeValue::String(text) => reader.expand(text, &self.span()),
            _ => self.expected(reader, what),
        }
    }

    /// What a string with a variable in it stands for: `"${NAME}"` may be a number too.
    fn expanded(&self, reader: &mut Reader<'_>) -> Result<Option<String>, ()> {
        match self.node.get_ref() {
            DeValue::String(text) if text.contains("${") => {
                reader.expand(text, &self.span()).map(Some).ok_or(())
            }
            _ => Ok(None),
        }
    }

    pub(crate) fn boolean(&self, reader: &mut Reader<'_>) -> Option<bool> {
        if let DeValue::Boolean(value) = self.node.get_ref() {
            return Some(*value);
        }
        match self.expanded(reader).ok()? {
            None => self.expected(reader, "true or false"),
            Some(text) => match text.parse() {
                Ok(value) => Some(value),
                Err(_) => self.wrong(reader, format!("expected true or false, found \"{text}\"")),
            },
        }
    }

    pub(crate) fn integer(
        &self,
        reader: &mut Reader<'_>,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let what = format!("a number from {} to {}", range.start(), range.end());
        let found = match self.node.get_ref() {
            DeValue::Integer(number) => number.to_string(),
            _ => match self.expanded(reader).ok()? {
                Some(text) => format!("\"{text}\""),
                None => return self.expected(reader, &what),
            },
        };
        let value = match self.node.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => found.trim_matches('"').parse().ok(),
        };
        value
            .filter(|value| range.contains(value))
            .or_else(|| self.wrong(reader, format!("expected {what}, found {found}")))
    }

    /// An integer or decimal number.
    pub(crate) fn number(&self, reader: &mut Reader<'_>) -> Option<f64> {
        match self.node.get_ref() {
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n as f64)
            }
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => self.expanded(reader).ok()?.and_then(|text| text.parse().ok()),
        }
        .or_else(|| self.expected(reader, "a number"))
    }

    pub(crate) fn duration(&self, reader: &mut Reader<'_>) -> Option<Duration> {
        if let DeValue::Integer(number) = self.node.get_ref() {
            let text = number.as_str();
            return self.no_unit(reader, text);
        }
        let what = "a duration like \"250ms\", \"10s\" or \"5m\"";
        let text = self.string_like(reader, what)?;
        if !text.is_empty() && text != "0" && text.bytes().all(|b| b.is_ascii_digit()) {
            return self.no_unit(reader, &text);
        }
        units::duration(&text)
            .or_else(|| self.wrong(reader, format!("expected {what}, found \"{text}\"")))
    }

    fn no_unit<T>(&self, reader: &mut Reader<'_>, number: &str) -> Option<T> {
        reader.error_help(
            self.span(),
            "a duration needs a unit: ms, s, m, h or d",
            "",
            format!("write \"{number}s\" for seconds or \"{number}ms\" for milliseconds"),
        );
        None
    }

    /// A duration that is not zero.
    pub(crate) fn positive(&self, reader: &mut Reader<'_>) -> Option<Duration> {
        let time = self.duration(reader)?;
        if time.is_zero() {
            self.wrong(reader, "this time must be longer than 0")
        } else {
            Some(time)
        }
    }

    pub(crate) fn size(&self, reader: &mut Reader<'_>) -> Option<Bytes> {
        if let DeValue::Integer(number) = self.node.get_ref() {
            let value = u64::from_str_radix(number.as_str(), number.radix()).ok();
            return value
                .map(Bytes)
                .or_else(|| self.wrong(reader, "expected a size that is not negative"));
        }
        let what = "a size like \"64KiB\" or \"10MB\"";
        let text = self.string_like(reader, what)?;
        units::size(&text)
            .or_else(|| self.wrong(reader, format!("expected {what}, found \"{text}\"")))
    }

    pub(crate) fn percent(&self, reader: &mut Reader<'_>) -> Option<Percent> {
        let what = "a share like \"20%\"";
        let text = self.string_like(reader, what)?;
        let share =
            text.strip_suffix('%').and_then(|text| text.trim().parse().ok()).and_then(Percent::new);
        share.or_else(|| {
            self.wrong(reader, format!("expected {what} (0% to 100%), found \"{text}\""))
        })
    }

    pub(crate) fn name(&self, reader: &mut Reader<'_>) -> Option<Name> {
        let text = self.string_like(reader, "a name")?;
        Name::new(&text).map_or_else(|reason| self.wrong(reader, reason), Some)
    }

    /// Bytes in hexadecimal, two digits each.
    pub(crate) fn hex(&self, reader: &mut Reader<'_>) -> Option<Vec<u8>> {
        let what = "bytes in hexadecimal, like \"0a1b\"";
        let text = self.string_like(reader, what)?;
        let bytes = units::hex(&text);
        bytes.or_else(|| self.wrong(reader, format!("expected {what}, found \"{text}\"")))
    }

    /// Text that parses as `T`, whose error is a sentence.
    pub(crate) fn parsed<T: FromStr<Err = &'static str>>(
        &self,
        reader: &mut Reader<'_>,
        what: &str,
    ) -> Option<T> {
        let text = self.string_like(reader, what)?;
        text.parse().map_or_else(
            |reason: &str| self.wrong(reader, format!("\"{text}\" is not {what}: {reason}")),
            Some,
        )
    }

    /// An address. `slip` knows what was meant by what is none.
    pub(crate) fn address<T: FromStr<Err = &'static str>>(
        &self,
        reader: &mut Reader<'_>,
        slip: fn(&str) -> Option<String>,
    ) -> Option<T> {
        let (text, reason) = match self.node.get_ref() {
            DeValue::Integer(number) => (number.to_string(), "it needs quotes and an address"),
            _ => {
                let text = self.string_like(reader, "an address")?;
                match text.parse() {
                    Ok(address) => return Some(address),
                    Err(reason) => (text, reason),
                }
            }
        };
        let message = format!("\"{text}\" is not an address: {reason}");
        match slip(&text) {
            Some(help) => reader.error_help(self.span(), message, "", help),
            None => reader.error(self.span(), message, ""),
        }
        None
    }

    /// One of some words.
    pub(crate) fn one_of<T: Clone>(
        &self,
        reader: &mut Reader<'_>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let listed =
            words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let text = self.string_like(reader, &format!("{}{listed}", one_of(words.len())))?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(value.clone());
        }
        let message =
            format!("\"{text}\" is not known here: expected {}{listed}", one_of(words.len()));
        match nearest(&text, words.iter().map(|(word, _)| *word)) {
            Some(near) => {
                reader.error_help(self.span(), message, "", format!("did you mean \"{near}\"?"))
            }
            None => reader.error(self.span(), message, ""),
        }
        None
    }

    /// One value, or an array of them.
    pub(crate) fn one_or_more<T>(
        &self,
        reader: &mut Reader<'_>,
        mut read: impl FnMut(Value<'a>, &mut Reader<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        match self.items() {
            Some(items) => Some(items.filter_map(|item| read(item, reader)).collect()),
            None => read(*self, reader).map(|one| vec![one]),
        }
    }

    pub(crate) fn statuses(&self, reader: &mut Reader<'_>) -> Option<Vec<StatusRange>> {
        self.one_or_more(reader, |value, reader| {
            if value.is_integer() {
                let status = value.integer(reader, 100..=599)? as u16;
                return Some(StatusRange { first: status, last: status });
            }
            let text =
                value.string_like(reader, "a status like 200 or a range like \"200-399\"")?;
            let (first, last) = text.split_once('-').unwrap_or((&text, &text));
            let status =
                |text: &str| text.trim().parse::<u16>().ok().filter(|s| (100..=599).contains(s));
            match (status(first), status(last)) {
                (Some(first), Some(last)) if first <= last => Some(StatusRange { first, last }),
                _ => value.wrong(
                    reader,
                    "expected a status from 100 to 599, or a range like \"200-399\"",
                ),
            }
        })
    }
}

fn one_of(words: usize) -> &'static str {
    if words > 1 { "one of " } else { "" }
}
