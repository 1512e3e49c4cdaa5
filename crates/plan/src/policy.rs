/// How a pool picks a member for a request that no affinity decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    /// Smooth weighted round robin: members take turns, heavy ones more often, never in bursts.
    #[default]
    RoundRobin,
    /// The member with the fewest requests under way, relative to its weight.
    LeastRequests,
    /// The member that moved the fewest bytes lately, relative to its weight.
    LeastBytes,
    /// The member with the lowest expected answer time (peak-EWMA times requests under way).
    LeastTime,
    /// The better of two members drawn by weight (power of two choices, Mitzenmacher 2001).
    RandomTwo,
    /// Consistent hashing on a ring of points.
    RingHash,
    /// Consistent hashing by Maglev table (Eisenbud et al. 2016), 65537 entries.
    Maglev,
    /// Consistent hashing (Maglev table) of the client address, whatever `hash_key` says.
    SourceHash,
    /// Apache `lbmethod=byrequests`, decision for decision.
    ByRequests,
    /// Apache `lbmethod=bytraffic`, decision for decision.
    ByTraffic,
    /// Apache `lbmethod=bybusyness`, decision for decision.
    ByBusyness,
    /// Apache `lbmethod=heartbeat`: open slots that members report.
    Heartbeat,
}

impl Policy {
    /// Every policy with its name in configuration, API and metrics.
    pub const ALL: [(Policy, &'static str); 12] = [
        (Policy::RoundRobin, "round-robin"),
        (Policy::LeastRequests, "least-requests"),
        (Policy::LeastBytes, "least-bytes"),
        (Policy::LeastTime, "least-time"),
        (Policy::RandomTwo, "random-two"),
        (Policy::RingHash, "ring-hash"),
        (Policy::Maglev, "maglev"),
        (Policy::SourceHash, "source-hash"),
        (Policy::ByRequests, "by-requests"),
        (Policy::ByTraffic, "by-traffic"),
        (Policy::ByBusyness, "by-busyness"),
        (Policy::Heartbeat, "heartbeat"),
    ];

    /// The name in configuration, API and metrics.
    pub fn name(self) -> &'static str {
        // ALL lists every variant (a test counts them), so the search always finds one.
        Self::ALL.iter().find(|(policy, _)| *policy == self).map_or("round-robin", |(_, name)| name)
    }

    /// Whether it is one of Apache's, with Apache's rules about sessions and failures.
    pub fn is_apache(self) -> bool {
        use Policy::{ByBusyness, ByRequests, ByTraffic, Heartbeat};
        matches!(self, ByRequests | ByTraffic | ByBusyness | Heartbeat)
    }

    /// Whether the pick depends on the request's key.
    pub fn hashes(self) -> bool {
        matches!(self, Policy::RingHash | Policy::Maglev | Policy::SourceHash)
    }
}

/// What a hashing policy hashes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum HashKey {
    /// The client's address (after trusted forwarding headers).
    #[default]
    Client,
    /// The whole request target: path and query.
    Uri,
    /// The path without the query.
    Path,
    /// The value of a request header (lower-case name); requests without it use the client address.
    Header(String),
    /// The value of a cookie; requests without it use the client address.
    Cookie(String),
    /// The value of a query parameter; requests without it use the client address.
    Query(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_has_its_own_name() {
        let mut names: Vec<_> = Policy::ALL.iter().map(|(_, name)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Policy::ALL.len());
        assert_eq!(Policy::Heartbeat as usize + 1, Policy::ALL.len());
        assert!(Policy::ALL.iter().all(|(policy, name)| policy.name() == *name));
    }
}
