use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::core::ListenerCounts;
use super::merged::at_least_zero;
use super::table::{self, Kind, Metric};
use super::{BOUNDS, Histogram, Merged, Names, SeriesKey};

/// The `Content-Type` of what [`encode`] writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The value of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A whole number, written exactly.
    Whole(u64),
    /// Any other.
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Whole(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Whole(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Real(value)
    }
}

/// Samples that no core knows: members, reloads, the process.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    samples: BTreeMap<&'static str, Family>,
}

type Family = BTreeMap<Box<[Box<str>]>, Value>;

impl Extra {
    /// No samples.
    pub fn new() -> Extra {
        Extra::default()
    }

    /// Sets a sample of a metric of [`table`]. Label values stand in the table's order; missing
    /// ones are empty. Setting the same sample again replaces it. Histograms are ignored.
    pub fn set(&mut self, metric: &'static Metric, labels: &[&str], value: impl Into<Value>) {
        debug_assert_eq!(labels.len(), metric.labels.len(), "{}", metric.name);
        let labels = labels.iter().map(|text| (*text).into()).collect();
        self.samples.entry(metric.name).or_default().insert(labels, value.into());
    }
}

/// All metrics in the Prometheus text format, in the order of [`table::ALL`]. A metric without
/// samples is left out.
pub fn encode(merged: &Merged, names: &Names, extra: &Extra) -> String {
    let mut page = Page { text: String::with_capacity(16 * 1024) };
    let none = Family::new();
    for metric in table::ALL {
        let extra = extra.samples.get(metric.name).unwrap_or(&none);
        match metric.kind {
            Kind::Histogram => page.histograms(metric, &merged.seconds, names),
            Kind::Counter | Kind::Gauge => page.samples(metric, merged, names, extra),
        }
    }
    page.text
}

struct Page {
    text: String,
}

impl Page {
    fn samples(&mut self, metric: &Metric, merged: &Merged, names: &Names, extra: &Family) {
        let mut any = false;
        let mut write = |labels: &[Cow<'_, str>], value: Value| {
            if !any {
                self.header(metric);
                any = true;
            }
            self.line(metric.name, "", metric.labels, labels, value);
        };
        counted(metric, merged, names, &mut write);
        for (labels, value) in extra {
            let labels: Vec<_> = labels.iter().map(|text| Cow::from(&**text)).collect();
            write(&labels, *value);
        }
    }

    fn histograms(&mut self, metric: &Metric, pools: &BTreeMap<u32, Histogram>, names: &Names) {
        if pools.is_empty() {
            return;
        }
        self.header(metric);
        let labels = [metric.labels.first().copied().unwrap_or("pool"), "le"];
        for (pool, histogram) in pools {
            let pool = Cow::from(names.text(*pool));
            let mut below = 0;
            for (index, count) in histogram.buckets.iter().enumerate() {
                below += count;
                let bound = BOUNDS.get(index).map_or("+Inf", |bound| bound.text);
                let values = [pool.clone(), bound.into()];
                self.line(metric.name, "_bucket", &labels, &values, below.into());
            }
            let seconds = histogram.sum_nanos as f64 / 1e9;
            let value = std::slice::from_ref(&pool);
            self.line(metric.name, "_sum", &labels[..1], value, seconds.into());
            self.line(metric.name, "_count", &labels[..1], value, below.into());
        }
    }

    fn header(&mut self, metric: &Metric) {
        let Metric { name, help, .. } = metric;
        // Help texts are ours and hold neither backslash nor newline (tested).
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}");
        let _ = writeln!(self.text, "# TYPE {name} {}", metric.kind.name());
    }

    fn line(
        &mut self,
        name: &str,
        suffix: &str,
        labels: &[&str],
        values: &[Cow<'_, str>],
        value: Value,
    ) {
        self.text.push_str(name);
        self.text.push_str(suffix);
        for (index, label) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            escape(&mut self.text, values.get(index).map_or("", |text| text));
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = match value {
            Value::Whole(value) => writeln!(self.text, " {value}"),
            Value::Real(value) if value.is_finite() => writeln!(self.text, " {value}"),
            Value::Real(value) if value.is_nan() => writeln!(self.text, " NaN"),
            Value::Real(value) => {
                writeln!(self.text, " {}Inf", if value > 0.0 { '+' } else { '-' })
            }
        };
    }
}

/// The samples that cores counted for a metric.
fn counted(
    metric: &Metric,
    merged: &Merged,
    names: &Names,
    write: &mut impl FnMut(&[Cow<'_, str>], Value),
) {
    let name = |id: &u32| Cow::from(names.text(*id));
    let listener = |write: &mut dyn FnMut(&[Cow<'_, str>], Value),
                    f: fn(&ListenerCounts) -> u64| {
        for (id, counts) in &merged.listeners {
            write(&[name(id)], f(counts).into());
        }
    };
    match metric.name {
        n if n == table::REQUESTS.name => {
            for (key, count) in &merged.requests {
                let SeriesKey { listener, route, pool, member, code } = key;
                let labels =
                    [name(listener), name(route), name(pool), name(member), code_text(*code)];
                write(&labels, (*count).into());
            }
        }
        n if n == table::CONNECTIONS.name => listener(write, |c| at_least_zero(c.open)),
        n if n == table::CONNECTIONS_ACCEPTED.name => listener(write, |c| c.accepted),
        n if n == table::TUNNELS.name => listener(write, |c| at_least_zero(c.tunnels)),
        n if n == table::STREAMS.name => listener(write, |c| at_least_zero(c.streams)),
        n if n == table::BYTES.name => {
            for ((listener, pool), bytes) in &merged.bytes {
                write(&[name(listener), name(pool), "in".into()], bytes.received.into());
                write(&[name(listener), name(pool), "out".into()], bytes.sent.into());
            }
        }
        n if n == table::REFUSALS.name => {
            for ((listener, cause), count) in &merged.refusals {
                write(&[name(listener), (*cause).into()], (*count).into());
            }
        }
        n if n == table::TLS_HANDSHAKES.name => {
            for ((listener, version, resumed), count) in &merged.handshakes {
                let resumed = if *resumed { "yes" } else { "no" };
                write(&[name(listener), (*version).into(), resumed.into()], (*count).into());
            }
        }
        n if n == table::RETRIES.name => {
            for ((pool, cause), count) in &merged.retries {
                write(&[name(pool), (*cause).into()], (*count).into());
            }
        }
        n if n == table::DIALS.name => {
            for ((pool, dial), count) in &merged.dials {
                write(&[name(pool), dial.name().into()], (*count).into());
            }
        }
        n if n == table::SERIES_FOLDED.name => write(&[], merged.folded.into()),
        _ => {}
    }
}

fn code_text(code: u16) -> Cow<'static, str> {
    match code {
        SeriesKey::CODE_OTHER => "other".into(),
        code => code.to_string().into(),
    }
}

/// Label values escape backslash, quote and newline.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
