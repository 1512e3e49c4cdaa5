//! `evenkeel check`, and what every command does that reads a configuration.

use std::process::ExitCode;

use evenkeel_plan::{Action, Plan};

use crate::cli::SourceArgs;
use crate::output::{colours_wanted, complain, say};
use crate::server::CONFIGURATION;

/// Loads a configuration; complaints go to standard error.
pub(crate) fn load(source: &SourceArgs) -> Result<Plan, ExitCode> {
    if source.is_apache() {
        complain(
            "error: this version does not read Apache configurations yet\n  help: write the same in TOML; \
             docs/configuration.md shows how",
        );
        return Err(ExitCode::from(CONFIGURATION));
    }
    let loaded = evenkeel_config::load(&source.path(), &|name| std::env::var(name).ok());
    let text = evenkeel_config::render(&loaded.diagnostics, &loaded.sources, colours_wanted());
    if !text.is_empty() {
        complain(text.trim_end());
    }
    loaded.plan.ok_or(ExitCode::from(CONFIGURATION))
}

pub(crate) fn check(source: &SourceArgs) -> ExitCode {
    match load(source) {
        Ok(plan) => {
            summarise(&plan);
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

pub(crate) fn convert(source: &SourceArgs) -> ExitCode {
    match load(source) {
        Ok(plan) => {
            say(evenkeel_config::print(&plan).trim_end());
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

fn summarise(plan: &Plan) {
    for listener in &plan.listeners {
        let binds: Vec<String> = listener.bind.iter().map(ToString::to_string).collect();
        let to = listener.pool.as_ref().map(|pool| format!(" → pool {pool}")).unwrap_or_default();
        say(format_args!(
            "listener {} {} {}{to}",
            listener.name,
            listener.protocol.name(),
            binds.join(" ")
        ));
    }
    for route in &plan.routes {
        let does = match &route.action {
            Action::Pool(pool) => format!("pool {pool}"),
            Action::Redirect(redirect) => format!("redirect {} {}", redirect.status, redirect.to),
            Action::Respond(respond) => format!("respond {}", respond.status),
        };
        say(format_args!("route {} → {does}", route.name));
    }
    for pool in &plan.pools {
        let members: Vec<String> =
            pool.members.iter().map(|member| member.address.to_string()).collect();
        say(format_args!("pool {} {} [{}]", pool.name, pool.policy.name(), members.join(" ")));
    }
    let (listeners, routes, pools) = (plan.listeners.len(), plan.routes.len(), plan.pools.len());
    say(format_args!("ok: {listeners} listeners, {routes} routes, {pools} pools"));
}
