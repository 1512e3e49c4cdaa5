use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use evenkeel_plan::{self as plan, Address, Affinity, MemberState, Name, Policy, Weight};

use crate::ask::{Ask, Bound, Change, Micros, NoMember, Outcome, Pick, ProbeResult, Rng, Why};
use crate::guard::Guard;
use crate::member::{Member, is_failure};
use crate::policy::{self, Contest, Fits, apache};
use crate::queue::{Queue, Ticket};
use crate::shared::{Shared, lock};
use crate::view::{self, Candidate, Role, Table, View};

/// A set of members and who of them gets the next request. Shared by all cores.
#[derive(Debug)]
pub struct Pool {
    plan: plan::Pool,
    members: Vec<Arc<Member>>,
    roles: Vec<Role>,
    by_tag: HashMap<Name, usize, foldhash::fast::FixedState>,
    view: ArcSwap<View>,
    /// Held while the view is built, so that the last view built knows the last order given.
    building: Mutex<()>,
    /// What outlives a reload.
    shared: Arc<Shared>,
    /// When recent bytes were last halved.
    halved: AtomicU64,
}

/// The members of these pools by what makes them the same over plans; of several, the first.
fn known_members<'a>(
    pools: impl Iterator<Item = &'a Pool>,
) -> HashMap<(&'a Address, &'a Name), &'a Arc<Member>> {
    let mut known = HashMap::new();
    for member in pools.flat_map(|pool| &pool.members) {
        known.entry(member.identity()).or_insert(member);
    }
    known
}

impl Pool {
    /// A pool after its plan. Members of `survivors` that keep address and tag are taken over with
    /// everything counted, measured and ordered; so is whose turn it is.
    pub fn new(plan: &plan::Pool, survivors: Option<&Pool>, now: Micros) -> Pool {
        Pool::sharing(plan, survivors, None, now)
    }

    /// The same for a pool whose members are those of `kin`, and whose turn it is too.
    pub fn sharing(
        plan: &plan::Pool,
        survivors: Option<&Pool>,
        kin: Option<&Pool>,
        now: Micros,
    ) -> Pool {
        let known = known_members(kin.into_iter().chain(survivors));
        let member = |(at, new): (usize, &plan::Member)| {
            if let Some(old) = known.get(&(&new.address, &new.tag)) {
                old.follow(new);
                return Arc::clone(old);
            }
            let member = Arc::new(Member::new(new, now));
            // httpd trusts new members until a check has failed.
            if let Some(own) = plan.rules.as_ref().and_then(|rules| rules.member(at)) {
                member.set_up(!own.failed, now);
            }
            member
        };
        let members: Vec<Arc<Member>> = plan.members.iter().enumerate().map(member).collect();
        let role = |m: &plan::Member| Role { tier: m.tier, backup: m.backup, spare: m.spare };
        if plan.health.check.is_none() && plan.rules.is_none() {
            // Nobody would ever find them up again.
            members.iter().for_each(|member| member.assume_up(now));
        }
        let pool = Pool {
            roles: plan.members.iter().map(role).collect(),
            by_tag: plan.members.iter().enumerate().map(|(at, m)| (m.tag.clone(), at)).collect(),
            members,
            view: ArcSwap::default(),
            building: Mutex::default(),
            shared: match (kin, survivors) {
                (Some(kin), _) => kin.shared.clone(),
                (None, Some(old)) => old.hand_on(plan),
                (None, None) => Arc::new(Shared::new(now.0)),
            },
            halved: AtomicU64::new(now.0),
            plan: plan.clone(),
        };
        pool.refresh(now);
        pool
    }

    /// What a pool of another plan takes over.
    fn hand_on(&self, plan: &plan::Pool) -> Arc<Shared> {
        let (old, new) = (self.plan.retry.budget.get(), plan.retry.budget.get());
        self.shared.budget.0.percent_changed(old, new);
        self.shared.clone()
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.plan.name
    }

    /// The plan it was made after.
    pub fn plan(&self) -> &plan::Pool {
        &self.plan
    }

    /// Its members in plan order.
    pub fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// Who may be picked.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.shared.queue.0
    }

    /// Requests that wait for a member.
    pub fn queue_len(&self) -> usize {
        self.queue().len()
    }

    /// Picks a member and counts the request on it.
    ///
    /// # Errors
    /// Nobody can be picked; why.
    pub fn pick(self: &Arc<Pool>, ask: &Ask<'_>, rng: &mut Rng) -> Result<Pick, NoMember> {
        if ask.tried.is_empty() {
            self.shared.budget.0.request();
        }
        // Another core may take a member's last place between choice and count: choose again.
        for _ in 0..=self.members.len().min(16) {
            let (index, why, bound) = self.choose(ask, rng, true)?;
            if let Some(guard) = Guard::enter(self, index, ask.now) {
                return Ok(Pick { guard, bound, why });
            }
        }
        Err(NoMember::AllBusy)
    }

    /// Says who would be picked, and changes nothing.
    ///
    /// # Errors
    /// Nobody could be picked; why.
    pub fn peek(self: &Arc<Pool>, ask: &Ask<'_>, rng: &mut Rng) -> Result<(usize, Why), NoMember> {
        self.choose(ask, rng, false).map(|(index, why, _)| (index, why))
    }

    fn choose(
        &self,
        ask: &Ask<'_>,
        rng: &mut Rng,
        count: bool,
    ) -> Result<(usize, Why, bool), NoMember> {
        if self.members.is_empty() {
            return Err(NoMember::Empty);
        }
        let apache = self.apache(count);
        let _turn = apache.as_ref().map(|_| lock(&self.shared.turn));
        let apache = apache.map(|field| self.recovered(field, ask.now));
        if let (Bound::Tag(tag), Some(field), Some(rules)) = (ask.bound, &apache, &self.plan.rules)
        {
            if let Some(index) = field.by_route(tag, ask.now, 0) {
                field.charge_bound(index, ask);
                let own = rules.member(index).is_some_and(|own| own.route.as_bytes() == tag);
                return Ok((index, Why::Affinity, own));
            }
            if rules.no_failover && field.of_route(tag).next().is_some() {
                return Err(NoMember::AllDown);
            }
        } else if let Bound::Tag(tag) = ask.bound
            && let Some(owner) = self.tagged(tag)
        {
            if let Some(index) = self.bound_to(owner, ask) {
                if let Some(field) = &apache {
                    field.charge_bound(index, ask);
                }
                // Who stands in for the owner is told to the client like any other.
                return Ok((index, Why::Affinity, index == owner));
            }
            if matches!(self.plan.affinity, Some(Affinity::Application { failover: false, .. })) {
                return Err(self.nobody(ask.now));
            }
        }
        // A key is looked up as with any other policy; Apache has no such affinity.
        if let Some(field) = apache.as_ref().filter(|_| !matches!(ask.bound, Bound::Key(_))) {
            let picked = field.pick(ask, rng);
            return picked
                .map(|(index, why)| (index, why, false))
                .ok_or_else(|| self.nobody(ask.now));
        }
        self.choose_by_view(ask, rng, count)
    }

    fn tagged(&self, tag: &[u8]) -> Option<usize> {
        self.by_tag.get(str::from_utf8(tag).ok()?).copied()
    }

    /// The member that affinity names, if it may serve, or whom it redirects to.
    fn bound_to(&self, owner: usize, ask: &Ask<'_>) -> Option<usize> {
        let mut index = owner;
        // A circle of redirects ends here.
        for _ in 0..self.members.len() {
            let member = &self.members[index];
            if member.serves_bound(ask.now) && member.has_room() && !ask.tried.contains(index) {
                return Some(index);
            }
            let redirect = self.plan.members.get(index)?.redirect.as_ref()?;
            index = *self.by_tag.get(redirect)?;
        }
        None
    }

    fn choose_by_view(
        &self,
        ask: &Ask<'_>,
        rng: &mut Rng,
        count: bool,
    ) -> Result<(usize, Why, bool), NoMember> {
        let view = self.view.load();
        let candidates = &view.candidates;
        let lives =
            |c: &Candidate| c.member.is_up() && (view.panic || !c.member.is_ejected(ask.now));
        let may = |at: usize| lives(&candidates[at]) && candidates[at].member.has_room();
        let untried = |at: usize| may(at) && !ask.tried.contains(candidates[at].index);
        let best = |at: usize| untried(at) && !candidates[at].member.is_suspect(ask.now);
        let by_key = matches!(ask.bound, Bound::Key(_));
        // A client that is bound to a member stays with it while it is merely silent.
        let first: Fits<'_> = if by_key { &untried } else { &best };
        for fits in [first, &untried] {
            if let Some(at) = self.by_policy(&view, ask, rng, fits, count) {
                let Candidate { index, why, .. } = candidates[at];
                return Ok((index, if by_key { Why::Affinity } else { why }, by_key));
            }
        }
        if candidates.iter().all(|c| !lives(c) || ask.tried.contains(c.index)) {
            if let Some(found) = self.beyond(ask) {
                return Ok((found.index, found.why, false));
            }
            // Rather a member that was tried before than none.
            if let Some(at) = self.by_policy(&view, ask, rng, &may, count) {
                let Candidate { index, why, .. } = candidates[at];
                return Ok((index, if by_key { Why::Affinity } else { why }, by_key));
            }
        }
        Err(self.nobody(ask.now))
    }

    /// Beyond the members that serve: all of those were tried or have just failed, so the backups
    /// of their tier come next, then other tiers. Rare, so it may look at every member.
    fn beyond(&self, ask: &Ask<'_>) -> Option<Candidate> {
        let usable = |index: usize| {
            let member = &self.members[index];
            member.is_usable(ask.now) && member.has_room() && !ask.tried.contains(index)
        };
        let found = view::tier_candidates(&self.members, &self.roles, ask.now, &usable);
        found.into_iter().min_by_key(|c| policy::by_requests_under_way(c, ask.now))
    }

    fn by_policy(
        &self,
        view: &View,
        ask: &Ask<'_>,
        rng: &mut Rng,
        fits: Fits<'_>,
        count: bool,
    ) -> Option<usize> {
        let (candidates, now) = (&view.candidates[..], ask.now);
        let key = match ask.bound {
            Bound::Key(key) => key,
            _ => ask.key,
        };
        let hashes = self.plan.policy.hashes();
        if matches!(ask.bound, Bound::Key(_)) && !hashes {
            return policy::rendezvous(candidates, key, fits);
        }
        match (&view.table, self.plan.policy) {
            (Table::Sequence(sequence), _) if count => sequence.pick(&self.shared.cursor.0, fits),
            (Table::Sequence(sequence), _) => sequence.peek(&self.shared.cursor.0, fits),
            (Table::Ring(ring), _) => ring.pick(key, fits),
            (Table::Maglev(maglev), _) => maglev.pick(key, candidates.len(), fits),
            (Table::Alias(alias), _) => {
                let measure = policy::by_requests_under_way;
                policy::drawn(&Contest { candidates, measure, now, fits }, alias, rng, 2)
            }
            (Table::Least(field), least) => {
                let measure = match least {
                    Policy::LeastBytes => policy::by_bytes,
                    Policy::LeastTime => policy::by_time,
                    _ => policy::by_requests_under_way,
                };
                let contest = Contest { candidates, measure, now, fits };
                let mut copy = AtomicU64::new(self.shared.cursor.0.load(Relaxed));
                let cursor = if count { &self.shared.cursor.0 } else { &mut copy };
                field.least(&contest, cursor, rng)
            }
            (Table::None, _) => None,
        }
    }

    /// Why nobody was picked.
    fn nobody(&self, now: Micros) -> NoMember {
        let view = self.view.load();
        let busy = match self.plan.policy.is_apache() {
            _ if self.plan.rules.is_some() => false,
            true => self.members.iter().any(|member| member.is_usable(now) && !member.has_room()),
            false => view.candidates.iter().any(|candidate| !candidate.member.has_room()),
        };
        if busy { NoMember::AllBusy } else { NoMember::AllDown }
    }

    /// Where an Apache policy decides: what it looks at. `counts`: the decision is made in earnest.
    fn apache(&self, counts: bool) -> Option<apache::Field<'_>> {
        let policy = self.plan.policy;
        policy.is_apache().then(|| {
            let (members, roles) = (&self.members[..], &self.roles[..]);
            apache::Field {
                policy,
                members,
                roles,
                forced: false,
                rules: self.plan.rules.as_deref(),
                counts,
            }
        })
    }

    /// Apache's forcerecovery: when every member is in error, all get another chance at once.
    fn recovered<'a>(&self, field: apache::Field<'a>, now: Micros) -> apache::Field<'a> {
        if self.plan.rules.is_some() {
            let forced = field.recovers_all(now);
            return apache::Field { forced, ..field };
        }
        let forced = self.members.iter().all(|member| member.is_ejected(now));
        for member in self.members.iter().filter(|_| forced && field.counts) {
            member.end_ejection(now, true);
            self.shared.note(member, Change::Returned);
        }
        apache::Field { forced, ..field }
    }

    /// An exchange ended for a member.
    pub(crate) fn heard(&self, index: usize, outcome: Outcome, now: Micros) {
        let passive = self.plan.health.passive.as_ref();
        if let Some(rules) = &self.plan.rules {
            let late = rules.timeouts_count && outcome == Outcome::Timeout;
            self.heard_by_rules(index, outcome, late, now);
            return;
        }
        let failed = is_failure(outcome, passive);
        let Some(member) = self.members.get(index).filter(|_| failed) else {
            return;
        };
        if !member.failed(passive, now) {
            return;
        }
        let Some(passive) = passive else { return };
        let others = self.members.iter().enumerate().any(|(at, m)| at != index && m.is_usable(now));
        if !others && !self.plan.policy.is_apache() {
            // The last usable member is better than none.
            return;
        }
        let time = passive.eject;
        member.eject(time, now);
        let change = Change::Ejected { reason: outcome.words(), time };
        self.shared.note(&self.members[index], change);
        self.refresh(now);
    }

    /// The same where an Apache configuration rules: one failure is an error.
    fn heard_by_rules(&self, index: usize, outcome: Outcome, late: bool, now: Micros) {
        let passive = self.plan.health.passive.as_ref();
        let own = self.plan.rules.as_ref().and_then(|rules| rules.member(index));
        let (Some(member), Some(own)) = (self.members.get(index), own) else { return };
        if own.ignore_errors || !(is_failure(outcome, passive) || late) {
            return;
        }
        member.err(own.retry, now);
        let change = Change::Ejected { reason: outcome.words(), time: own.retry };
        self.shared.note(member, change);
        self.refresh(now);
    }

    /// Builds anew who may be picked.
    pub fn refresh(&self, now: Micros) {
        let building = lock(&self.building);
        let view = View::build(self.plan.policy, &self.members, &self.roles, now);
        let room =
            view.candidates.iter().fold(0_usize, |sum, c| sum.saturating_add(c.member.room()));
        self.view.store(Arc::new(view));
        drop(building);
        self.queue().wake(room);
    }

    /// Lets time pass: shares grow, ejections end, budgets fill. To be called about four times a
    /// second by one caller. Returns what changed by itself since the last call.
    pub fn tick(&self, now: Micros) -> Vec<(usize, Change)> {
        self.shared.budget.0.tick(self.plan.retry.budget.get(), now.0);
        if now.since(Micros(self.halved.load(Relaxed))) >= Duration::from_secs(1) {
            self.halved.store(now.0, Relaxed);
            self.members.iter().for_each(|member| member.forget_half());
        }
        let mut changed = false;
        for member in &self.members {
            changed |= member.step_ramp(now);
            if self.plan.rules.is_none() && member.end_ejection(now, false) {
                self.shared.note(member, Change::Returned);
            }
        }
        // Some may have been heard by exchanges that began before a reload, in a pool that is gone.
        let changes = self.shared.take_changes();
        if changed || !changes.is_empty() {
            self.refresh(now);
        }
        let place = |member: &Arc<Member>| self.members.iter().position(|m| Arc::ptr_eq(m, member));
        let told =
            changes.into_iter().filter_map(|(member, change)| Some((place(&member)?, change)));
        told.collect()
    }

    /// A probe of the member ended.
    pub fn probed(&self, index: usize, result: ProbeResult, now: Micros) -> Option<Change> {
        let member = self.members.get(index)?;
        let health = self.plan.check_of(index);
        let health = health.as_ref().unwrap_or(&self.plan.health);
        let change = match self.plan.rules.is_some() {
            true => member.checked(result, health, now),
            false => member.probed(result, health, now),
        };
        self.refresh(now);
        change
    }

    /// Orders a member's state.
    pub fn set_state(&self, index: usize, state: MemberState, now: Micros) {
        if let Some(member) = self.members.get(index) {
            member.set_state(state);
            self.refresh(now);
        }
    }

    /// Orders whether a member's checks find it well, as Apache's page may.
    pub fn set_up(&self, index: usize, up: bool, now: Micros) {
        if let Some(member) = self.members.get(index) {
            member.set_up(up, now);
            self.refresh(now);
        }
    }

    /// Begins the count of a policy of Apache's anew: what was moved where that counts, or else
    /// turns.
    pub fn begin_anew(&self, policy: Policy) {
        for member in &self.members {
            match policy {
                Policy::ByTraffic => member.forget_traffic(),
                _ => member.credit.store(0, Relaxed),
            }
        }
    }

    /// Orders a member's weight. As in Apache, its policies then begin their count anew, and a
    /// lone member has no weight.
    pub fn set_weight(&self, index: usize, weight: Weight, now: Micros) {
        if let Some(member) = self.members.get(index) {
            let alone = self.plan.rules.is_some() && self.members.len() == 1;
            let weight = if alone { Weight::ONE } else { weight };
            member.set_weight(weight);
            for member in &self.members {
                member.credit.store(i64::from(member.weight().hundredths()), Relaxed);
            }
            self.refresh(now);
        }
    }

    /// What a member reported of itself, for the policy `heartbeat`.
    pub fn heartbeat(&self, index: usize, ready: u32, busy: u32, now: Micros) {
        if let Some(member) = self.members.get(index) {
            apache::report_heartbeat(member, ready, busy, now);
        }
    }

    /// Whether the budget allows one more retry; takes it.
    pub fn retry_allowed(&self, _now: Micros) -> bool {
        self.shared.budget.0.take(self.plan.retry.budget.get())
    }

    /// A place in the waiting line; `None` when it is full. Pick again after joining: a place may
    /// have become free just before.
    pub fn enqueue(self: &Arc<Pool>) -> Option<Ticket> {
        Ticket::join(self, self.plan.limits.queue as usize)
    }
}
