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
        self.error(span, format!("{what} is not available in this version"), "not available yet");
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
                continue;
            }
            let Some((inner, after)) =
                dollar.strip_prefix("${").and_then(|inner| inner.split_once('}'))
            else {
                out.push('$');
                rest = &dollar[1..];
                continue;
            };
            let (name, default) = match inner.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inner, None),
            };
            match (self.env)(name).or_else(|| default.map(str::to_owned)) {
                Some(value) => out.push_str(&value),
                None => {
                    self.error_help(
                        span.clone(),
                        format!("the environment variable {name} is not set"),
                        "needed here",
                        format!("set {name}, give a default with ${{{name}:-default}}, or write $${{ for a plain ${{"),
                    );
                    return None;
                }
            }
            rest = after;
        }
        out.push_str(rest);
        Some(out)
    }
}

impl<'a> Value<'a> {
    pub(crate) fn span(&self) -> Range<usize> {
        self.node.span()
    }

    fn found(&self) -> &'static str {
        match self.node.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }

    /// Complains that something else was expected.
    pub(crate) fn expected<T>(&self, reader: &mut Reader<'_>, what: &str) -> Option<T> {
        let message = format!("expected {what}, found {}", self.found());
        reader.error(self.span(), message, format!("expected {what}"));
        None
    }

    /// Complains about the value.
    pub(crate) fn wrong<T>(
        &self,
        reader: &mut Reader<'_>,
        message: impl Into<String>,
    ) -> Option<T> {
        let message = message.into();
        reader.error(self.span(), message, "here");
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

    pub(crate) fn is_false(&self) -> bool {
        matches!(self.node.get_ref(), DeValue::Boolean(false))
    }

    pub(crate) fn items(&self) -> Option<impl Iterator<Item = Value<'a>>> {
        match self.node.get_ref() {
            DeValue::Array(array) => Some(array.iter().map(|node| Value { node })),
            _ => None,
        }
    }

    pub(crate) fn table(&self, reader: &mut Reader<'_>) -> Option<&'a DeTable<'a>> {
        self.as_table().or_else(|| self.expected(reader, "a table like { key = value }"))
    }

    pub(crate) fn string(&self, reader: &mut Reader<'_>) -> Option<String> {
        self.string_like(reader, "a string")
    }

    fn string_like(&self, reader: &mut Reader<'_>, what: &str) -> Option<String> {
        match self.node.get_ref() {
            DeValue::String(text) => reader.expand(text, &self.span()),
            _ => self.expected(reader, what),
        }
    }

    pub(crate) fn boolean(&self, reader: &mut Reader<'_>) -> Option<bool> {
        match self.node.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => self.expected(reader, "true or false"),
        }
    }

    pub(crate) fn integer(
        &self,
        reader: &mut Reader<'_>,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let DeValue::Integer(number) = self.node.get_ref() else {
            return self
                .expected(reader, &format!("a number from {} to {}", range.start(), range.end()));
        };
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok();
        value.filter(|value| range.contains(value)).or_else(|| {
            self.wrong(
                reader,
                format!("expected a number from {} to {}", range.start(), range.end()),
            )
        })
    }

    /// An integer or decimal number.
    pub(crate) fn number(&self, reader: &mut Reader<'_>) -> Option<f64> {
        match self.node.get_ref() {
            DeValue::Integer(number) => {
                u64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n as f64)
            }
            DeValue::Float(number) => number.as_str().replace('_', "").parse().ok(),
            _ => None,
        }
        .or_else(|| self.expected(reader, "a number"))
    }

    pub(crate) fn duration(&self, reader: &mut Reader<'_>) -> Option<Duration> {
        if let DeValue::Integer(number) = self.node.get_ref() {
            let text = number.as_str();
            reader.error_help(
                self.span(),
                "a duration needs a unit",
                "which unit?",
                format!("write \"{text}s\" for seconds or \"{text}ms\" for milliseconds"),
            );
            return None;
        }
        let text = self.string_like(reader, "a duration like \"250ms\", \"10s\" or \"5m\"")?;
        units::duration(&text)
            .or_else(|| self.wrong(reader, "expected a duration like \"250ms\", \"10s\" or \"5m\""))
    }

    /// A duration that is not zero.
    pub(crate) fn positive(&self, reader: &mut Reader<'_>) -> Option<Duration> {
        let time = self.duration(reader)?;
        if time.is_zero() { self.wrong(reader, "must be longer than 0") } else { Some(time) }
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
        units::size(&text).or_else(|| self.wrong(reader, format!("expected {what}")))
    }

    pub(crate) fn percent(&self, reader: &mut Reader<'_>) -> Option<Percent> {
        let what = "a share like \"20%\"";
        let text = self.string_like(reader, what)?;
        let share =
            text.strip_suffix('%').and_then(|text| text.trim().parse().ok()).and_then(Percent::new);
        share.or_else(|| self.wrong(reader, format!("expected {what}, 0% to 100%")))
    }

    pub(crate) fn name(&self, reader: &mut Reader<'_>) -> Option<Name> {
        let text = self.string_like(reader, "a name")?;
        Name::new(&text).map_or_else(|reason| self.wrong(reader, reason), Some)
    }

    /// Text that parses as `T`, whose error is a sentence.
    pub(crate) fn parsed<T: FromStr<Err = &'static str>>(
        &self,
        reader: &mut Reader<'_>,
        what: &str,
    ) -> Option<T> {
        let text = self.string_like(reader, what)?;
        text.parse()
            .map_or_else(|reason: &str| self.wrong(reader, format!("not {what}: {reason}")), Some)
    }

    /// One of some words.
    pub(crate) fn one_of<T: Clone>(
        &self,
        reader: &mut Reader<'_>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let listed =
            words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let text = self.string_like(reader, &format!("one of {listed}"))?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(value.clone());
        }
        let message = format!("\"{text}\" is not known here");
        let label = format!("expected one of {listed}");
        match nearest(&text, words.iter().map(|(word, _)| *word)) {
            Some(near) => {
                reader.error_help(self.span(), message, label, format!("did you mean \"{near}\"?"))
            }
            None => reader.error(self.span(), message, label),
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
                _ => value.wrong(reader, "expected a status like 200 or a range like \"200-399\""),
            }
        })
    }
}
