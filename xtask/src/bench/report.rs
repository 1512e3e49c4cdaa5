//! What the measurements come to: a table, a document, the raw numbers.

mod chart;
mod machine;
mod reloads;

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::calls::Calls;
use super::peer::{OURS, PEERS, RunningPeer};
use super::reload::Reloads;
use super::row::{IDLE, REFERENCE, ROWS, Row};
use crate::shell::Failure;

/// Everything measured so far.
pub(super) struct Report {
    rounds: usize,
    window: Duration,
    versions: Vec<(&'static str, String)>,
    absent: Vec<(&'static str, Failure)>,
    cells: Vec<Cell>,
    latencies: Vec<Latency>,
    calls: Vec<(&'static str, Result<Calls, Failure>)>,
    /// Bytes of memory for each idle connection.
    memory: Vec<(&'static str, f64)>,
    reloads: Vec<Reloads>,
}

/// One row for one peer, a result for each round.
struct Cell {
    row: &'static Row,
    peer: &'static str,
    results: Vec<Value>,
}

/// Latencies of one peer at a fixed rate, a result for each round.
pub(super) struct Latency {
    pub(super) peer: &'static str,
    pub(super) rate: f64,
    pub(super) results: Vec<Value>,
}

/// Above this the driver may be what limits the throughput.
const DRIVER_BUSY: f64 = 0.97;
/// Below this the proxy is not what limits it.
const PROXY_BUSY: f64 = 0.90;
/// Above this somebody else was on the proxy's core.
const OTHERS: f64 = 0.05;

impl Report {
    pub(super) fn new(rounds: usize, window: Duration) -> Report {
        Report {
            rounds,
            window,
            versions: Vec::new(),
            absent: Vec::new(),
            cells: Vec::new(),
            latencies: Vec::new(),
            calls: Vec::new(),
            memory: Vec::new(),
            reloads: Vec::new(),
        }
    }

    pub(super) fn peers(&mut self, running: &[RunningPeer]) {
        self.versions = running.iter().map(|peer| (peer.peer.name, peer.version.clone())).collect();
        self.versions.dedup_by_key(|(name, _)| *name);
    }

    /// A peer that could not be measured.
    pub(super) fn absent(&mut self, peer: &'static str, why: Failure) {
        println!("not measured: {peer}: {why}");
        self.absent.push((peer, why));
    }

    pub(super) fn add(&mut self, row: &'static Row, peer: &'static str, result: Value) {
        let same = |cell: &&mut Cell| cell.row.name == row.name && cell.peer == peer;
        match self.cells.iter_mut().find(same) {
            Some(cell) => cell.results.push(result),
            None => self.cells.push(Cell { row, peer, results: vec![result] }),
        }
    }

    pub(super) fn latency(&mut self, latency: Latency) {
        self.latencies.push(latency);
    }

    pub(super) fn calls(&mut self, peer: &'static str, calls: Result<Calls, Failure>) {
        self.calls.push((peer, calls));
    }

    /// What the idle connections of a peer take together.
    pub(super) fn memory(&mut self, peer: &'static str, bytes: f64) {
        self.memory.push((peer, bytes / IDLE.connections as f64));
    }

    /// What it took to take another configuration.
    pub(super) fn reloads(&mut self, reloads: Vec<Reloads>) {
        self.reloads = reloads;
    }

    /// Requests a second of the best peer that is not ours, or of ours when it is alone.
    pub(super) fn best_throughput(&self, row: &str) -> Option<f64> {
        let of = |ours: bool| {
            let cells = self.cells.iter().filter(|cell| cell.row.name == row);
            let rates = cells.filter(|cell| (cell.peer == OURS) == ours).map(Cell::per_second);
            rates.max_by(f64::total_cmp)
        };
        of(false).or_else(|| of(true))
    }

    /// Whether ours was measured if it was wanted, and nothing went wrong.
    pub(super) fn is_sound(&self) -> bool {
        let ours_absent = self.absent.iter().any(|(peer, _)| *peer == OURS);
        let ours = self.cells.iter().filter(|cell| cell.peer == OURS);
        let mut reloads = self.reloads.iter().filter(|reloads| reloads.peer == OURS);
        !ours_absent
            && ours.into_iter().all(|cell| cell.sum("errors") == 0.0)
            && reloads.all(|reloads| reloads.failed() == 0.0)
    }

    /// The CPU time of the best peer that is not ours.
    fn best(&self, row: &Row) -> Option<f64> {
        let cells = self.cells.iter().filter(|cell| cell.row.name == row.name);
        let times = cells.filter(|cell| cell.peer != OURS).map(Cell::micros);
        times.min_by(f64::total_cmp)
    }

    /// Everything in one table for the terminal.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{:<9} {:<9} {:>8} {:>6} {:>6} {:>8} {:>8} {:>8} {:>7} {:>7} {:>6}\n",
            "row",
            "peer",
            "µs/req",
            "user",
            "system",
            "req/s",
            "p50 µs",
            "p99 µs",
            "proxy",
            "driver",
            "ratio"
        );
        for cell in self.ordered() {
            let ratio = self.best(cell.row).map(|best| cell.micros() / best);
            let (user, system) = cell.split();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{:<9} {:<9} {:>8.1} {:>6.1} {:>6.1} {:>8.0} {:>8.0} {:>8.0} {:>6.0}% {:>6.0}% \
                 {:>6}{}",
                cell.row.name,
                cell.peer,
                cell.micros(),
                user,
                system,
                cell.per_second(),
                cell.median("p50"),
                cell.median("p99"),
                cell.median("proxy_busy") * 100.0,
                cell.median("driver_busy") * 100.0,
                ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
                cell.notes().iter().map(|note| format!("  {note}")).collect::<String>(),
            );
        }
        for latency in &self.latencies {
            let _ = writeln!(text, "{}", latency.line());
        }
        text.push_str(&reloads::lines(&self.reloads));
        for (peer, bytes) in &self.memory {
            let _ = writeln!(text, "memory    {peer:<9} {bytes:.0} bytes for an idle connection");
        }
        for (peer, calls) in &self.calls {
            let _ = writeln!(text, "calls     {peer:<9} {}", calls_in_words(calls));
        }
        text
    }

    /// The main rows as a picture.
    pub(super) fn chart(&self) -> String {
        let bars = self.rows().filter(|row| row.main).map(|row| {
            let cells = PEERS.iter().filter_map(|peer| self.cell(row, peer.name));
            let bar = |cell: &Cell| (cell.peer.to_owned(), cell.micros(), cell.peer == OURS);
            chart::Bars { title: row.title.to_owned(), bars: cells.map(bar).collect() }
        });
        chart::svg(&bars.collect::<Vec<_>>())
    }

    /// The document.
    pub(super) fn markdown(&self) -> String {
        let mut text = String::from("# Benchmarks\n\n");
        text.push_str(&self.preface());
        text.push_str(&self.ratio_table());
        text.push_str("\n## In detail\n\n");
        text.push_str(
            "Busy is the share of its core that the proxy, or origins and load together, used. \
             p50 and p99 are of the closed loop: each connection asks again as soon as it has \
             its answer.\n\n| row | peer | µs per request | user | system | requests/s | p50 µs \
             | p99 µs | proxy busy | driver busy | remarks |\n\
             |---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
        );
        for cell in self.ordered() {
            let (user, system) = cell.split();
            let _ = writeln!(
                text,
                "| {} | {} | {:.1} | {user:.1} | {system:.1} | {:.0} | {:.0} | {:.0} | {:.0} % | {:.0} % | {} |",
                cell.row.title,
                cell.peer,
                cell.micros(),
                cell.per_second(),
                cell.median("p50"),
                cell.median("p99"),
                cell.median("proxy_busy") * 100.0,
                cell.median("driver_busy") * 100.0,
                cell.notes().join("; "),
            );
        }
        text.push_str(&self.latency_table());
        text.push_str(&reloads::markdown(&self.reloads));
        text.push_str(&self.calls_table());
        text.push_str(&self.memory_table());
        text
    }

    fn preface(&self) -> String {
        let mut text = format!(
            "Written by `cargo xtask bench` on {}: {} rounds of {:.1} s, medians. {}, Linux {}, \
             everything over loopback; the proxy on one core, origins and load together on the \
             other. Two origins, round robin, keep-alive on both sides, no access log, no health \
             checks. Ratios travel between machines, times do not.\n\n",
            machine::date(),
            self.rounds,
            self.window.as_secs_f64(),
            machine::processor(),
            machine::kernel(),
        );
        for (name, version) in &self.versions {
            let config = PEERS.iter().find(|peer| peer.name == *name).map_or("", |p| p.config);
            let _ = writeln!(text, "- {name}: {version}; [{config}](../{config})");
        }
        for (name, why) in &self.absent {
            let _ = writeln!(text, "- {name}: not measured: {}", why.replace('\n', " "));
        }
        text
    }

    fn ratio_table(&self) -> String {
        let mut text = String::from(
            "\n## CPU time for one request\n\nMicroseconds, user and system; the ratio is to the \
             best peer of the row, lower is better.\n\n![bars](benchmarks.svg)\n\n| row |",
        );
        for (name, _) in &self.versions {
            let _ = write!(text, " {name} |");
        }
        text.push_str(" ratio | target |\n|---|");
        text.push_str(&"--:|".repeat(self.versions.len() + 2));
        text.push('\n');
        for row in self.rows() {
            let _ = write!(text, "| {} |", row.title);
            for (name, _) in &self.versions {
                let _ = write!(
                    text,
                    " {} |",
                    self.cell(row, name)
                        .map_or(String::new(), |cell| { format!("{:.1}", cell.micros()) })
                );
            }
            let ours = self.cell(row, OURS).map(Cell::micros);
            let ratio = ours.zip(self.best(row)).map(|(ours, best)| format!("{:.2}", ours / best));
            let target = row.target.map(|target| format!("≤ {target:.2}"));
            let _ =
                writeln!(text, " {} | {} |", ratio.unwrap_or_default(), target.unwrap_or_default());
        }
        text
    }

    fn latency_table(&self) -> String {
        let Some(first) = self.latencies.first() else { return String::new() };
        let mut text = format!(
            "\n## Latency at a fixed rate\n\n{:.0} requests a second over 64 connections, a quarter \
             of what the best peer reaches, 128 B; from the moment a request was due, in \
             microseconds.\n\n| peer | p50 | p99 | p99.9 | µs per request |\n|---|--:|--:|--:|--:|\n",
            first.rate
        );
        for latency in &self.latencies {
            let at = |key: &str| median(&latency.results, key);
            let (p50, p99, p999) = (at("p50"), at("p99"), at("p999"));
            let micros = median_of(latency.results.iter().map(micros));
            let _ = writeln!(
                text,
                "| {} | {p50:.0} | {p99:.0} | {p999:.0} | {micros:.1} |",
                latency.peer
            );
        }
        text
    }

    fn calls_table(&self) -> String {
        if self.calls.is_empty() {
            return String::new();
        }
        let title = ROWS.iter().find(|row| row.name == REFERENCE).map_or("", |row| row.title);
        let mut text = format!(
            "\n## System calls for one request\n\nCounted with strace in a run of its own: {title}.\
             \n\n| peer | calls | of which |\n|---|--:|---|\n"
        );
        for (peer, calls) in &self.calls {
            let _ = match calls {
                Ok(calls) => writeln!(text, "| {peer} | {:.2} | {} |", calls.total, calls.names()),
                Err(why) => writeln!(text, "| {peer} | | not counted: {why} |"),
            };
        }
        text
    }

    fn memory_table(&self) -> String {
        if self.memory.is_empty() {
            return String::new();
        }
        let mut text = format!(
            "\n## Memory of an idle connection\n\nPrivate memory of the process after {} \
             connections were opened, used for two requests each and left open, for each of \
             them.\n\n| peer | bytes |\n|---|--:|\n",
            IDLE.connections
        );
        for (peer, bytes) in &self.memory {
            let _ = writeln!(text, "| {peer} | {bytes:.0} |");
        }
        text
    }

    /// The raw numbers.
    pub(super) fn json(&self) -> Value {
        let cells = self.cells.iter().map(|cell| {
            json!({
                "row": cell.row.name,
                "peer": cell.peer,
                "micros_per_request": cell.micros(),
                "rounds": cell.results,
            })
        });
        let latencies = self.latencies.iter().map(|latency| {
            json!({ "peer": latency.peer, "rate": latency.rate, "rounds": latency.results })
        });
        let calls = self.calls.iter().map(|(peer, calls)| match calls {
            Ok(calls) => json!({ "peer": peer, "total": calls.total, "by_name": calls.by_name }),
            Err(why) => json!({ "peer": peer, "not_counted": why }),
        });
        json!({
            "date": machine::date(),
            "kernel": machine::kernel(),
            "processor": machine::processor(),
            "versions": self.versions,
            "absent": self.absent,
            "cells": cells.collect::<Vec<_>>(),
            "latencies": latencies.collect::<Vec<_>>(),
            "calls": calls.collect::<Vec<_>>(),
            "memory": self.memory,
            "reloads": reloads::raw(&self.reloads),
        })
    }

    fn rows(&self) -> impl Iterator<Item = &'static Row> {
        ROWS.iter().filter(|row| self.cells.iter().any(|cell| cell.row.name == row.name))
    }

    fn cell(&self, row: &Row, peer: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.row.name == row.name && cell.peer == peer)
    }

    /// Rows in their order, and in each the peers in theirs.
    fn ordered(&self) -> impl Iterator<Item = &Cell> {
        self.rows().flat_map(|row| PEERS.iter().filter_map(|peer| self.cell(row, peer.name)))
    }
}

impl Cell {
    fn micros(&self) -> f64 {
        median_of(self.results.iter().map(micros))
    }

    fn per_second(&self) -> f64 {
        self.median("per_second")
    }

    fn median(&self, key: &str) -> f64 {
        median(&self.results, key)
    }

    fn sum(&self, key: &str) -> f64 {
        self.results.iter().filter_map(|result| result[key].as_f64()).sum()
    }

    /// User and system microseconds: the kernel's coarse ticks divide the exact total.
    fn split(&self) -> (f64, f64) {
        let (user, system) = (self.sum("user_ticks"), self.sum("system_ticks"));
        let share = user / (user + system).max(1.0);
        (self.micros() * share, self.micros() * (1.0 - share))
    }

    /// What a reader should know about this number.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let (proxy, driver) = (self.median("proxy_busy"), self.median("driver_busy"));
        if driver > DRIVER_BUSY && proxy < PROXY_BUSY {
            notes.push("limited by origins and load, not by the proxy".to_owned());
        }
        let others = self.median("others_on_proxy_core");
        if others > OTHERS {
            notes.push(format!("others used {:.0} % of the proxy's core", others * 100.0));
        }
        let (errors, requests) = (self.sum("errors"), self.sum("requests"));
        if errors > 0.0 {
            let first = self.results.iter().find_map(|result| result["first_error"].as_str());
            notes.push(format!("{errors:.0} errors: {}", first.unwrap_or_default()));
        }
        let lost = self.sum("lost");
        if lost > 0.0 {
            notes.push(format!("{lost:.0} times a flow waited for what was lost"));
        }
        let at = |origin: usize| {
            let of = |result: &Value| result["origins"][origin].as_f64();
            self.results.iter().filter_map(of).sum::<f64>()
        };
        if at(0) + at(1) < 0.5 * requests {
            notes.push("answers that no origin gave".to_owned());
        }
        if (at(0) - at(1)).abs() > 0.05 * requests + 2.0 {
            notes.push(format!("uneven: {:.0} and {:.0} to the origins", at(0), at(1)));
        }
        notes
    }
}

impl Latency {
    fn line(&self) -> String {
        let at = |key: &str| median(&self.results, key);
        let (p50, p99, p999) = (at("p50"), at("p99"), at("p999"));
        let peer = self.peer;
        // A few requests wait at any moment; a tenth of a second's worth does not go away.
        let late = if at("overdue") > self.rate / 10.0 { "  could not keep the rate" } else { "" };
        format!(
            "latency   {peer:<9} at {:.0}/s: p50 {p50:.0} µs, p99 {p99:.0} µs, p99.9 {p999:.0} µs{late}",
            self.rate
        )
    }
}

impl Calls {
    /// The names that make up at least a hundredth of a call.
    fn names(&self) -> String {
        let often = self.by_name.iter().filter(|(_, count)| *count >= 0.01);
        often.map(|(name, count)| format!("{name} {count:.2}")).collect::<Vec<_>>().join(", ")
    }
}

fn calls_in_words(calls: &Result<Calls, Failure>) -> String {
    match calls {
        Ok(calls) => format!("{:.2} per request: {}", calls.total, calls.names()),
        Err(why) => format!("not counted: {why}"),
    }
}

fn micros(result: &Value) -> f64 {
    let number = |key: &str| result[key].as_f64().unwrap_or(0.0);
    number("proxy_ns") / number("requests").max(1.0) / 1000.0
}

fn median(results: &[Value], key: &str) -> f64 {
    median_of(results.iter().filter_map(|result| result[key].as_f64()))
}

fn median_of(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(nanoseconds: u64, origins: [u64; 2]) -> Value {
        json!({
            "proxy_ns": nanoseconds, "requests": 1000, "per_second": 10.0, "errors": 0,
            "user_ticks": 1, "system_ticks": 3, "proxy_busy": 0.5, "driver_busy": 0.99,
            "others_on_proxy_core": 0.0, "p50": 1, "p99": 2, "origins": origins, "lost": 0,
        })
    }

    #[test]
    fn medians_and_ratios_are_reported_with_their_caveats() {
        let mut report = Report::new(3, Duration::from_secs(1));
        for nanoseconds in [20_000_000, 90_000_000, 10_000_000] {
            report.add(&ROWS[1], "haproxy", result(nanoseconds, [500, 500]));
            report.add(&ROWS[1], OURS, result(nanoseconds / 2, [900, 100]));
        }
        report.versions = vec![("haproxy", "2".into()), (OURS, "1".into())];
        let haproxy = report.cell(&ROWS[1], "haproxy").unwrap();
        assert!((haproxy.micros() - 20.0).abs() < 1e-9);
        assert_eq!(haproxy.split(), (5.0, 15.0));
        assert_eq!(haproxy.notes().len(), 1);
        let markdown = report.markdown();
        assert!(markdown.contains("| 128 B, 64 connections | 20.0 | 10.0 | 0.50 | ≤ 0.80 |"));
        assert!(report.table().contains("uneven: 2700 and 300"));
        assert!(report.is_sound());
        report.absent(OURS, "not built".into());
        assert!(!report.is_sound());
    }

    #[test]
    fn medians_of_even_counts_are_between() {
        assert!((median_of([1.0, 4.0, 2.0, 9.0].into_iter()) - 3.0).abs() < 1e-9);
        assert!((median_of(std::iter::empty()) - 0.0).abs() < 1e-9);
    }
}
