use std::error::Error as _;

use instant_acme::{Error, Problem};

/// Bytes of what is told.
const REASON_MAX: usize = 1000;

/// Why there is no certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// In words, with what to do where that is known.
    pub reason: String,
    /// The authority was asked too often.
    pub limited: bool,
}

impl Failure {
    /// A failure of our own side.
    pub(crate) fn new(reason: impl Into<String>) -> Failure {
        let mut reason: String = reason.into();
        if reason.len() > REASON_MAX {
            reason.truncate(reason.floor_char_boundary(REASON_MAX));
            reason.push('…');
        }
        Failure { reason, limited: false }
    }

    /// What an authority said, or that it could not be asked.
    pub(crate) fn of(doing: &str, error: &Error) -> Failure {
        match error {
            Error::Api(problem) => {
                let failure = Failure::new(format!("{doing}: {}", told(problem)));
                Failure { limited: is(error, "rateLimited"), ..failure }
            }
            other => Failure::new(format!("{doing}: {}", whole(other))),
        }
    }
}

/// Whether the authority answered with a problem of this kind (RFC 8555 section 6.7).
pub(crate) fn is(error: &Error, kind: &str) -> bool {
    let Error::Api(problem) = error else { return false };
    let kinds = problem.r#type.as_deref().and_then(|urn| urn.rsplit(':').next());
    kinds == Some(kind)
}

/// A problem in words.
pub(crate) fn told(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().and_then(|urn| urn.rsplit(':').next()).unwrap_or("error");
    let mut text = format!("{kind}: {}", problem.detail.as_deref().unwrap_or("without a word"));
    for part in problem.subproblems.iter().filter_map(|part| part.detail.as_deref()).take(5) {
        text.push_str("; ");
        text.push_str(part);
    }
    text
}

/// An error with what caused it: the last is what a person can use.
fn whole(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}
