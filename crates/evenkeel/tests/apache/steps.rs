//! What is done in a case, and what is seen.

use std::fmt::Write;
use std::time::Duration;

use evenkeel_testkit::*;

use crate::oracle::Balancer;
use crate::script::Script;

/// Headers that are not compared even in full: they are ours to choose.
const OURS: &[&str] =
    &["date", "server", "connection", "keep-alive", "content-length", "transfer-encoding"];

/// What a sequence of steps came to, a line for each request.
pub(crate) fn trace(script: &Script, balancer: &Balancer, origins: &mut [Origin; 3]) -> String {
    let mut lines = String::new();
    let mut client = None;
    for step in &script.steps {
        origins.iter().for_each(Origin::forget);
        if set_up(step, origins) {
            continue;
        }
        if script.calm {
            std::thread::sleep(Duration::from_millis(30));
        }
        let line = match step.strip_prefix("raw ") {
            Some(bytes) => raw(balancer, bytes),
            None => ask(script, balancer, step, origins, &mut client),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{step} → {}", without_ports(line, balancer, origins));
    }
    lines
}

/// Steps that change origins; false for requests.
fn set_up(step: &str, origins: &mut [Origin; 3]) -> bool {
    let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let at = ["a", "b", "c"].iter().position(|known| *known == name);
    let millis = |text: &str| Duration::from_millis(text.parse().expect("milliseconds"));
    match (word, at) {
        ("kill", Some(at)) => origins[at].kill(),
        ("start", Some(at)) => origins[at].restart(),
        ("well", Some(at)) => origins[at].set(Answer::text(name)),
        ("mute", Some(at)) => origins[at].set(Answer::never()),
        ("cut", Some(at)) => origins[at].set(Answer::close()),
        ("slow", Some(at)) => origins[at].set(Answer::text(name).delayed(millis(rest))),
        ("say", Some(at)) => origins[at].set(Answer::raw(unescaped(rest)).then_close()),
        ("answer", Some(at)) => {
            let (status, fields) = rest.split_once(' ').unwrap_or((rest, ""));
            let status = status.parse().expect("a status");
            let fields: Vec<(&str, &str)> =
                fields.split(" | ").filter_map(|field| field.split_once(": ")).collect();
            origins[at].set(Answer::with_fields(status, &fields, name));
        }
        ("wait", None) => std::thread::sleep(millis(name)),
        _ => return false,
    }
    true
}

fn unescaped(text: &str) -> Vec<u8> {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0").into_bytes()
}

/// Bytes as they are: only the status is compared, and whether anything is said.
fn raw(balancer: &Balancer, bytes: &str) -> String {
    let mut client = Client::connect(balancer.address);
    if client.send(unescaped(bytes)).is_err() {
        return "closed".to_owned();
    }
    match client.answer() {
        Ok(answer) => answer.status.to_string(),
        Err(_) => "closed".to_owned(),
    }
}

/// `[+ ]METHOD TARGET [Name: value | Name: value][ <<body]`.
fn ask(
    script: &Script,
    balancer: &Balancer,
    step: &str,
    origins: &[Origin; 3],
    kept: &mut Option<Client>,
) -> String {
    let (again, step) = match step.strip_prefix("+ ") {
        Some(step) => (true, step),
        None => (false, step),
    };
    let (step, body) = step.split_once(" <<").unwrap_or((step, ""));
    let mut words = step.splitn(3, ' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let fields: Vec<(&str, &str)> =
        words.next().unwrap_or_default().split(" | ").filter_map(|f| f.split_once(": ")).collect();
    let mut client = match kept.take().filter(|_| again) {
        Some(client) => client,
        None => Client::connect(balancer.address),
    };
    let answer = match client.request(method, target, &fields, body.as_bytes()) {
        Ok(answer) => answer,
        Err(_) => return "closed".to_owned(),
    };
    *kept = Some(client);
    let mut line = answer.status.to_string();
    for (name, origin) in ["a", "b", "c"].iter().zip(origins) {
        if let Some(got) = origin.received().last() {
            line += &got_by(name, got, script.full);
        }
    }
    for (name, value) in shown(&answer.head, script.full) {
        let _ = write!(line, " {name}={value}");
    }
    line
}

/// What a member got.
fn got_by(name: &str, got: &Received, full: bool) -> String {
    let head = &got.head;
    let mut line = format!(" [{name} {} {}", head.method(), head.target());
    if full {
        for (name, value) in shown(head, true) {
            let _ = write!(line, " {name}={value}");
        }
        if !got.body.is_empty() {
            let _ = write!(line, " <<{}", String::from_utf8_lossy(&got.body));
        }
    } else {
        let field = |name: &str| head.field(name).unwrap_or("-").to_owned();
        let _ = write!(
            line,
            " host={} for={} fhost={}",
            field("host"),
            field("x-forwarded-for"),
            field("x-forwarded-host"),
        );
    }
    line + "]"
}

/// The headers that are compared, sorted.
fn shown(head: &Head, full: bool) -> Vec<(String, String)> {
    let usual = ["location", "content-location", "set-cookie", "x-note"];
    let wanted = |name: &str| match full {
        true => !OURS.contains(&name),
        false => usual.contains(&name),
    };
    let mut fields: Vec<(String, String)> = head
        .fields
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .filter(|(name, _)| wanted(name))
        .collect();
    fields.sort();
    fields
}

fn without_ports(line: String, balancer: &Balancer, origins: &[Origin; 3]) -> String {
    let line = line.replace(&balancer.address.port().to_string(), "PORT");
    origins
        .iter()
        .zip(["A", "B", "C"])
        .fold(line, |line, (origin, name)| line.replace(&origin.address().port().to_string(), name))
}
