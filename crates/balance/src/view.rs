//! Who may be picked, and the tables that policies pick by. Built when something changes, read by
//! every pick without a lock.

use std::sync::Arc;

use evenkeel_plan::Policy;

use crate::ask::{Micros, Why};
use crate::member::Member;
use crate::policy::{Alias, Field, Maglev, Ring, Sequence};

/// Who may be picked right now.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// Members of the tier that serves, by position in the pool.
    pub(crate) candidates: Vec<Candidate>,
    /// Every member is ejected, so ejections are ignored.
    pub(crate) panic: bool,
    pub(crate) table: Table,
}

/// A member that may be picked.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) index: usize,
    /// Its share at this moment, in hundredths.
    pub(crate) share: u32,
    pub(crate) why: Why,
    pub(crate) member: Arc<Member>,
}

/// What the pool's policy looks up.
#[derive(Debug, Default)]
pub(crate) enum Table {
    #[default]
    None,
    Sequence(Sequence),
    Alias(Alias),
    Least(Field),
    Ring(Ring),
    Maglev(Maglev),
}

impl View {
    pub(crate) fn build(
        policy: Policy,
        members: &[Arc<Member>],
        roles: &[Role],
        now: Micros,
    ) -> View {
        let usable = |index: usize| members[index].is_usable(now);
        let mut candidates = tier_candidates(members, roles, now, &usable);
        let mut panic = false;
        if candidates.is_empty() {
            let but_ejected = |index: usize| {
                let member = &members[index];
                member.is_up() && member.state() == evenkeel_plan::MemberState::Ready
            };
            candidates = tier_candidates(members, roles, now, &but_ejected);
            panic = !candidates.is_empty();
        }
        if panic {
            candidates.iter_mut().for_each(|candidate| candidate.why = Why::Panic);
        }
        let table = if candidates.is_empty() { Table::None } else { table(policy, &candidates) };
        View { candidates, panic, table }
    }
}

/// What the plan says about a member's place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    pub(crate) tier: u8,
    pub(crate) backup: bool,
    pub(crate) spare: bool,
}

/// The members of the lowest tier that has a usable one: its regular members; a spare for each
/// that is not usable; or else its backups.
pub(crate) fn tier_candidates(
    members: &[Arc<Member>],
    roles: &[Role],
    now: Micros,
    usable: &dyn Fn(usize) -> bool,
) -> Vec<Candidate> {
    let mut tiers: Vec<u8> = roles.iter().map(|role| role.tier).collect();
    tiers.sort_unstable();
    tiers.dedup();
    let candidate = |index: usize, why| {
        let member = members[index].clone();
        Candidate { index, share: member.share(now), why, member }
    };
    for tier in tiers {
        let of = |wanted: &dyn Fn(&Role) -> bool| -> Vec<usize> {
            (0..members.len()).filter(|i| roles[*i].tier == tier && wanted(&roles[*i])).collect()
        };
        let regular = of(&|role| !role.backup && !role.spare);
        let missing = regular.iter().filter(|index| !usable(**index)).count();
        let spares = of(&|role| role.spare);
        let mut chosen: Vec<Candidate> =
            regular.into_iter().filter(|i| usable(*i)).map(|i| candidate(i, Why::Policy)).collect();
        let standing_in = spares.into_iter().filter(|i| usable(*i)).take(missing);
        chosen.extend(standing_in.map(|i| candidate(i, Why::Spare)));
        if chosen.is_empty() {
            let backups = of(&|role| role.backup && !role.spare);
            chosen = backups
                .into_iter()
                .filter(|i| usable(*i))
                .map(|i| candidate(i, Why::Backup))
                .collect();
        }
        if !chosen.is_empty() {
            return chosen;
        }
    }
    Vec::new()
}

fn table(policy: Policy, candidates: &[Candidate]) -> Table {
    let shares = || candidates.iter().map(|candidate| candidate.share);
    match policy {
        Policy::RoundRobin => Table::Sequence(Sequence::build(shares())),
        Policy::RandomTwo => Table::Alias(Alias::build(shares())),
        Policy::LeastRequests | Policy::LeastBytes | Policy::LeastTime => {
            Table::Least(Field::build(&shares().collect::<Vec<u32>>()))
        }
        Policy::RingHash => Table::Ring(Ring::build(candidates)),
        Policy::Maglev | Policy::SourceHash => Table::Maglev(Maglev::build(candidates)),
        Policy::ByRequests | Policy::ByTraffic | Policy::ByBusyness | Policy::Heartbeat => {
            Table::None
        }
    }
}
