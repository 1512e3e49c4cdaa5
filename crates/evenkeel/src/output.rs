//! Writing to the terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

/// Log lines go to standard error; times are the reader's business when systemd keeps them.
pub(crate) fn begin_log(level: Option<&str>) {
    // What clients do wrong in HTTP/2 is counted by its cause; its engine would write a line for
    // each, as often as they like.
    let usual = "info,h2=error,hickory_resolver=off,hickory_net=off";
    let filter =
        EnvFilter::try_new(level.unwrap_or(usual)).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours_wanted())
        .with_target(false);
    match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => builder.without_time().init(),
        None => builder.init(),
    }
}

/// Whether standard error shows colours.
pub(crate) fn colours_wanted() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// A line on standard output. A reader that has gone is no reason to stop serving.
pub(crate) fn say(line: impl Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Lines on standard error.
pub(crate) fn complain(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
