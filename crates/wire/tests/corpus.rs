//! The corpus of odd and malicious messages; `corpus/README.md` says how it is written.

mod checks;
mod corpus_file;

use checks::Outcome;
use corpus_file::{Record, records, unescape};
use evenkeel_wire::http1::{CAUSES, Limits};

const LIMITS: Limits = Limits { head_bytes: 2000, target_bytes: 200, fields: 20 };

#[test]
fn requests_get_their_verdicts() {
    let all = records(include_str!("corpus/requests.txt"));
    assert!(all.len() >= 300, "{}", all.len());
    run(&all, |record, cut| checks::read_request(&record.bytes, cut, &LIMITS));
}

#[test]
fn answers_get_their_verdicts() {
    let all = records(include_str!("corpus/responses.txt"));
    assert!(all.len() >= 80, "{}", all.len());
    run(&all, |record, cut| {
        let head = record.verdict.split(' ').any(|word| word == "head");
        checks::read_response(&record.bytes, cut, head, &LIMITS)
    });
}

#[test]
fn every_cause_has_an_example() {
    let requests = records(include_str!("corpus/requests.txt"));
    let responses = records(include_str!("corpus/responses.txt"));
    for cause in CAUSES.iter().filter(|cause| cause.code != "early-eof") {
        let verdict = format!("{} {}", cause.status, cause.code);
        assert!(
            requests.iter().chain(&responses).any(|record| record.verdict == verdict),
            "{verdict}"
        );
    }
}

#[test]
fn the_checks_of_the_fuzzers_hold_for_the_corpus() {
    for text in [include_str!("corpus/requests.txt"), include_str!("corpus/responses.txt")] {
        for record in records(text) {
            checks::http1_request(&record.bytes);
            checks::http1_response(&record.bytes);
            checks::http1_body(&record.bytes);
        }
    }
}

fn run(all: &[Record], read: impl Fn(&Record, usize) -> Outcome) {
    let mut wrong = Vec::new();
    for record in all {
        let whole = read(record, usize::MAX);
        let bytewise = read(record, 1);
        if whole != bytewise {
            wrong.push(format!("{}: whole {whole:?}\nbyte by byte {bytewise:?}", record.name));
        }
        if let Err(why) = judge(&record.verdict, &whole) {
            wrong.push(format!("{}: {why}\n  got {whole:?}", record.name));
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

fn judge(verdict: &str, outcome: &Outcome) -> Result<(), String> {
    let mut words = verdict.split(' ');
    match (words.next(), outcome) {
        (Some("partial"), Outcome::Partial) => Ok(()),
        (Some("ok"), Outcome::Read(facts)) => {
            for word in words {
                let want = String::from_utf8_lossy(&unescape(word)).into_owned();
                if !facts.contains(&want) {
                    return Err(format!("want {want}"));
                }
            }
            Ok(())
        }
        (Some(_), Outcome::Refused(refusal))
            if verdict == format!("{} {}", refusal.status, refusal.cause) =>
        {
            Ok(())
        }
        _ => Err(format!("want {verdict}")),
    }
}
