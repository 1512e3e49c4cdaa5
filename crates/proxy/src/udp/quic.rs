//! Which member a QUIC client talks to, whatever address it comes from (RFC 9312 section 4.4).
//!
//! Connection ids say it in two ways. Members that put their server id into the ids they issue
//! are found by it, also after a client has changed to an id that was never seen here. For others
//! the ids that pass by in the clear during the handshake are remembered: they serve clients whose
//! address changes without their doing, as behind a NAT. The member validates the new path itself,
//! since such a client gets a flow, and so a port, of its own.

use std::sync::{Mutex, MutexGuard, PoisonError};

use evenkeel_plan::Name;
use evenkeel_wire::quic::{self, Packet};
use evenkeel_wire::udp_flow::Table;
use foldhash::fast::RandomState;

use crate::snapshot::PoolRt;

/// Connection ids that are remembered for a listener; those not used for longest go first.
const IDS_MAX: usize = 65_536;
/// The longest connection id of QUIC versions 1 and 2.
const ID_BYTES: usize = 20;

/// What connection ids tell, for one listener; shared by all cores and kept over reloads.
pub(crate) struct Ids {
    known: Mutex<Known>,
}

struct Known {
    /// Which member issued an id, by the member's number.
    members: Table<Id, u64, RandomState>,
    /// Counts uses; stands for time.
    clock: u64,
    /// Lengths of ids that were seen, one bit each.
    lengths: u32,
}

type Id = ([u8; ID_BYTES], u8);

impl Default for Ids {
    fn default() -> Ids {
        let members = Table::new(IDS_MAX, RandomState::default());
        Ids { known: Mutex::new(Known { members, clock: 0, lengths: 0 }) }
    }
}

impl Ids {
    /// The tag of the member that the client of this datagram talks to, if that can be told.
    pub(crate) fn find(&self, pool: &PoolRt, datagram: &[u8]) -> Option<Name> {
        let packet = Packet::parse(datagram).ok()?;
        let key = match packet {
            Packet::Long { dcid, .. } => {
                if let Some(tag) = by_server_id(pool, dcid) {
                    return Some(tag);
                }
                self.lock().find(dcid)?
            }
            Packet::Short { after } => {
                if let Some(tag) = by_server_id(pool, after) {
                    return Some(tag);
                }
                let mut known = self.lock();
                let lengths = known.lengths;
                (1..=ID_BYTES)
                    .filter(|length| lengths & (1 << length) != 0)
                    .find_map(|length| known.find(after.get(..length)?))?
            }
        };
        let at = pool.members.iter().position(|member| member.targets.key() == key)?;
        Some(pool.plan.members.get(at)?.tag.clone())
    }

    /// Remembers the id that a member issues in a datagram of its handshake.
    pub(crate) fn learn(&self, member: u64, datagram: &[u8]) {
        // Everything after the handshake has the other form; one bit tells.
        if datagram.first().is_none_or(|first| first & 0x80 == 0) {
            return;
        }
        if let Ok(Packet::Long { scid, .. }) = Packet::parse(datagram)
            && let Some(id) = id(scid)
        {
            let mut known = self.lock();
            known.clock += 1;
            let now = known.clock;
            known.lengths |= 1 << scid.len();
            match known.members.find(&id) {
                Some(at) => known.members.touch(at, now),
                None => drop(known.members.insert(id, member, now)),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing in there is left half-changed by a panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn find(&mut self, bytes: &[u8]) -> Option<u64> {
        let at = self.members.find(&id(bytes)?)?;
        self.clock += 1;
        self.members.touch(at, self.clock);
        self.members.get(at).copied()
    }
}

/// An id as the table has it; none for an empty or overlong one.
fn id(bytes: &[u8]) -> Option<Id> {
    let mut whole = [0; ID_BYTES];
    whole.get_mut(..bytes.len()).filter(|place| !place.is_empty())?.copy_from_slice(bytes);
    Some((whole, bytes.len() as u8))
}

/// The member whose server id the connection id carries.
fn by_server_id(pool: &PoolRt, cid: &[u8]) -> Option<Name> {
    let members = &pool.plan.members;
    // Every server id of a pool has the same length; the plan was checked.
    let length = members.iter().find_map(|member| member.quic_id.as_ref())?.len();
    let found = quic::server_id(cid, length)?;
    let member = members.iter().find(|member| member.quic_id.as_deref() == Some(found))?;
    Some(member.tag.clone())
}
