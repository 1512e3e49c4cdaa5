//! The template of an access log line.

use evenkeel_plan::check::nearest;

use super::value::{Reader, Value};

/// The longest template, in bytes.
const TEMPLATE_MAX: usize = 4096;

/// The fields a template may name; docs/access-log.md says what they are.
const FIELDS: [&str; 32] = [
    "time",
    "time_clf",
    "unix_ms",
    "listener",
    "route",
    "pool",
    "member",
    "client",
    "peer",
    "peer_port",
    "connection",
    "method",
    "target",
    "path",
    "query",
    "host",
    "protocol",
    "tls_version",
    "tls_cipher",
    "sni",
    "tls_resumed",
    "status",
    "bytes_in",
    "bytes_out",
    "duration_ms",
    "first_byte_ms",
    "attempts",
    "cause",
    "affinity",
    "request_id",
    "user_agent",
    "referer",
];

/// Whether the text is a template; complains if not.
pub(crate) fn check(text: &str, value: Value<'_>, reader: &mut Reader<'_>) -> bool {
    let Err((message, help)) = pieces(text) else { return true };
    match help {
        Some(help) => reader.error_help(value.span(), message, "", help),
        None => reader.error(value.span(), message, ""),
    }
    false
}

/// What is wrong, and what to do.
fn pieces(text: &str) -> Result<(), (String, Option<String>)> {
    let wrong = |message: &str| Err((message.to_owned(), None));
    if text.len() > TEMPLATE_MAX {
        return wrong("a template has at most 4096 bytes");
    }
    if !text.contains('{') {
        let message = format!(
            "expected json, combined, or a template with {{field}} places, found \"{text}\""
        );
        let near = nearest(text, ["json", "combined"].into_iter());
        return Err((message, near.map(|near| format!("did you mean \"{near}\"?"))));
    }
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return wrong("a template holds no control characters: a line is one line");
    }
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let brace = &rest[at..];
        if brace.starts_with("{{") || brace.starts_with("}}") {
            rest = &brace[2..];
            continue;
        }
        let Some(place) = brace.strip_prefix('{') else {
            return wrong("a } without {; write }} for a brace");
        };
        let Some((name, after)) = place.split_once('}') else {
            return wrong("a { that no } closes; write {{ for a brace");
        };
        if !FIELDS.contains(&name) {
            let help = match nearest(name, FIELDS.into_iter()) {
                Some(near) => format!("did you mean {{{near}}}?"),
                None => format!("known fields: {}", FIELDS.join(", ")),
            };
            return Err((format!("no field of the access log is named {{{name}}}"), Some(help)));
        }
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use evenkeel_observe::access_log::{self, Format};

    use super::*;

    #[test]
    fn the_fields_are_those_of_the_access_log() {
        let known: Vec<_> = access_log::FIELDS.iter().map(|row| row.name).collect();
        assert_eq!(known, FIELDS);
        assert_eq!(TEMPLATE_MAX, access_log::TEMPLATE_MAX);
    }

    #[test]
    fn what_is_accepted_here_is_accepted_there() {
        let long = format!("{{status}}{}", "x".repeat(4096));
        for text in [
            "{client} {status}",
            "{{{status}}}",
            "{{ only braces }}",
            "{status",
            "status}",
            "{status} }",
            "{statsu}",
            "{}",
            "{status}\n",
            "{status}\t{path}",
            &long,
        ] {
            assert_eq!(pieces(text).is_ok(), Format::template(text).is_ok(), "{text}");
        }
    }
}
