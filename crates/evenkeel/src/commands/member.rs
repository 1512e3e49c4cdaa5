//! `evenkeel member`, `reload`, `drain`: orders to the running server.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::{At, MemberArgs, Order};
use crate::client::Client;
use crate::output::{complain, say};
use crate::server::RUNTIME;

pub(crate) fn member(order: &MemberArgs) -> ExitCode {
    let patch = match order.order {
        Order::Drain => json!({ "state": "drain" }),
        Order::Disable => json!({ "state": "disabled" }),
        Order::Enable => json!({ "state": "ready" }),
        Order::Weight => json!({ "weight": order.weight }),
    };
    let path = format!("/api/v1/pools/{}/members/{}", encoded(&order.pool), encoded(&order.member));
    send(&order.at, "PATCH", &path, Some(&patch), |member| {
        let text = |name: &str| {
            member.get(name).map(Value::to_string).unwrap_or_default().replace('"', "")
        };
        format!("{} {}: {}, weight {}", order.pool, text("tag"), text("state"), text("weight"))
    })
}

pub(crate) fn reload(at: &At) -> ExitCode {
    send(at, "POST", "/api/v1/reload", None, |report| {
        let summary = report.get("summary").and_then(Value::as_str).unwrap_or("reloaded");
        format!("generation {}: {summary}", report.get("generation").unwrap_or(&Value::Null))
    })
}

pub(crate) fn drain(at: &At) -> ExitCode {
    send(at, "POST", "/api/v1/drain", None, |_| "draining".to_owned())
}

fn send(
    at: &At,
    method: &str,
    path: &str,
    body: Option<&Value>,
    tell: impl Fn(&Value) -> String,
) -> ExitCode {
    match Client::new(at).and_then(|client| client.ask(method, path, body)) {
        Ok(answer) => {
            if at.json {
                say(&answer);
            } else {
                say(tell(&answer));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(format!("error: {error}"));
            ExitCode::from(RUNTIME)
        }
    }
}

/// Names may hold `/` and `?`; in a path they are percent-encoded.
fn encoded(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:@[]".contains(&b);
    name.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}
