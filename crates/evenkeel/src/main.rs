//! Evenkeel, the load balancer: the command line and nothing else. What each command does stands
//! in its own file; what the server is stands in the crates below.

#![forbid(unsafe_code)]

mod api;
mod cli;
mod client;
mod commands;
mod output;
mod server;

use std::process::ExitCode;

use clap::Parser;

/// Little overhead for each of many small, short-lived allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    output::begin_log(arguments.log_level.as_deref());
    match arguments.command {
        cli::Command::Run(args) => commands::run::run(&args),
        cli::Command::Check(source) => commands::check::check(&source),
        cli::Command::Convert(source) => commands::check::convert(&source),
        cli::Command::Explain(question) => commands::explain::explain(&question),
        cli::Command::Status(at) => commands::status::status(&at),
        cli::Command::Top(at) => commands::status::top(&at),
        cli::Command::Member(order) => commands::member::member(&order),
        cli::Command::Reload(at) => commands::member::reload(&at),
        cli::Command::Drain(at) => commands::member::drain(&at),
        cli::Command::Demo(demo) => commands::demo::demo(&demo),
        cli::Command::Schema => commands::texts::schema(),
        cli::Command::Completions { shell } => commands::texts::completions(shell),
        cli::Command::Man => commands::texts::man(),
    }
}
