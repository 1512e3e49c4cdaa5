//! `[[acme]]` in its normal form.

use evenkeel_plan::{Acme, Challenge, DnsHook, KeyKind, Plan};

use super::parts::one_or_more;
use super::{Keys, duration, quoted};
use crate::native::acme::blank;
use crate::native::units;

/// Whether the authority is there without being written: the usual one, in use.
pub(super) fn goes_without_saying(acme: &Acme, plan: &Plan) -> bool {
    let certificates =
        plan.listeners.iter().filter_map(|l| l.tls.as_ref()).flat_map(|tls| &tls.certificates);
    let mut ordered = certificates.filter_map(|files| files.ordered.as_ref());
    *acme == blank() && ordered.any(|ordered| ordered.authority == acme.name)
}

pub(super) fn acme(acme: &Acme) -> Keys {
    let usual = Acme::new(acme.name.clone());
    let mut keys = Keys::default();
    if acme.name.as_str() != Acme::DEFAULT_NAME {
        keys.put("name", quoted(&acme.name));
    }
    // The URL stands also when it is the usual one, so that the table is never empty.
    keys.put("directory", quoted(&acme.directory));
    keys.unless("contact", &acme.contact, &Vec::new(), |contact| {
        one_or_more(contact, |text| quoted(text.trim_start_matches("mailto:")))
    });
    if let Some(ca) = &acme.ca {
        keys.put("ca", quoted(&ca.to_string_lossy()));
    }
    if let Some(external) = &acme.external {
        let mut inner = Keys::default();
        inner.put("key_id", quoted(&external.key_id));
        inner.put("hmac_key", quoted(&units::print_base64url(&external.hmac_key)));
        keys.table("eab", inner);
    }
    keys.unless("challenge", &acme.challenge, &usual.challenge, |c| quoted(Challenge::name(*c)));
    if let Some(hook) = &acme.dns {
        keys.table("dns", dns(hook));
    }
    keys.unless("folder", &acme.folder, &usual.folder, |path| quoted(&path.to_string_lossy()));
    keys.unless("key", &acme.key, &usual.key, |key| quoted(KeyKind::name(*key)));
    if let Some(profile) = &acme.profile {
        keys.put("profile", quoted(profile));
    }
    if let Some(time) = &acme.renew_before {
        keys.put("renew_before", duration(time));
    }
    keys
}

fn dns(hook: &DnsHook) -> Keys {
    let usual = DnsHook::new(Vec::new());
    let mut keys = Keys::default();
    keys.put("command", one_or_more(&hook.command, |word| quoted(word)));
    keys.unless("timeout", &hook.timeout, &usual.timeout, duration);
    keys.unless("wait", &hook.wait, &usual.wait, duration);
    keys
}
