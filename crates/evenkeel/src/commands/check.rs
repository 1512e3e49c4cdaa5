//! `evenkeel check`, and what every command does that reads a configuration.

use std::collections::BTreeMap;
use std::process::ExitCode;

use evenkeel_config::{Fate, Honoured};
use evenkeel_net::clock;
use evenkeel_plan::{Action, Name, Plan};
use evenkeel_tls::{Keyring, Spoilt};

use crate::cli::SourceArgs;
use crate::output::{colours_wanted, complain, say};
use crate::server::CONFIGURATION;

/// Members of a pool that its line in the summary names.
const MEMBERS_SHOWN: usize = 8;

/// Loads a configuration; complaints go to standard error.
pub(crate) fn load(source: &SourceArgs) -> Result<Plan, ExitCode> {
    load_with_table(source).map(|(plan, _)| plan)
}

/// The same, and what became of the directives of an Apache configuration.
fn load_with_table(source: &SourceArgs) -> Result<(Plan, Vec<Honoured>), ExitCode> {
    let env = |name: &str| std::env::var(name).ok();
    let (loaded, honoured) = match source.is_apache() {
        true => evenkeel_config::load_apache(&source.path(), &source.apache_options(), &env),
        false => (evenkeel_config::load(&source.path(), &env), Vec::new()),
    };
    tell(loaded).map(|plan| (plan, honoured))
}

/// Complains about what was read; the plan if it can be used.
fn tell(loaded: evenkeel_config::Loaded) -> Result<Plan, ExitCode> {
    let text = evenkeel_config::render(&loaded.diagnostics, &loaded.sources, colours_wanted());
    if !text.is_empty() {
        complain(text.trim_end());
    }
    loaded.plan.ok_or(ExitCode::from(CONFIGURATION))
}

pub(crate) fn check(source: &SourceArgs) -> ExitCode {
    match load_with_table(source) {
        Ok((plan, honoured)) => {
            let now = clock::wall().as_secs();
            let loaded = Keyring::new(now, false).load(&plan, Spoilt::Refuse, now);
            let (warnings, mut problems) = match loaded {
                Ok(loaded) => (loaded.warnings, Vec::new()),
                Err(problems) => (Vec::new(), problems),
            };
            problems.extend(plan.acme.iter().flat_map(evenkeel_acme::check));
            warnings.iter().for_each(|why| complain(format_args!("warning: {why}")));
            problems.iter().for_each(|why| complain(format_args!("error: {why}")));
            if !problems.is_empty() {
                return ExitCode::from(CONFIGURATION);
            }
            summarise(&plan);
            directives(&honoured);
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

pub(crate) fn convert(source: &SourceArgs) -> ExitCode {
    let env = |name: &str| std::env::var(name).ok();
    let read = match source.is_apache() {
        true => {
            let path = source.path();
            tell(evenkeel_config::convert_apache(&path, &source.apache_options(), &env))
        }
        false => load(source),
    };
    match read {
        Ok(plan) => {
            say(evenkeel_config::print(&plan).trim_end());
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

/// What became of the directives of an Apache configuration.
fn directives(honoured: &[Honoured]) {
    let fates = [
        (Fate::Honoured, "honoured"),
        (Fate::Harmless, "nothing to do here"),
        (Fate::Refused, "without effect, see above"),
    ];
    for (fate, words) in fates {
        let lines = honoured.iter().filter(|one| one.fate == fate);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        lines.for_each(|one| *counts.entry(&one.directive).or_default() += 1);
        if counts.is_empty() {
            continue;
        }
        let all: usize = counts.values().sum();
        let show = |(name, count): (&&str, &usize)| match count {
            1 => (*name).to_owned(),
            count => format!("{name} ({count})"),
        };
        let names: Vec<String> = counts.iter().map(show).collect();
        say(format_args!("{all:>4} {words}: {}", names.join(", ")));
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
            Action::Split(split) => {
                let part = |(pool, weight): &(Name, u16)| format!("{pool} {weight}");
                format!("pools {}", split.parts.iter().map(part).collect::<Vec<_>>().join(", "))
            }
            Action::Redirect(redirect) => format!("redirect {} {}", redirect.status, redirect.to),
            Action::Respond(respond) => format!("respond {}", respond.status),
        };
        say(format_args!("route {} → {does}", route.name));
    }
    for pool in &plan.pools {
        let shown = pool.members.iter().take(MEMBERS_SHOWN);
        let mut members: Vec<String> = shown.map(|member| member.address.to_string()).collect();
        if pool.members.len() > MEMBERS_SHOWN {
            members.push(format!("and {} more", pool.members.len() - MEMBERS_SHOWN));
        }
        say(format_args!("pool {} {} [{}]", pool.name, pool.policy.name(), members.join(" ")));
    }
    let (listeners, routes, pools) = (plan.listeners.len(), plan.routes.len(), plan.pools.len());
    say(format_args!("ok: {listeners} listeners, {routes} routes, {pools} pools"));
}
