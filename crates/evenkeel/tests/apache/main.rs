//! The same configuration and the same requests for Apache httpd and for us: every decision must be
//! the same. Where httpd is not installed, its side is skipped with a line, and ours still runs.
//!
//! `EVENKEEL_CASE=text` runs only the cases whose names have the text in them, and shows httpd's
//! side. `EVENKEEL_APACHE_ONLY=1` shows httpd's side of what is being built, and nothing else.

mod oracle;
mod pages;
mod script;
mod steps;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use evenkeel_testkit::*;
use oracle::Balancer;
use script::Script;

/// Cases at a time.
const THREADS: usize = 3;
const HEAD: &str = include_str!("cases/head.txt");

fn origins() -> [Origin; 3] {
    ["a", "b", "c"].map(Origin::named)
}

fn config(script: &Script, origins: &[Origin; 3]) -> String {
    let text = format!("{HEAD}{}", script.config);
    ["{a}", "{b}", "{c}"]
        .iter()
        .zip(origins)
        .fold(text, |text, (place, origin)| text.replace(place, &origin.member()))
}

/// What both say to a case; `None` where httpd is not installed.
fn compare(script: &Script) -> (Option<String>, String) {
    let mut origins = origins();
    let config = config(script, &origins);
    let theirs = apache(script, &config, &mut origins);
    let ours = match Balancer::ours(&config) {
        Ok(balancer) => steps::trace(script, &balancer, &mut origins),
        Err(words) if theirs.as_deref() == Some("does not start\n") => {
            assert!(words.contains("error"), "{}: no error is told: {words}", script.name);
            "does not start\n".to_owned()
        }
        Err(words) => words,
    };
    (theirs, ours)
}

/// What httpd says to a case. The origins are left as they were found.
fn apache(script: &Script, config: &str, origins: &mut [Origin; 3]) -> Option<String> {
    let Ok(apache) = Balancer::apache(config)? else {
        return Some("does not start\n".to_owned());
    };
    let trace = steps::trace(script, &apache, origins);
    drop(apache);
    for (origin, name) in origins.iter_mut().zip(["a", "b", "c"]) {
        origin.set(Answer::text(name));
        origin.restart();
    }
    Some(trace)
}

#[test]
fn every_decision_is_apaches() {
    all_agree(&script::scripts());
}

#[test]
#[ignore = "cases that are known to differ: run it to see which no longer do"]
fn differing_decisions() {
    if std::env::var_os("EVENKEEL_APACHE_ONLY").is_none() {
        return all_agree(&script::differing());
    }
    let wanted = std::env::var("EVENKEEL_CASE").unwrap_or_default();
    for script in script::differing().iter().filter(|script| script.name.contains(&wanted)) {
        let mut origins = origins();
        let config = config(script, &origins);
        let theirs = apache(script, &config, &mut origins).unwrap_or_default();
        eprintln!("=== {}\n{theirs}", script.name);
    }
}

fn all_agree(scripts: &[Script]) {
    let wanted = std::env::var("EVENKEEL_CASE").unwrap_or_default();
    let chosen: Vec<&Script> =
        scripts.iter().filter(|script| script.name.contains(&wanted)).collect();
    let (next, compared) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong = Mutex::new(Vec::new());
    // Most of the time is spent waiting for programs to start and for times to pass.
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(script) = chosen.get(next.fetch_add(1, Relaxed)) {
                    let (theirs, ours) = compare(script);
                    let Some(theirs) = theirs else { continue };
                    if !wanted.is_empty() {
                        eprintln!("=== {}\n{theirs}", script.name);
                    }
                    if theirs == ours {
                        compared.fetch_add(1, Relaxed);
                        continue;
                    }
                    wrong.lock().expect("no thread panics").push(*script);
                }
            });
        }
    });
    // Times are real, and the machine may have been busy: those get a second chance, alone.
    let mut texts = Vec::new();
    for script in wrong.into_inner().expect("no thread panics") {
        match compare(script) {
            (Some(theirs), ours) if theirs != ours => {
                texts.push(format!("{}\n-- apache\n{theirs}-- ours\n{ours}", script.name));
            }
            _ => drop(compared.fetch_add(1, Relaxed)),
        }
    }
    let wrong = texts;
    eprintln!("{} of {} cases agree with apache2", compared.into_inner(), chosen.len());
    assert!(wrong.is_empty(), "{} cases differ\n{}", wrong.len(), wrong.join("\n"));
}

/// Whatever could be carried over without a word decides as before.
#[test]
fn converted_configurations_decide_the_same() {
    let wanted = std::env::var("EVENKEEL_CASE").unwrap_or_default();
    let (mut wrong, mut carried) = (Vec::new(), 0);
    let scripts = script::scripts();
    let decisions = scripts.iter().filter(|script| !script.bytes && script.name.contains(&wanted));
    for script in decisions {
        let mut origins = origins();
        let config = config(script, &origins);
        let Some(started) = Balancer::converted(&config) else { continue };
        let native = match started {
            Ok(balancer) => steps::trace(script, &balancer, &mut origins),
            Err(words) => words,
        };
        for (origin, name) in origins.iter_mut().zip(["a", "b", "c"]) {
            origin.set(Answer::text(name));
            origin.restart();
        }
        let Ok(balancer) = Balancer::ours(&config) else { continue };
        let ours = steps::trace(script, &balancer, &mut origins);
        carried += 1;
        if native != ours {
            wrong.push(format!("{}\n-- httpd's\n{ours}-- native\n{native}", script.name));
        }
    }
    eprintln!("{carried} cases were carried over");
    assert!(wrong.is_empty(), "{} cases differ\n{}", wrong.len(), wrong.join("\n"));
}
