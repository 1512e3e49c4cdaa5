//! The key of a client: what hashing policies and affinity by address go by.

use std::net::IpAddr;

use evenkeel_balance::hash_key;

/// The key of a client's address: IPv6 by its network of 64 bits, which is one customer.
pub(crate) fn client_key(client: Option<IpAddr>) -> u64 {
    match client {
        Some(IpAddr::V4(v4)) => hash_key(&v4.octets()),
        Some(IpAddr::V6(v6)) => hash_key(&v6.octets()[..8]),
        None => 0,
    }
}
