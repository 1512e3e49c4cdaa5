//! `evenkeel status` and `top`: the live table.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use evenkeel_admin::views::{PoolView, StatusView};
use serde_json::Value;

use crate::cli::At;
use crate::client::Client;
use crate::output::{complain, say};
use crate::server::RUNTIME;

pub(crate) fn status(at: &At) -> ExitCode {
    once(at, |at| {
        let client = Client::new(at)?;
        let (status, pools) = fetch(&client)?;
        if at.json {
            return Ok(serde_json::json!({ "status": status, "pools": pools }).to_string());
        }
        table(status, pools)
    })
}

pub(crate) fn top(at: &At) -> ExitCode {
    loop {
        let code = once(at, |at| {
            let (status, pools) = fetch(&Client::new(at)?)?;
            Ok(format!("\x1b[H\x1b[2J{}", table(status, pools)?))
        });
        if code != ExitCode::SUCCESS {
            return code;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn once(at: &At, text: impl Fn(&At) -> Result<String, String>) -> ExitCode {
    match text(at) {
        Ok(text) => {
            say(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(format!("error: {error}"));
            ExitCode::from(RUNTIME)
        }
    }
}

fn fetch(client: &Client) -> Result<(Value, Value), String> {
    Ok((client.ask("GET", "/api/v1/status", None)?, client.ask("GET", "/api/v1/pools", None)?))
}

fn table(status: Value, pools: Value) -> Result<String, String> {
    let odd =
        |error: serde_json::Error| format!("the server speaks another version of the API: {error}");
    let status: StatusView = serde_json::from_value(status).map_err(odd)?;
    let pools: Vec<PoolView> = serde_json::from_value(pools).map_err(odd)?;
    Ok(render(&status, &pools))
}

/// The table as text.
pub(crate) fn render(status: &StatusView, pools: &[PoolView]) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = writeln!(
        out,
        "evenkeel {}  {}  generation {}  up {}  connections {}  requests {}",
        status.version,
        status.state,
        status.generation,
        duration(status.uptime_seconds),
        status.connections,
        status.requests
    );
    for pool in pools {
        let _ = writeln!(
            out,
            "\npool {}  {}  {} of {} usable",
            pool.name,
            pool.policy,
            pool.usable,
            pool.members.len()
        );
        let _ = writeln!(
            out,
            "  {:<16} {:<24} {:>7} {:<9} {:<9} {:>7} {:>10} {:>8} {:>9}",
            "MEMBER",
            "ADDRESS",
            "WEIGHT",
            "STATE",
            "HEALTH",
            "ACTIVE",
            "REQUESTS",
            "FAILED",
            "LATENCY"
        );
        for m in &pool.members {
            let health = if m.ejected { "ejected" } else { &m.health };
            let latency = m.latency_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
            let _ = writeln!(
                out,
                "  {:<16} {:<24} {:>7} {:<9} {:<9} {:>7} {:>10} {:>8} {:>9}",
                m.tag,
                m.address,
                m.weight,
                m.state,
                health,
                m.active,
                m.requests,
                m.failures,
                latency
            );
        }
    }
    out
}

fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{}s", s / 60, s % 60),
        3600..86_400 => format!("{}h{}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d{}h", s / 86_400, s % 86_400 / 3600),
    }
}
