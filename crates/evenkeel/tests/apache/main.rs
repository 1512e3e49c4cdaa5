//! The same configuration and the same requests for Apache httpd and for us: every decision must be
//! the same. Where httpd is not installed, its side is skipped with a line, and ours still runs.
//!
//! `EVENKEEL_CASE=text` runs only the cases whose names have the text in them, and shows httpd's
//! side. `EVENKEEL_APACHE_ONLY=1` shows httpd's side of what is being built, and nothing else.

mod oracle;
mod pages;
mod script;
mod steps;

use evenkeel_testkit::*;
use oracle::Balancer;
use script::Script;

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
#[ignore = "being built"]
fn pending_decisions() {
    if std::env::var_os("EVENKEEL_APACHE_ONLY").is_none() {
        return all_agree(&script::pending());
    }
    let wanted = std::env::var("EVENKEEL_CASE").unwrap_or_default();
    for script in script::pending().iter().filter(|script| script.name.contains(&wanted)) {
        let mut origins = origins();
        let config = config(script, &origins);
        let theirs = apache(script, &config, &mut origins).unwrap_or_default();
        eprintln!("=== {}\n{theirs}", script.name);
    }
}

fn all_agree(scripts: &[Script]) {
    let wanted = std::env::var("EVENKEEL_CASE").unwrap_or_default();
    let (mut wrong, mut compared, mut count) = (Vec::new(), 0, 0);
    for script in scripts.iter().filter(|script| script.name.contains(&wanted)) {
        count += 1;
        let (theirs, ours) = compare(script);
        if let Some(theirs) = theirs.as_ref().filter(|_| !wanted.is_empty()) {
            eprintln!("=== {}\n{theirs}", script.name);
        }
        match theirs {
            Some(theirs) if theirs != ours => {
                wrong.push(format!("{}\n-- apache\n{theirs}-- ours\n{ours}", script.name));
            }
            Some(_) => compared += 1,
            None => {}
        }
    }
    eprintln!("{compared} of {count} cases compared with apache2");
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
        let ours = match Balancer::ours(&config) {
            Ok(balancer) => steps::trace(script, &balancer, &mut origins),
            Err(words) => words,
        };
        carried += 1;
        if native != ours {
            wrong.push(format!("{}\n-- httpd's\n{ours}-- native\n{native}", script.name));
        }
    }
    eprintln!("{carried} cases were carried over");
    assert!(wrong.is_empty(), "{} cases differ\n{}", wrong.len(), wrong.join("\n"));
}
