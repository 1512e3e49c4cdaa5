//! mod_remoteip: who asks, as those between say.

use std::net::IpAddr;

use crate::headers::{joined, put};
use crate::network::Network;
use crate::scene::Facts;

/// `RemoteIPHeader` and its like.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RemoteIp {
    /// The field.
    pub header: String,
    /// `RemoteIPInternalProxy` (`true`) and `RemoteIPTrustedProxy`: who may say it; nobody named:
    /// everyone. Internal ones may name private addresses too.
    pub proxies: Vec<(Network, bool)>,
    /// `RemoteIPProxiesHeader`: the field that names those between, internal ones aside.
    pub proxies_header: Option<String>,
}

impl RemoteIp {
    /// From the right, as long as whoever says it is believed.
    pub(crate) fn believe(&self, facts: &mut Facts) {
        let name = self.header.as_bytes();
        let Some(text) = joined(&facts.fields, name) else { return };
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut rest = Some(&*text);
        let (mut client, mut between) = (facts.client, Vec::new());
        let mut internal = false;
        while let Some(all) = rest {
            if !self.proxies.is_empty() {
                let by = self.proxies.iter().find(|(network, _)| network.contains(client));
                let Some((_, is_internal)) = by else { break };
                internal = *is_internal;
            }
            let (before, entry) = match all.rsplit_once(',') {
                Some((before, entry)) => (Some(before), entry),
                None => (None, all),
            };
            let Some(named) = entry.trim_matches(' ').parse::<IpAddr>().ok() else { break };
            if !internal && is_private(named) {
                break;
            }
            if !internal {
                between.push(client.to_string());
            }
            client = named.to_canonical();
            rest = before;
        }
        if rest == Some(&*text) {
            return;
        }
        facts.client = client;
        match rest {
            Some(rest) => put(&mut facts.fields, name, rest.as_bytes().to_vec()),
            None => facts.fields.retain(|field| !field.0.eq_ignore_ascii_case(name)),
        }
        if let Some(header) = self.proxies_header.as_ref().filter(|_| !between.is_empty()) {
            put(&mut facts.fields, header.as_bytes(), between.join(", ").into_bytes());
        }
    }
}

/// Addresses that nobody on the open net has.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        // Global unicast is 2000::/3.
        IpAddr::V6(v6) => v6.octets()[0] & 0xe0 != 0x20,
    }
}
