//! Authorities, and certificates that are ordered from them.

use std::time::Duration;

use evenkeel_plan::{Acme, Challenge, DnsHook, ExternalAccount, KeyKind, Name, Plan};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn authority() -> impl Strategy<Value = Acme> {
    let seconds = |range| Strategy::prop_map(range, Duration::from_secs);
    let hook = ("[a-z]{1,8}", seconds(1_u64..=600), seconds(0_u64..=3600))
        .prop_map(|(program, timeout, wait)| DnsHook { command: vec![program], timeout, wait });
    let external = ("[a-z]{1,8}", prop::collection::vec(any::<u8>(), 1..40))
        .prop_map(|(key_id, hmac_key)| ExternalAccount { key_id, hmac_key });
    (
        prop::collection::vec("mailto:[a-z]{1,5}@[a-z]{1,5}", 0..3),
        of("/[a-z]{1,8}\\.pem"),
        of(external),
        of(hook),
        "/[a-z]{1,8}",
        select(KeyKind::ALL.map(|(kind, _)| kind).to_vec()),
        of("[a-z]{1,8}"),
        of(seconds(3600_u64..=100 * 86_400)),
    )
        .prop_map(|(contact, ca, external, dns, folder, key, profile, renew_before)| {
            let mut acme = Acme::new(Name::new(Acme::DEFAULT_NAME).unwrap());
            acme.challenge = if dns.is_some() { Challenge::Dns01 } else { Challenge::TlsAlpn01 };
            let (ca, folder) = (ca.map(Into::into), folder.into());
            Acme { contact, ca, external, dns, folder, key, profile, renew_before, ..acme }
        })
}

pub fn authorities() -> impl Strategy<Value = Vec<Acme>> {
    prop::collection::vec(authority(), 0..3).prop_map(|mut all| {
        for (at, acme) in all.iter_mut().enumerate().skip(1) {
            acme.name = Name::new(&format!("authority.{at}")).unwrap();
        }
        all
    })
}

/// Orders the first certificate of each listener, if there is somebody to order from.
pub fn order(plan: &mut Plan, index: Index) {
    if plan.acme.is_empty() {
        return;
    }
    let acme = plan.acme[index.index(plan.acme.len())].clone();
    for (at, tls) in plan.listeners.iter_mut().filter_map(|l| l.tls.as_mut()).enumerate() {
        if let Some(first) = tls.certificates.first_mut() {
            *first = acme.files(vec![format!("{at}.example"), "192.0.2.1".to_owned()]);
        }
    }
}
