//! Everything that must hold before a change is taken, as a list of steps.

use std::io::{BufRead, BufReader, IsTerminal};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::shell::{self, Failure};
use crate::tidy;

/// Options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Install cargo-deny with cargo when it is missing, instead of skipping its step.
    #[arg(long)]
    install_tools: bool,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    /// And why it did not run.
    Skipped(String),
}

/// Tests as the runner counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// What the steps share.
struct Run<'a> {
    options: &'a Options,
    counts: Counts,
}

type Step = fn(&mut Run<'_>) -> Result<Outcome, Failure>;

const STEPS: &[(&str, Step)] = &[
    ("packages", packages),
    ("format", format),
    ("clippy", clippy),
    ("tidy", tidy_rules),
    ("deny", deny),
    ("tests", tests),
    ("docs", docs),
];

/// Programs the tests start, their Debian packages, and what they are for.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("cc", "gcc", "linking"),
    ("apache2", "apache2", "the oracle of what an Apache configuration decides"),
    ("curl", "curl", "a second opinion on our answers in front-door tests"),
    ("dig", "bind9-dnsutils", "DNS through a UDP listener"),
    ("dnsmasq", "dnsmasq-base", "DNS through a UDP listener"),
    ("ip", "iproute2", "several hosts on one machine"),
    ("openssl", "openssl", "TLS passed through by server name"),
    ("pebble", "pebble", "a certificate authority for ACME"),
    ("redis-server", "redis-server", "a real server behind a TCP listener"),
    ("python3", "python3-minimal", "a client with an HTTP stack that is not ours"),
];

/// Runs every step, whatever the earlier ones came to; false when one failed.
pub(crate) fn run(options: &Options) -> Result<bool, Failure> {
    let mut run = Run { options, counts: Counts::default() };
    let mut table = Vec::new();
    for (name, step) in STEPS {
        println!("\n=== {name}");
        let begin = Instant::now();
        let outcome = step(&mut run).unwrap_or_else(|failure| {
            println!("{failure}");
            Outcome::Failed
        });
        if let Outcome::Skipped(why) = &outcome {
            println!("skipped: {why}");
        }
        table.push((*name, outcome, begin.elapsed()));
    }
    summary(&table, run.counts);
    Ok(table.iter().all(|(_, outcome, _)| *outcome != Outcome::Failed))
}

fn summary(table: &[(&str, Outcome, Duration)], counts: Counts) {
    println!("\n=== summary");
    for (name, outcome, time) in table {
        let (word, why) = match outcome {
            Outcome::Passed => ("ok", String::new()),
            Outcome::Failed => ("FAILED", String::new()),
            Outcome::Skipped(why) => ("skipped", format!("  {why}")),
        };
        println!("{name:<10} {word:<8} {:>7.1} s{why}", time.as_secs_f64());
    }
    let Counts { passed, failed, ignored } = counts;
    println!("{passed} passed, {failed} failed, {ignored} skipped");
}

fn packages(_: &mut Run<'_>) -> Result<Outcome, Failure> {
    let mut missing = Vec::new();
    for (program, package, purpose) in PROGRAMS {
        match shell::provide(program, package) {
            Ok(path) => println!("{program}: {}", path.display()),
            Err(why) => missing.push(format!("{why} ({purpose})")),
        }
    }
    if missing.is_empty() { Ok(Outcome::Passed) } else { Ok(Outcome::Skipped(missing.join("; "))) }
}

fn format(_: &mut Run<'_>) -> Result<Outcome, Failure> {
    if !shell::quietly(shell::cargo().args(["fmt", "--version"])) {
        return Err("rustfmt is missing: rustup component add rustfmt".into());
    }
    passes(shell::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(_: &mut Run<'_>) -> Result<Outcome, Failure> {
    if !shell::quietly(shell::cargo().args(["clippy", "--version"])) {
        return Err("clippy is missing: rustup component add clippy".into());
    }
    let flags = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    passes(shell::cargo().args(flags))
}

fn tidy_rules(_: &mut Run<'_>) -> Result<Outcome, Failure> {
    Ok(if tidy::run()? { Outcome::Passed } else { Outcome::Failed })
}

fn deny(run: &mut Run<'_>) -> Result<Outcome, Failure> {
    let installed = || shell::quietly(shell::cargo().args(["deny", "--version"]));
    if !installed() && run.options.install_tools {
        shell::succeeds(shell::cargo().args(["install", "cargo-deny", "--locked"]))?;
    }
    if !installed() {
        let why = "cargo-deny is not installed: cargo install cargo-deny --locked, \
                   or cargo xtask test --install-tools";
        return Ok(Outcome::Skipped(why.into()));
    }
    let offline = passes(shell::cargo().args(["deny", "check", "bans", "licenses", "sources"]))?;
    let mut advisories = shell::cargo();
    let words = shell::words_of(advisories.args(["deny", "check", "advisories"]));
    let words = words.unwrap_or_default();
    print!("{words}");
    if offline == Outcome::Failed {
        return Ok(offline);
    }
    if words.contains("failed to fetch advisory database") {
        let why = "advisories not checked, their database cannot be fetched; the rest passed";
        return Ok(Outcome::Skipped(why.into()));
    }
    let clean = words.contains("advisories ok");
    Ok(if clean { Outcome::Passed } else { Outcome::Failed })
}

fn tests(run: &mut Run<'_>) -> Result<Outcome, Failure> {
    let mut command = shell::cargo();
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| shell::cannot_start(&command, &error))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            run.counts.add_line(&line);
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed })
}

fn docs(_: &mut Run<'_>) -> Result<Outcome, Failure> {
    let mut command = shell::cargo();
    command.args(["doc", "--workspace", "--no-deps", "--locked"]);
    passes(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn passes(command: &mut Command) -> Result<Outcome, Failure> {
    Ok(if shell::succeeds(command)? { Outcome::Passed } else { Outcome::Failed })
}

impl Counts {
    /// Adds a line `test result: ok. 6 passed; 0 failed; 1 ignored; …`; other lines change
    /// nothing.
    fn add_line(&mut self, line: &str) {
        let plain = without_colour(line);
        let Some(rest) = plain.trim_start().strip_prefix("test result: ") else { return };
        let Some((_, counts)) = rest.split_once(". ") else { return };
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else { continue };
            let number = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut parts = line.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_summed_and_others_ignored() {
        let mut counts = Counts::default();
        counts.add_line("running 3 tests");
        counts.add_line("test result: ok. 6 passed; 0 failed; 2 ignored; 0 measured; 1 filtered out; finished in 0.03s");
        counts.add_line(
            "test result: \u{1b}[31mFAILED\u{1b}[0m. 1 passed; 4 failed; 0 ignored; 0 measured",
        );
        counts.add_line("it said: test result: ok. 9 passed");
        assert_eq!(counts, Counts { passed: 7, failed: 4, ignored: 2 });
    }
}
