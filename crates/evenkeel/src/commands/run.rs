//! `evenkeel run`

use std::process::ExitCode;

use evenkeel_control::Source;

use crate::cli::RunArgs;
use crate::commands::check;
use crate::server;

pub(crate) fn run(args: &RunArgs) -> ExitCode {
    let source = &args.source;
    let plan = match check::load(source) {
        Ok(plan) => plan,
        Err(code) => return code,
    };
    let from = match source.is_apache() {
        true => Source::Apache(source.path(), source.apache_options()),
        false => Source::File(source.path()),
    };
    server::serve(from, plan, args.tls_key_log, |_| {})
}
