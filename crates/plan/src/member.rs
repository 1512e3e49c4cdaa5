use std::fmt;
use std::time::Duration;

use crate::{Address, Name};

/// One server of a pool. Its identity within the pool is its address and tag: a member that keeps
/// both keeps its counters, health and connections over a reload.
#[derive(Clone, PartialEq, Debug)]
pub struct Member {
    /// Where it is reached.
    pub address: Address,
    /// What affinity names; unique in the pool. Default: a stable short hash of the address.
    pub tag: Name,
    /// Its share relative to the others; 1.
    pub weight: Weight,
    /// 0 to 99: lower tiers first, higher ones only when the lower has no usable member.
    pub tier: u8,
    /// Hot standby: only when its tier has no other usable member.
    pub backup: bool,
    /// Hot spare: stands in for one unusable member of its tier.
    pub spare: bool,
    /// What an operator ordered at start; the API changes it at run time.
    pub state: MemberState,
    /// Requests (connections and flows, in layer 4) under way at most, over all cores; `None`: no
    /// limit.
    pub max_requests: Option<u32>,
    /// The server id in the connection ids that it issues, 1 to 15 bytes; for QUIC through a UDP
    /// listener (plain-text routable connection ids, draft-ietf-quic-load-balancers).
    pub quic_id: Option<Vec<u8>>,
    /// How long its share grows from a tenth to full after it comes up; 0: at once.
    pub slow_start: Duration,
    /// What paths of requests to it begin with: empty, or `/base`.
    pub path: String,
    /// The tag of the member that clients bound to this one go to while it cannot be used.
    pub redirect: Option<Name>,
}

impl Member {
    /// A member with every default.
    pub fn new(address: Address) -> Member {
        let tag = Member::default_tag(&address);
        Member {
            address,
            tag,
            weight: Weight::ONE,
            tier: 0,
            backup: false,
            spare: false,
            state: MemberState::Ready,
            max_requests: None,
            quic_id: None,
            slow_start: Duration::ZERO,
            path: String::new(),
            redirect: None,
        }
    }

    /// The tag of a member that names none: 8 hexadecimal digits of the FNV-1a hash of its
    /// address, the same on every machine and after every restart.
    pub fn default_tag(address: &Address) -> Name {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in address.to_string().bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let short = (hash >> 32) ^ (hash & 0xffff_ffff);
        // Hexadecimal digits always make a valid name.
        Name::new(&format!("{short:08x}")).expect("hexadecimal digits are a valid name")
    }
}

/// What an operator ordered, as opposed to what health measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MemberState {
    /// Gets requests when healthy.
    #[default]
    Ready,
    /// Only requests that affinity binds to it; what is under way finishes.
    Drain,
    /// No requests at all.
    Disabled,
}

impl MemberState {
    /// Every state with its name in configuration, API and metrics.
    pub const ALL: [(MemberState, &'static str); 3] = [
        (MemberState::Ready, "ready"),
        (MemberState::Drain, "drain"),
        (MemberState::Disabled, "disabled"),
    ];

    /// The name in configuration, API and metrics.
    pub fn name(self) -> &'static str {
        match self {
            MemberState::Ready => "ready",
            MemberState::Drain => "drain",
            MemberState::Disabled => "disabled",
        }
    }
}

/// A share in hundredths: 0.01 to 1000. (Apache's `loadfactor` is 1 to 100.)
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Weight(u32);

impl Weight {
    /// The default share.
    pub const ONE: Weight = Weight(100);

    /// A share from hundredths, 1 to 100000.
    pub const fn from_hundredths(hundredths: u32) -> Option<Weight> {
        if hundredths >= 1 && hundredths <= 100_000 { Some(Weight(hundredths)) } else { None }
    }

    /// The share in hundredths.
    pub const fn hundredths(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}"),
        }
    }
}
