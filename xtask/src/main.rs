//! Developer tasks, `cargo xtask TASK`. **Law: a step that does not run says so and why.**
#![forbid(unsafe_code)]
#![warn(unreachable_pub, missing_docs, unused_qualifications)]

mod bench;
mod dist;
mod fuzz;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// Developer tasks of Evenkeel.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Format, lints, house rules, dependencies, all tests, documentation.
    Test(test::Options),
    /// The house rules only.
    Tidy,
    /// CPU time for one request, side by side with other balancers.
    Bench(bench::Options),
    /// The origins and the load of the bench.
    #[command(hide = true)]
    BenchDriver,
    /// Run the fuzz targets.
    Fuzz(fuzz::Options),
    /// Build the release archive.
    Dist,
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Test(options) => test::run(&options),
        Task::Tidy => tidy::run(),
        Task::Bench(options) => bench::run(&options),
        Task::BenchDriver => bench::drive::run(),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Dist => dist::run(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(2)
        }
    }
}
