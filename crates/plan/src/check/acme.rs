//! What holds for certificates that are ordered, and for those that they are ordered from.

use super::{Names, Place, Problem};
use crate::{Acme, Challenge, Ordered, Plan, Protocol};

/// Where orders stand.
const FIELD: &str = "tls.certificates";
/// Authorities.
const AUTHORITIES_MAX: usize = 100;

pub(super) fn check(plan: &Plan, problems: &mut Vec<Problem>) {
    let known = Names::new("authority", plan.acme.iter().map(|acme| &acme.name));
    let mut used = Vec::new();
    for (i, listener) in plan.listeners.iter().enumerate() {
        let place = Place::Listener(i);
        let certificates = listener.tls.iter().flat_map(|tls| &tls.certificates);
        for ordered in certificates.filter_map(|files| files.ordered.as_ref()) {
            let acme = plan.acme.iter().find(|acme| acme.name == ordered.authority);
            let Some(acme) = acme else {
                known.know(&ordered.authority, place, FIELD, problems);
                continue;
            };
            used.push(&acme.name);
            if let Some((message, help)) = misfit(acme, ordered) {
                let (field, help) = (FIELD, Some(help.to_owned()));
                problems.push(Problem { place, field, message, help });
            }
        }
    }
    let plain =
        |listener: &crate::Listener| listener.protocol == Protocol::Http && listener.tls.is_none();
    let answers = plan.listeners.iter().any(plain);
    for (i, acme) in plan.acme.iter().enumerate() {
        let mut wrong = |field, message: String, help: &str| {
            let help = Some(help.to_owned());
            problems.push(Problem { place: Place::Acme(i), field, message, help });
        };
        let name = &acme.name;
        if i == AUTHORITIES_MAX {
            let message = "more than 100 authorities".to_owned();
            wrong("name", message, "one can issue certificates for any number of names");
        }
        if acme.challenge == Challenge::Dns01 && acme.dns.is_none() {
            let message =
                format!("authority \"{name}\" proves names by dns-01, and has no `dns` for it");
            wrong("challenge", message, "add dns = { command = \"/path/to/hook\" }");
        }
        if acme.challenge == Challenge::Http01 && !answers && used.contains(&name) {
            let message = format!(
                "authority \"{name}\" proves names by http-01, and no listener speaks HTTP without TLS"
            );
            let help = "add [[listener]] with bind = \"0.0.0.0:80\" and redirect_https = true, \
                        or write challenge = \"tls-alpn-01\"";
            wrong("challenge", message, help);
        }
    }
}

/// What an authority cannot be asked for.
fn misfit(acme: &Acme, ordered: &Ordered) -> Option<(String, &'static str)> {
    let count = ordered.domains.len();
    if count == 0 {
        let help = "add domains = [\"example.com\"]";
        return Some(("a certificate is ordered for no name".to_owned(), help));
    }
    if count > Acme::DOMAINS_MAX {
        let message = format!("a certificate is ordered for {count} names of 100");
        return Some((message, "order several"));
    }
    let wildcard = ordered.domains.iter().find(|domain| domain.starts_with("*."))?;
    if acme.challenge == Challenge::Dns01 {
        return None;
    }
    let message = format!(
        "\"{wildcard}\" can be proved by dns-01 only, and authority \"{}\" goes by {}",
        acme.name,
        acme.challenge.name()
    );
    Some((
        message,
        "write challenge = \"dns-01\" and a `dns` command, or list the names one by one",
    ))
}
