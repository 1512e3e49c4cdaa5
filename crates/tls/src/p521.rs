//! Key exchange on P-521 (RFC 8446 section 4.2.8.2), which the engine does not bring: some clients
//! by order of an authority agree on nothing else.

use aws_lc_rs::agreement::{
    ECDH_P521, EphemeralPrivateKey, PublicKey, UnparsedPublicKey, agree_ephemeral,
};
use aws_lc_rs::rand::SystemRandom;
use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// The group.
#[derive(Debug)]
pub(crate) struct P521;

/// One exchange.
struct Exchange {
    own: EphemeralPrivateKey,
    public: PublicKey,
}

impl SupportedKxGroup for P521 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let made = EphemeralPrivateKey::generate(&ECDH_P521, &SystemRandom::new());
        let own = made.map_err(|_| GetRandomFailed)?;
        let public = own.compute_public_key().map_err(|_| GetRandomFailed)?;
        Ok(Box::new(Exchange { own, public }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

impl ActiveKeyExchange for Exchange {
    /// Only points in full are allowed, which begin with 4; whether one lies on the curve is seen
    /// below.
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let refused = Error::from(PeerMisbehaved::InvalidKeyShare);
        if peer.first() != Some(&4) {
            return Err(refused);
        }
        let peer = UnparsedPublicKey::new(&ECDH_P521, peer);
        agree_ephemeral(self.own, peer, refused, |secret| Ok(SharedSecret::from(secret)))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_get_the_same_secret() {
        let (one, other) = (P521.start().unwrap(), P521.start().unwrap());
        let (from_one, from_other) = (one.pub_key().to_vec(), other.pub_key().to_vec());
        // Two coordinates of 66 bytes (RFC 8446 section 4.2.8.2), of which the first is the secret.
        assert_eq!((from_one.len(), from_one[0]), (133, 4));
        let secret = one.complete(&from_other).unwrap();
        assert_eq!(secret.secret_bytes().len(), 66);
        assert_eq!(secret.secret_bytes(), other.complete(&from_one).unwrap().secret_bytes());
    }

    #[test]
    fn what_is_no_point_is_refused() {
        let good = P521.start().unwrap().pub_key().to_vec();
        let mut beside = good.clone();
        beside[132] ^= 1;
        let mut short = good[..67].to_vec();
        short[0] = 2;
        let mut odd = good.clone();
        odd[0] = 5;
        let longer = [&good[..], &[0]].concat();
        for bad in [&[][..], &[0], &[4], &beside, &short, &odd, &longer, &good[..132]] {
            let refused = P521.start().unwrap().complete(bad).err();
            assert_eq!(refused, Some(PeerMisbehaved::InvalidKeyShare.into()), "{}", bad.len());
        }
    }
}
