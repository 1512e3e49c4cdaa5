//! What is shown to an authority while it looks, by each kind of challenge.

use std::net::IpAddr;
use std::sync::Arc;

use evenkeel_plan::{Challenge, DnsHook};
use evenkeel_tls::{Proof, Proofs};
use instant_acme::{ChallengeHandle, ChallengeType, Identifier};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};

use crate::failure::Failure;
use crate::hook;

/// Something that is shown.
pub(crate) enum Shown {
    /// Until it is dropped.
    Here(#[expect(dead_code, reason = "it is there to be dropped")] Proof),
    /// Until it is taken out of DNS.
    Record { domain: String, name: String, value: String },
}

/// The challenge in the words of the engine.
pub(crate) fn kind(challenge: Challenge) -> ChallengeType {
    match challenge {
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        Challenge::Http01 => ChallengeType::Http01,
        Challenge::Dns01 => ChallengeType::Dns01,
    }
}

/// Shows the proof of one name.
pub(crate) async fn show(
    kind: Challenge,
    dns: Option<&DnsHook>,
    challenge: &ChallengeHandle<'_>,
    proofs: &Arc<Proofs>,
) -> Result<Shown, Failure> {
    let authorization = challenge.key_authorization();
    let identifier = challenge.identifier().identifier;
    let domain = plain(identifier);
    match kind {
        Challenge::Http01 => {
            Ok(Shown::Here(proofs.show_answer(&challenge.token, authorization.as_str())))
        }
        Challenge::TlsAlpn01 => {
            let digest = authorization.digest();
            in_handshakes(identifier, digest.as_ref(), proofs)
                .map(Shown::Here)
                .map_err(Failure::new)
        }
        Challenge::Dns01 => {
            let hook = dns.ok_or_else(|| Failure::new("there is no `dns` command"))?;
            let (name, value) = (format!("_acme-challenge.{domain}."), authorization.dns_value());
            let shown = Shown::Record { domain, name, value };
            match present(hook, &shown, "present").await {
                Ok(()) => Ok(shown),
                Err(why) => {
                    // Half a record may be there.
                    let _ = present(hook, &shown, "cleanup").await;
                    Err(Failure::new(why))
                }
            }
        }
    }
}

/// Takes out of DNS what was put there; what goes wrong with it, if anything.
pub(crate) async fn clean(dns: Option<&DnsHook>, shown: Vec<Shown>) -> Option<String> {
    let mut wrong = None;
    for one in &shown {
        if let Some(hook) = dns {
            wrong = wrong.or(present(hook, one, "cleanup").await.err());
        }
    }
    wrong
}

async fn present(hook: &DnsHook, shown: &Shown, action: &str) -> Result<(), String> {
    let Shown::Record { domain, name, value } = shown else { return Ok(()) };
    hook::run(hook, action, (domain, name, value)).await
}

/// The text of a name or address.
pub(crate) fn plain(identifier: &Identifier) -> String {
    match identifier {
        Identifier::Dns(name) => name.clone(),
        Identifier::Ip(address) => address.to_string(),
        other => format!("{other:?}"),
    }
}

/// The certificate that proves a name in a handshake (RFC 8737 section 3).
fn in_handshakes(
    identifier: &Identifier,
    digest: &[u8],
    proofs: &Arc<Proofs>,
) -> Result<Proof, String> {
    let wrong = |why: rcgen::Error| why.to_string();
    let mut params = CertificateParams::new(vec![plain(identifier)]).map_err(wrong)?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().map_err(wrong)?;
    let certificate = params.self_signed(&key).map_err(wrong)?;
    let asked = match identifier {
        Identifier::Ip(address) => reversed(*address),
        other => plain(other),
    };
    let key = key.serialize_der().try_into().map_err(|_| "a key that is none".to_owned())?;
    proofs.show_certificate(&asked, certificate.der().clone(), &key)
}

/// What is asked for in the place of an address (RFC 8738 section 6).
fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|b| [b & 15, b >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_for_by_their_names_in_dns() {
        assert_eq!(reversed("192.0.2.1".parse().unwrap()), "1.2.0.192.in-addr.arpa");
        let six = reversed("2001:db8::1".parse().unwrap());
        assert!(six.starts_with("1.0.0.0.") && six.ends_with("8.b.d.0.1.0.0.2.ip6.arpa"), "{six}");
    }
}
