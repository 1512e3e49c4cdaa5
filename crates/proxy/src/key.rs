//! The key of a client: what hashing policies and affinity by address go by.

use std::net::IpAddr;

use evenkeel_balance::{Bound, hash_key};
use evenkeel_plan::{Affinity, Name};

use crate::snapshot::PoolRt;

/// What affinity knows of a client that is told by its address, or by the tag of its member, which
/// its QUIC connection id gave away.
pub(crate) fn client_bound<'a>(pool: &PoolRt, key: u64, tag: Option<&'a Name>) -> Bound<'a> {
    match (tag, &pool.plan.affinity) {
        (Some(tag), _) => Bound::Tag(tag.as_bytes()),
        (None, Some(Affinity::Client)) => Bound::Key(key),
        _ => Bound::None,
    }
}

/// The key of a client's address: IPv6 by its network of 64 bits, which is one customer. An IPv4
/// address in the form of IPv6 is the IPv4 address.
pub(crate) fn client_key(client: Option<IpAddr>) -> u64 {
    match client.map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(v4)) => hash_key(&v4.octets()),
        Some(IpAddr::V6(v6)) => hash_key(&v6.octets()[..8]),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_has_one_key_in_whatever_form_its_address_comes() {
        let key = |text: &str| client_key(text.parse().ok());
        assert_eq!(key("192.0.2.7"), key("::ffff:192.0.2.7"));
        assert_ne!(key("::ffff:192.0.2.7"), key("::ffff:192.0.2.8"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::2"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    }
}
