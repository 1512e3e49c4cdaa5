//! Apache's four methods, decision for decision (httpd 2.4.71; observed, not copied).
//!
//! Their order is a promise over all cores, so a pick holds the pool's turn lock for the moment it
//! takes to look at every member.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use evenkeel_plan::{Address, MemberState, Policy, PoolRules};

use crate::ask::{Ask, Micros, Rng, Why};
use crate::member::Member;
use crate::view::Role;

/// A report of a member that is older than this no longer counts.
const HEARTBEAT_AGE_MICROS: u64 = 10_000_000;

/// What a pick looks at.
pub(crate) struct Field<'a> {
    pub(crate) policy: Policy,
    pub(crate) members: &'a [Arc<Member>],
    pub(crate) roles: &'a [Role],
    /// Ejections do not count: every member is ejected, and recovery is forced.
    pub(crate) forced: bool,
    /// What an Apache configuration says of the members.
    pub(crate) rules: Option<&'a PoolRules>,
    /// The decision counts: errors that are over end.
    pub(crate) counts: bool,
}

/// The best so far, and what the offered ones were charged.
#[derive(Default)]
struct Race {
    best: Option<usize>,
    total: i64,
}

impl Field<'_> {
    /// Picks a member, and writes the decision into the members' credits if it counts.
    pub(crate) fn pick(&self, ask: &Ask<'_>, rng: &mut Rng) -> Option<(usize, Why)> {
        if self.policy == Policy::Heartbeat {
            return self.heartbeat(ask, rng).map(|index| (index, Why::Policy));
        }
        let before: Vec<i64> = match self.counts {
            true => Vec::new(),
            false => self.members.iter().map(|member| member.credit.load(Relaxed)).collect(),
        };
        let picked = self.frame(ask);
        for (member, credit) in self.members.iter().zip(before) {
            member.credit.store(credit, Relaxed);
        }
        picked
    }

    /// What affinity decided is charged like any other pick: every usable member gains its factor,
    /// and the chosen one pays the sum.
    pub(crate) fn charge_bound(&self, index: usize, ask: &Ask<'_>) {
        let ruled = self.rules.is_some();
        if !self.counts || !ruled && matches!(self.policy, Policy::ByTraffic | Policy::Heartbeat) {
            return;
        }
        let mut total = 0;
        for (at, member) in self.members.iter().enumerate() {
            let gains = if ruled { serves(member) } else { self.usable(at, ask) };
            if gains {
                member.credit.fetch_add(factor(member), Relaxed);
                total += factor(member);
            }
        }
        self.members[index].credit.fetch_sub(total, Relaxed);
    }

    /// The frame that by-requests, by-traffic and by-busyness share: tiers in order; spares for
    /// the unusable of their tier; standbys when a tier has nobody else.
    fn frame(&self, ask: &Ask<'_>) -> Option<(usize, Why)> {
        let top = self.roles.iter().map(|role| role.tier).max()?;
        for tier in 0..=top {
            let mut race = Race::default();
            let (mut unusable, mut spares, mut standbys) = (0, Vec::new(), Vec::new());
            for (index, role) in self.roles.iter().enumerate().filter(|(_, role)| role.tier == tier)
            {
                let regular = !role.spare && !role.backup;
                if self.members[index].state() == MemberState::Drain {
                    unusable += usize::from(regular);
                    continue;
                }
                match (self.usable(index, ask), role) {
                    (true, Role { spare: true, .. }) => spares.push(index),
                    (true, Role { backup: true, .. }) => standbys.push(index),
                    (true, _) => self.offer(index, &mut race),
                    (false, _) => unusable += usize::from(regular),
                }
            }
            let regular = race.best;
            spares.iter().take(unusable).for_each(|index| self.offer(*index, &mut race));
            if race.best.is_none() {
                standbys.iter().for_each(|index| self.offer(*index, &mut race));
            }
            if let Some(best) = race.best {
                if self.policy != Policy::ByTraffic {
                    self.members[best].credit.fetch_sub(race.total, Relaxed);
                }
                let why = match self.roles[best] {
                    _ if regular == Some(best) => Why::Policy,
                    Role { spare: true, .. } => Why::Spare,
                    Role { backup: true, .. } => Why::Backup,
                    _ => Why::Policy,
                };
                return Some((best, why));
            }
        }
        None
    }

    fn usable(&self, index: usize, ask: &Ask<'_>) -> bool {
        if self.rules.is_some() {
            return self.usable_after_a_look(index, ask.now);
        }
        let member = &self.members[index];
        let forced = self.forced && member.is_up() && member.state() == MemberState::Ready;
        let tried = ask.tried.contains(index);
        (member.is_usable(ask.now) || forced) && member.has_room() && !tried
    }

    /// Compares with the best so far; ties go to the earlier one.
    fn offer(&self, index: usize, race: &mut Race) {
        let member = &self.members[index];
        let better = match self.policy {
            Policy::ByTraffic => {
                race.best.is_none_or(|best| traffic(member) < traffic(&self.members[best]))
            }
            policy => {
                let credit = member.credit.fetch_add(factor(member), Relaxed) + factor(member);
                race.total += factor(member);
                race.best.is_none_or(|best| {
                    let other = &self.members[best];
                    let (busy, busy_best) = match policy {
                        Policy::ByBusyness => (member.active(), other.active()),
                        _ => (0, 0),
                    };
                    busy < busy_best || (busy == busy_best && credit > other.credit.load(Relaxed))
                })
            }
        };
        if better {
            race.best = Some(index);
        }
    }

    /// Members in proportion to the slots they said are free; roles and weights do not count. Of
    /// members on one host, which share what it said, the last that can be used gets it all.
    fn heartbeat(&self, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let slots = |index: usize| {
            let beat = &self.members[index].heartbeat;
            let fresh = ask.now.0.saturating_sub(beat.seen.load(Relaxed)) < HEARTBEAT_AGE_MICROS
                && beat.seen.load(Relaxed) > 0;
            let ready = beat.ready.load(Relaxed);
            // An idle server may have just started: it is not flooded.
            let ready = if beat.busy.load(Relaxed) == 0 { ready / 4 } else { ready };
            if fresh && self.usable(index, ask) { ready } else { 0 }
        };
        let free: Vec<u32> = (0..self.members.len()).map(slots).collect();
        let sum: usize = free.iter().map(|ready| *ready as usize).sum();
        if sum == 0 {
            return None;
        }
        let mut pick = rng.below(sum);
        let picked = free.iter().position(|ready| {
            let here = pick < *ready as usize;
            pick = pick.saturating_sub(*ready as usize);
            here
        })?;
        if self.rules.is_none() {
            return Some(picked);
        }
        let host = |at: usize| match self.members[at].address() {
            Address::Socket(socket) => socket.ip().to_string(),
            Address::Name(name, _) => name.as_str().to_owned(),
            Address::Unix(path) => path.display().to_string(),
        };
        let own = host(picked);
        (0..free.len()).rev().find(|at| free[*at] > 0 && host(*at) == own)
    }
}

/// What an Apache configuration rules, as httpd 2.4.71 does it.
impl Field<'_> {
    /// Whether a member can be used, after an error that is over was ended.
    fn usable_after_a_look(&self, index: usize, now: Micros) -> bool {
        let member = &self.members[index];
        serves(member)
            || self.may_return(index, now) && {
                if self.counts {
                    member.retry();
                }
                can_serve(member)
            }
    }

    /// Whether a member is in error and gets another chance.
    fn may_return(&self, index: usize, now: Micros) -> bool {
        let member = &self.members[index];
        let own = self.rules.and_then(|rules| rules.member(index));
        let stopped = own.is_some_and(|own| own.stopped);
        let ignores = own.is_some_and(|own| own.ignore_errors);
        member.in_error() && !stopped && (self.forced || ignores || member.error_is_over(now))
    }

    /// `forcerecovery`: when every member is in error and the time of none is over, all get another
    /// chance at once. True when that is so.
    pub(crate) fn recovers_all(&self, now: Micros) -> bool {
        for (at, member) in self.members.iter().enumerate() {
            if !member.in_error() {
                return false;
            }
            if self.may_return(at, now) {
                if self.counts {
                    member.retry();
                }
                return false;
            }
        }
        if self.rules.is_none_or(|rules| rules.no_forced_recovery) {
            return false;
        }
        if self.counts {
            self.members.iter().for_each(|member| member.retry());
        }
        true
    }

    /// The first member of a route that can be used, or of the route it redirects to. `redirects`
    /// counts those that were followed: a circle of them ends.
    pub(crate) fn by_route(
        &self,
        route: &[u8],
        now: Micros,
        mut redirects: usize,
    ) -> Option<usize> {
        for standby in [false, true] {
            for at in self.of_route(route).filter(|at| self.roles[*at].backup == standby) {
                if self.usable_after_a_look(at, now) {
                    return Some(at);
                }
                let redirect = self.rules?.member(at).map_or("", |own| &own.redirect);
                if redirect.is_empty() || redirects >= self.members.len() {
                    continue;
                }
                redirects += 1;
                if let Some(found) = self.by_route(redirect.as_bytes(), now, redirects) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// Members of a route.
    pub(crate) fn of_route<'b>(&'b self, route: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
        (0..self.members.len()).filter(move |at| {
            let own = self.rules.and_then(|rules| rules.member(*at));
            own.is_some_and(|own| !own.route.is_empty() && own.route.as_bytes() == route)
        })
    }
}

/// Whether nothing but an error is in the way of a member.
fn can_serve(member: &Member) -> bool {
    member.is_up() && member.state() != MemberState::Disabled
}

/// Usable in httpd's sense, which a member that drains is too.
fn serves(member: &Member) -> bool {
    can_serve(member) && !member.in_error()
}

/// Apache's lbfactor: the weight in hundredths.
fn factor(member: &Member) -> i64 {
    i64::from(member.weight().hundredths())
}

/// Two whole divisions, as Apache computes it.
fn traffic(member: &Member) -> u64 {
    let factor = u64::from(member.weight().hundredths());
    member.bytes_out() / factor + member.bytes_in() / factor
}

/// Sets what a member reported of itself.
pub(crate) fn report_heartbeat(member: &Member, ready: u32, busy: u32, now: Micros) {
    member.heartbeat.ready.store(ready, Relaxed);
    member.heartbeat.busy.store(busy, Relaxed);
    member.heartbeat.seen.store(now.0.max(1), Relaxed);
}
