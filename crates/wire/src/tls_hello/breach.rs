//! What a ClientHello that can be read may not say, and the alert that each breach must be met with.

use super::fatal_alert;
use super::message::{self, Found};

/// SSL 3.0.
const SSL3: u16 = 0x0300;
/// Key shares that are held against the groups: more than clients send, and a bound on the work.
const SHARES_MAX: usize = 16;

/// A rule that a ClientHello breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Breach {
    /// Its version is SSL 3.0 or before (RFC 8446 appendix D.5).
    OldVersion,
    /// Of the extensions that TLS 1.3 cannot go without, or of which each needs the other, one is
    /// missing (RFC 8446 section 9.2).
    MissingExtension,
    /// A key share of a group that it does not support itself (RFC 8446 section 4.2.8).
    ForeignShare,
    /// It renegotiates what was never negotiated (RFC 5746 section 3.6).
    Renegotiation,
}

impl Breach {
    /// The record that tells the client so.
    pub fn alert(self) -> [u8; 7] {
        fatal_alert(match self {
            Breach::OldVersion => 70,
            Breach::MissingExtension => 109,
            Breach::ForeignShare => 47,
            Breach::Renegotiation => 40,
        })
    }
}

/// The first rule that is broken. What cannot be read in the extensions looked at here is not judged.
pub(super) fn find(found: &Found, message: &[u8]) -> Option<Breach> {
    if found.legacy_version <= SSL3 {
        return Some(Breach::OldVersion);
    }
    if !found.offers_tls13 {
        // One byte, the length of nothing, is all that a first handshake may say.
        let info = found.renegotiation.map_or(&[0][..], |info| info.of(message));
        return info.first().is_some_and(|&len| len > 0).then_some(Breach::Renegotiation);
    }
    let needs_all = !found.resumes && (found.schemes.is_none() || found.groups.is_none());
    if needs_all || found.groups.is_some() != found.shares.is_some() {
        return Some(Breach::MissingExtension);
    }
    let groups = found.groups.unwrap_or_default().of(message);
    let shares = message::share_groups(found.shares.unwrap_or_default().of(message));
    let foreign = |share| message::numbers(groups).all(|group| group != share);
    shares.take(SHARES_MAX).any(foreign).then_some(Breach::ForeignShare)
}
