//! Commands that print something about the program itself.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::Arguments;
use crate::output::say;

pub(crate) fn schema() -> ExitCode {
    let schema = evenkeel_config::schema();
    say(serde_json::to_string_pretty(&schema).unwrap_or_default());
    ExitCode::SUCCESS
}

pub(crate) fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "evenkeel", &mut text);
    print(&text)
}

pub(crate) fn man() -> ExitCode {
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = clap_mangen::Man::new(Arguments::command()).render(&mut text);
    print(&text)
}

fn print(text: &[u8]) -> ExitCode {
    // A reader that has gone (`| head`) is no failure.
    let _ = std::io::stdout().lock().write_all(text);
    ExitCode::SUCCESS
}
