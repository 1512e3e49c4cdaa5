//! Active checks: one task per member of each pool that has a check.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_balance::{Change, Micros, ProbeResult};
use evenkeel_net::clock;
use evenkeel_observe::events::{Event, MemberChange};
use evenkeel_plan::{Health, MemberProtocol, Name};
use evenkeel_proxy::snapshot::{PoolRt, Snapshot};
use tokio::task::JoinHandle;

use crate::probe::{self, Verdict};
use crate::shared::Shared;

pub(crate) struct Schedule {
    shared: Arc<Shared>,
    tasks: HashMap<(Name, u64), Probing>,
}

struct Probing {
    health: Health,
    task: JoinHandle<()>,
}

impl Schedule {
    pub(crate) fn new(shared: Arc<Shared>) -> Schedule {
        Schedule { shared, tasks: HashMap::new() }
    }

    /// Checks exactly the members of the snapshot; those that stay keep their rhythm.
    pub(crate) fn sync(&mut self, snapshot: &Snapshot) {
        let mut kept = HashMap::new();
        for pool in &snapshot.pools {
            for (at, member) in pool.members.iter().enumerate() {
                let Some(health) = pool.plan.check_of(at) else { continue };
                let key = (pool.plan.name.clone(), member.targets.key());
                let known =
                    self.tasks.remove(&key).filter(|p| p.health == health && !p.task.is_finished());
                let probing = known.unwrap_or_else(|| Probing {
                    health,
                    task: tokio::task::spawn_local(watch(
                        self.shared.clone(),
                        key.0.clone(),
                        key.1,
                    )),
                });
                kept.insert(key, probing);
            }
        }
        for (_, gone) in std::mem::replace(&mut self.tasks, kept) {
            gone.task.abort();
        }
        self.shared.retain_probes(|pool, tag| {
            snapshot.pool(pool).is_some_and(|pool| pool.plan.member_index(tag).is_some())
        });
    }

    /// Logs what balancing changed by itself.
    pub(crate) fn tell_changes(&self, pool: &PoolRt, changes: Vec<(usize, Change)>) {
        for (at, change) in changes {
            tell(&self.shared, pool, at, change);
        }
    }
}

/// Checks one member until it is no longer in the plan. The pool is looked up anew each time:
/// a change may have replaced it.
async fn watch(shared: Arc<Shared>, pool_name: Name, key: u64) {
    let mut turn = key;
    loop {
        let snapshot = shared.snapshot();
        let Some(pool) = snapshot.pool(&pool_name).cloned() else { return };
        drop(snapshot);
        let Some(at) = pool.members.iter().position(|member| member.targets.key() == key) else {
            return;
        };
        let Some(health) = pool.plan.check_of(at) else { return };
        let Some(check) = &health.check else { return };
        let rules = pool.plan.rules.as_ref();
        if rules.is_some() && turn == key {
            // httpd checks first when an interval is over.
            clock::sleep(health.interval).await;
        }
        let own = rules.and_then(|rules| rules.member(at)?.check.as_ref());
        let expr = own.and_then(|own| own.expr.as_ref());
        let began = clock::now();
        let (member, tls) = (&pool.members[at], pool.tls.as_ref());
        let http2 = pool.plan.spoken() == MemberProtocol::Http2;
        let verdict = probe::run(check, expr, &health, member, tls, http2).await;
        let now = clock::now();
        settle(&shared, &pool_name, key, &verdict, now.since(began));
        turn = turn.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let next = jittered(health.interval, turn);
        clock::sleep(next.saturating_sub(now.since(began))).await;
    }
}

/// Tells the member of the plan in use what a check found.
fn settle(shared: &Shared, pool_name: &Name, key: u64, verdict: &Verdict, took: Duration) {
    let snapshot = shared.snapshot();
    let Some(pool) = snapshot.pool(pool_name) else { return };
    let Some(at) = pool.members.iter().position(|member| member.targets.key() == key) else {
        return;
    };
    shared.probed(pool_name, &pool.plan.members[at].tag, verdict.result());
    let result = ProbeResult {
        pass: matches!(verdict, Verdict::Pass(_)),
        reason: verdict.reason().to_owned(),
        took,
    };
    if let Some(change) = pool.balance.probed(at, result, Micros(clock::now().0)) {
        tell(shared, pool, at, change);
    }
}

/// One change, one line.
fn tell(shared: &Shared, pool: &PoolRt, at: usize, change: Change) {
    let change = match change {
        Change::Up { reason } => MemberChange::Up { reason },
        Change::Down { reason } => MemberChange::Down { reason },
        Change::Ejected { reason, time } => MemberChange::Ejected {
            reason,
            millis: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        },
        Change::Returned => MemberChange::Returned,
    };
    let member = pool.plan.members.get(at).map(|member| member.tag.to_string()).unwrap_or_default();
    shared.tell(Event::Member { pool: pool.plan.name.to_string(), member, change });
}

/// The time ± 10 %, so that many checks do not fall into step.
fn jittered(interval: Duration, random: u64) -> Duration {
    let share = (random >> 33) % 2001;
    let factor = 0.9 + 0.0001 * f64::from(u32::try_from(share).unwrap_or(1000));
    interval.mul_f64(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_tenth() {
        for random in (0..u64::MAX).step_by((u64::MAX / 1000) as usize) {
            let time = jittered(Duration::from_secs(10), random);
            assert!((9.0..=11.0).contains(&time.as_secs_f64()), "{time:?}");
        }
    }
}
