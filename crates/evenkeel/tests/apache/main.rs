//! The same configuration and the same requests for Apache httpd and for us: every decision must be
//! the same. Where httpd is not installed, its side is skipped with a line, and ours still runs.

mod cases;
mod oracle;

use std::fmt::Write;

use cases::{CASES, Case};
use evenkeel_testkit::*;
use oracle::Balancer;

/// What a sequence of steps came to, a line for each request.
fn trace(case: &Case, balancer: &Balancer, origins: &mut [Origin; 3]) -> String {
    let mut lines = String::new();
    for step in case.steps {
        for origin in origins.iter() {
            origin.forget();
        }
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        match word {
            "kill" => origins[index(rest)].kill(),
            "start" => origins[index(rest)].restart(),
            "answer" => {
                let (name, status) = rest.split_once(' ').expect("answer NAME STATUS");
                let status = status.parse().expect("a status");
                origins[index(name)].set(Answer::status(status, name));
            }
            "wait" => {
                let millis = rest.parse().expect("milliseconds");
                std::thread::sleep(std::time::Duration::from_millis(millis));
            }
            _ => {
                let line = ask(balancer, step, origins);
                // Writing to a string cannot fail.
                let _ = writeln!(lines, "{step} → {line}");
            }
        }
    }
    lines
}

fn index(name: &str) -> usize {
    ["a", "b", "c"].iter().position(|known| *known == name).expect("a, b or c")
}

/// `METHOD TARGET [Name: value; Name: value…]`, on a connection of its own.
fn ask(balancer: &Balancer, step: &str, origins: &[Origin; 3]) -> String {
    let mut words = step.splitn(3, ' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let fields: Vec<(&str, &str)> =
        words.next().unwrap_or_default().split(" | ").filter_map(|f| f.split_once(": ")).collect();
    let mut client = Client::connect(balancer.address);
    let answer = match client.request(method, target, &fields, b"") {
        Ok(answer) => answer,
        Err(error) => return format!("{error:?}"),
    };
    let mut line = answer.status.to_string();
    for (name, origin) in ["a", "b", "c"].iter().zip(origins) {
        if let Some(got) = origin.received().last() {
            let head = &got.head;
            let field = |name: &str| head.field(name).unwrap_or("-").to_owned();
            let _ = write!(
                line,
                " {name} {} host={} for={} fhost={}",
                head.target(),
                field("host"),
                field("x-forwarded-for"),
                field("x-forwarded-host"),
            );
        }
    }
    for name in ["location", "set-cookie", "x-note"] {
        for value in answer.head.field_all(name) {
            let _ = write!(line, " {name}={value}");
        }
    }
    let line = line.replace(&balancer.address.port().to_string(), "PORT");
    origins
        .iter()
        .zip(["A", "B", "C"])
        .fold(line, |line, (origin, name)| line.replace(&origin.address().port().to_string(), name))
}

fn origins() -> [Origin; 3] {
    ["a", "b", "c"].map(Origin::named)
}

#[test]
fn every_decision_is_apaches() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for case in CASES {
        let mut origins = origins();
        let config = case.config(&origins);
        let theirs = Balancer::apache(&config).map(|apache| {
            let trace = trace(case, &apache, &mut origins);
            drop(apache);
            for (origin, name) in origins.iter_mut().zip(["a", "b", "c"]) {
                origin.set(Answer::text(name));
                origin.restart();
            }
            trace
        });
        let ours = match Balancer::ours(&config) {
            Ok(balancer) => trace(case, &balancer, &mut origins),
            Err(words) => words,
        };
        match theirs {
            Some(theirs) if theirs != ours => {
                wrong.push(format!("{}\n-- apache\n{theirs}-- ours\n{ours}", case.name));
            }
            Some(_) => compared += 1,
            None => {}
        }
    }
    eprintln!("{compared} of {} cases compared with apache2", CASES.len());
    assert!(wrong.is_empty(), "{} cases differ\n{}", wrong.len(), wrong.join("\n"));
}
