//! The table of reloads.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{median, median_of};
use crate::bench::reload::{MEMBERS, RATE, Reloads};

/// The part of the document.
pub(super) fn markdown(all: &[Reloads]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n## A reload of {MEMBERS} members\n\nOne member comes or goes while {RATE:.0} requests a \
         second over 64 connections are served. CPU is what the window with the reload took more \
         than one without, in milliseconds, ended processes included; waits are from the moment a \
         request was due, in milliseconds.\n\n| peer | CPU of the reload | p99 | longest wait | p99 \
         without | longest wait without | failed |\n|---|--:|--:|--:|--:|--:|--:|\n"
    );
    for reloads in all {
        let Waits { p99, longest } = Waits::of(&reloads.reloaded);
        let calm = Waits::of(&reloads.calm);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.0} | {p99:.1} | {longest:.1} | {:.1} | {:.1} | {} |",
            reloads.peer,
            reloads.cpu(),
            calm.p99,
            calm.longest,
            reloads.failed(),
        );
    }
    text
}

/// Lines for the terminal.
pub(super) fn lines(all: &[Reloads]) -> String {
    let line = |reloads: &Reloads| {
        let Waits { p99, longest } = Waits::of(&reloads.reloaded);
        format!(
            "reload    {:<9} of {MEMBERS} members: {:.0} ms of CPU, p99 {p99:.1} ms, longest wait \
             {longest:.1} ms, {} failed\n",
            reloads.peer,
            reloads.cpu(),
            reloads.failed(),
        )
    };
    all.iter().map(line).collect()
}

/// The raw numbers.
pub(super) fn raw(all: &[Reloads]) -> Value {
    let of = |reloads: &Reloads| json!({ "peer": reloads.peer, "calm": reloads.calm, "reloaded": reloads.reloaded });
    all.iter().map(of).collect()
}

/// Medians over the rounds, in milliseconds.
struct Waits {
    p99: f64,
    longest: f64,
}

impl Waits {
    fn of(results: &[Value]) -> Waits {
        Waits { p99: median(results, "p99") / 1000.0, longest: median(results, "max") / 1000.0 }
    }
}

impl Reloads {
    /// Milliseconds of CPU that a reload took.
    fn cpu(&self) -> f64 {
        let of = |result: &Value| result["proxy_ns"].as_f64().unwrap_or(0.0) / 1e6;
        median_of(
            self.reloaded.iter().zip(&self.calm).map(|(with, without)| of(with) - of(without)),
        )
    }

    /// Requests that failed in windows with a reload.
    pub(super) fn failed(&self) -> f64 {
        self.reloaded.iter().filter_map(|result| result["errors"].as_f64()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_costs_what_its_window_took_more() {
        let window = |nanoseconds: u64, errors: u64| json!({ "proxy_ns": nanoseconds, "p99": 2000, "max": 3500, "errors": errors });
        let reloads = Reloads {
            peer: "nginx",
            calm: vec![window(5_000_000, 9), window(5_000_000, 0)],
            reloaded: vec![window(25_000_000, 1), window(35_000_000, 0)],
        };
        let text = markdown(&[reloads]);
        assert!(text.contains("| nginx | 25 | 2.0 | 3.5 | 2.0 | 3.5 | 1 |"), "{text}");
        assert_eq!(markdown(&[]), "");
    }
}
