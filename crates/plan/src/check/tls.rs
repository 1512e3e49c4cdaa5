//! What holds for listeners with TLS, and for those that send clients to them.

use super::{Place, Problem};
use crate::{Listener, Plan, Protocol, Versions};

/// Certificates of one listener.
const CERTIFICATES_MAX: usize = 10_000;
/// Files of revocation lists.
const LISTS_MAX: usize = 100;

pub(super) fn check(plan: &Plan, problems: &mut Vec<Problem>) {
    for (i, listener) in plan.listeners.iter().enumerate() {
        let mut wrong = |field, message: String, help: &str| {
            let help = Some(help.to_owned());
            problems.push(Problem { place: Place::Listener(i), field, message, help });
        };
        versions(listener, &mut wrong);
        redirecting(listener, &mut wrong);
        let (Some(tls), name) = (&listener.tls, &listener.name) else { continue };
        if listener.protocol == Protocol::Udp {
            let message = format!("listener \"{name}\" speaks udp, which has no TLS here");
            wrong("tls", message, "QUIC is passed on as it is: leave tls out");
        }
        if tls.certificates.is_empty() {
            let message = format!("listener \"{name}\" has TLS without a certificate");
            wrong(
                "tls",
                message,
                "add certificates = [{ cert = \"site.pem\", key = \"site.key\" }], or \
                 [{ domains = [\"example.com\"] }] to order one",
            );
        }
        let count = tls.certificates.len();
        if count > CERTIFICATES_MAX {
            let message = format!("listener \"{name}\" has {count} certificates of 10000");
            wrong("tls", message, "share them between listeners");
        }
        if tls.hsts.is_some() && listener.protocol != Protocol::Http {
            let message = format!("listener \"{name}\" has hsts, which is for HTTP");
            wrong("tls", message, "leave it out");
        }
        if tls.early_data && listener.protocol != Protocol::Http {
            let message = format!("listener \"{name}\" has early_data, which is for HTTP");
            wrong("tls", message, "leave it out: what may come twice must be known to be harmless");
        }
        if tls.early_data && tls.clients.is_some() {
            let message =
                format!("listener \"{name}\" has early_data and asks clients for certificates");
            wrong(
                "tls",
                message,
                "leave one out: who a client is shows only at the handshake's end",
            );
        }
        if tls.early_data && tls.ticket_keys.is_some() {
            let message = format!(
                "listener \"{name}\" has early_data and ticket_keys, which exclude each other"
            );
            let help =
                "leave one out: a session that several processes know can be replayed to each";
            wrong("tls", message, help);
        }
        if tls.clients.as_ref().is_some_and(|clients| clients.crl.len() > LISTS_MAX) {
            let message =
                format!("listener \"{name}\" has more than 100 files of revocation lists");
            wrong("tls", message, "put several lists into one file");
        }
    }
}

fn versions(listener: &Listener, wrong: &mut impl FnMut(&'static str, String, &str)) {
    if listener.versions != Versions::Any && listener.protocol != Protocol::Http {
        let message = format!("listener \"{}\" does not speak HTTP", listener.name);
        wrong("versions", message, "leave versions out");
    }
}

fn redirecting(listener: &Listener, wrong: &mut impl FnMut(&'static str, String, &str)) {
    if listener.redirect_https.is_none() {
        return;
    }
    let name = &listener.name;
    if listener.protocol != Protocol::Http {
        let message = format!("listener \"{name}\" does not speak HTTP: it redirects nobody");
        wrong("redirect_https", message, "leave redirect_https out");
    } else if listener.tls.is_some() {
        let message = format!("listener \"{name}\" speaks TLS and sends clients to TLS");
        wrong("redirect_https", message, "put redirect_https on the listener without TLS");
    }
}
