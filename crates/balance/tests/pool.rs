//! Pools as their callers see them: sequences, failures, health, queues.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_balance::*;
use evenkeel_plan::{self as plan, MemberState, Name, Passive, Policy, Weight};

const SECOND: u64 = 1_000_000;

fn plan_of(policy: Policy, weights: &[u32]) -> plan::Pool {
    let mut pool = plan::Pool::new(Name::new("p").unwrap());
    pool.policy = policy;
    for (n, weight) in weights.iter().enumerate() {
        let mut member = plan::Member::new(format!("10.0.0.{}:80", n + 1).parse().unwrap());
        member.tag = Name::new(
            &char::from(b'A' + u8::try_from(n % 26).unwrap()).to_string().repeat(n / 26 + 1),
        )
        .unwrap();
        member.weight = Weight::from_hundredths(*weight).unwrap();
        pool.members.push(member);
    }
    pool
}

struct Bench {
    pool: Arc<Pool>,
    rng: Rng,
    now: Micros,
}

impl Bench {
    fn new(plan: &plan::Pool) -> Bench {
        let now = Micros(1000 * SECOND);
        Bench { pool: Arc::new(Pool::new(plan, None, now)), rng: Rng::new(1), now }
    }

    fn ask(&mut self, key: u64, bound: Bound<'_>, tried: &Tried) -> Result<Pick, NoMember> {
        let ask = Ask { now: self.now, key, bound, tried };
        self.pool.pick(&ask, &mut self.rng)
    }

    fn pick(&mut self) -> Result<Pick, NoMember> {
        self.ask(0, Bound::None, &Tried::default())
    }

    /// The tags of so many picks, each ended well before the next.
    fn letters(&mut self, picks: usize) -> String {
        (0..picks).map(|_| self.served(Outcome::Answered { status: 200 })).collect()
    }

    fn served(&mut self, outcome: Outcome) -> String {
        let pick = self.pick().unwrap();
        let tag = pick.guard.member().tag().to_string();
        pick.guard.report(outcome, self.now);
        tag
    }

    fn pass(&mut self, millis: u64) -> Vec<(usize, Change)> {
        self.now = Micros(self.now.0 + millis * 1000);
        self.pool.tick(self.now)
    }
}

#[test]
fn the_worked_sequences_of_by_requests() {
    for (weights, expected) in [
        (&[100, 100, 100][..], "ABCABC"),
        (&[100, 400], "BBABBBBABB"),
        (&[100, 200, 300], "CBACBCCBACBC"),
        (&[150, 100], "ABABAABABA"),
        (&[100, 100, 100, 200], "DABCDDABCD"),
    ] {
        let mut bench = Bench::new(&plan_of(Policy::ByRequests, weights));
        assert_eq!(bench.letters(expected.len()), expected);
    }
}

#[test]
fn by_busyness_is_like_by_requests_when_idle_and_avoids_the_busy() {
    let mut bench = Bench::new(&plan_of(Policy::ByBusyness, &[100, 100, 100]));
    assert_eq!(bench.letters(6), "ABCABC");
    let mut bench = Bench::new(&plan_of(Policy::ByBusyness, &[100, 400]));
    assert_eq!(bench.letters(5), "BBABB");
    let mut bench = Bench::new(&plan_of(Policy::ByBusyness, &[100, 100, 100]));
    let slow: Vec<Pick> = (0..3).map(|_| bench.pick().unwrap()).collect();
    drop(slow.into_iter().find(|pick| pick.guard.index() == 0));
}

#[test]
fn one_slow_request_each_keeps_others_away_in_by_busyness() {
    let mut bench = Bench::new(&plan_of(Policy::ByBusyness, &[100, 100, 100]));
    let _a = bench.served(Outcome::Answered { status: 200 });
    let _b = bench.pick().unwrap();
    let _c = bench.pick().unwrap();
    assert_eq!(bench.letters(5), "AAAAA");
}

#[test]
fn by_traffic_follows_the_bytes() {
    let mut bench = Bench::new(&plan_of(Policy::ByTraffic, &[100, 100, 100]));
    let mut serve = |bytes: u64| {
        let pick = bench.pick().unwrap();
        pick.guard.received(bytes);
        pick.guard.member().tag().to_string()
    };
    let first: String = (0..6).map(|_| serve(1000)).collect();
    assert_eq!(first, "ABCABC");
    assert_eq!(serve(10_000), "A");
    let next: String = (0..4).map(|_| serve(1000)).collect();
    assert_eq!(next, "BCBC");
}

#[test]
fn a_member_that_was_down_resumes_from_its_credit() {
    let mut plan = plan_of(Policy::ByRequests, &[100, 100, 100]);
    plan.health.passive =
        Some(Passive { errors: 1, eject: Duration::from_secs(2), ..Passive::default() });
    let mut bench = Bench::new(&plan);
    assert_eq!(bench.letters(4), "ABCA");
    // B fails, and the request goes on to C.
    let pick = bench.pick().unwrap();
    assert_eq!(pick.guard.index(), 1);
    let mut tried = Tried::default();
    tried.add(1);
    pick.guard.report(Outcome::ConnectFailed, bench.now);
    let again = bench.ask(0, Bound::None, &tried).unwrap();
    assert_eq!(again.guard.index(), 2);
    drop(again);
    assert_eq!(bench.letters(5), "CACAC");
    bench.pass(2001);
    assert_eq!(bench.letters(3), "ACB");
}

#[test]
fn when_all_are_in_error_apache_tries_them_again_at_once() {
    let mut plan = plan_of(Policy::ByRequests, &[100, 100]);
    plan.health.passive =
        Some(Passive { errors: 1, eject: Duration::from_secs(60), ..Passive::default() });
    let mut bench = Bench::new(&plan);
    bench.served(Outcome::ConnectFailed);
    bench.served(Outcome::ConnectFailed);
    assert!(bench.pick().is_ok());
}

#[test]
fn sticky_requests_are_charged_like_others_in_apache() {
    let mut bench = Bench::new(&plan_of(Policy::ByRequests, &[100, 100]));
    for _ in 0..3 {
        let pick = bench.ask(0, Bound::Tag(b"A"), &Tried::default()).unwrap();
        assert!(pick.bound && pick.why == Why::Affinity && pick.guard.index() == 0);
    }
    assert_eq!(bench.letters(6), "BBBABA");
}

#[test]
fn heartbeat_picks_by_free_slots_and_nobody_without_reports() {
    let mut bench = Bench::new(&plan_of(Policy::Heartbeat, &[100, 100]));
    assert_eq!(bench.pick().unwrap_err(), NoMember::AllDown);
    bench.pool.heartbeat(0, 30, 1, bench.now);
    bench.pool.heartbeat(1, 10, 1, bench.now);
    let picks = bench.letters(4000);
    let share = picks.matches('A').count() as f64 / 4000.0;
    assert!((0.72..0.78).contains(&share), "{share}");
    bench.pass(11_000);
    assert!(bench.pick().is_err());
}

#[test]
fn tiers_backups_and_spares_stand_in() {
    for policy in [Policy::RoundRobin, Policy::ByRequests] {
        let mut plan = plan_of(policy, &[100, 100, 100, 100, 100]);
        plan.health.passive = None;
        plan.members[2].spare = true;
        plan.members[3].backup = true;
        plan.members[4].tier = 1;
        let mut bench = Bench::new(&plan);
        assert_eq!(bench.letters(4), "ABAB", "{policy:?}");
        bench.pool.set_state(0, MemberState::Disabled, bench.now);
        let picks = bench.letters(4);
        assert!(
            picks.contains('B') && picks.contains('C') && !picks.contains('A'),
            "{policy:?} {picks}"
        );
        bench.pool.set_state(1, MemberState::Disabled, bench.now);
        bench.pool.set_state(2, MemberState::Disabled, bench.now);
        assert_eq!(bench.letters(2), "DD", "{policy:?}");
        assert_eq!(bench.pick().unwrap().why, Why::Backup);
        bench.pool.set_state(3, MemberState::Disabled, bench.now);
        assert_eq!(bench.letters(2), "EE", "{policy:?}");
        bench.pool.set_state(4, MemberState::Drain, bench.now);
        assert_eq!(bench.pick().unwrap_err(), NoMember::AllDown);
        let pick = bench.ask(0, Bound::Tag(b"E"), &Tried::default()).unwrap();
        assert!(pick.bound, "a draining member keeps those bound to it");
        let pick = bench.ask(0, Bound::Tag(b"A"), &Tried::default());
        assert!(pick.is_err(), "a disabled one does not");
    }
}

#[test]
fn every_native_policy_serves_by_weight_and_never_the_unusable() {
    use Policy::*;
    for policy in
        [RoundRobin, LeastRequests, LeastBytes, LeastTime, RandomTwo, RingHash, Maglev, SourceHash]
    {
        let mut plan = plan_of(policy, &[100, 200, 300, 100]);
        plan.health.passive = None;
        let mut bench = Bench::new(&plan);
        bench.pool.set_state(3, MemberState::Disabled, bench.now);
        let mut counts = [0_u32; 4];
        let mut held = Vec::new();
        for n in 0..6000_u64 {
            let pick =
                bench.ask(hash_key(&n.to_be_bytes()), Bound::None, &Tried::default()).unwrap();
            pick.guard.received(100);
            counts[pick.guard.index()] += 1;
            // Requests overlap, so that load can be told.
            held.push(pick);
            if held.len() > 30 {
                held.remove(0);
            }
        }
        assert_eq!(counts[3], 0, "{policy:?}");
        for (count, share) in counts.into_iter().zip([1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0]) {
            let slack = if policy == RingHash { 0.06 } else { 0.03 };
            let got = f64::from(count) / 6000.0;
            assert!((got - share).abs() < slack, "{policy:?} {counts:?}");
        }
        drop(held);
        assert!(bench.pool.members().iter().all(|member| member.active() == 0));
    }
}

#[test]
fn few_keys_move_when_a_member_leaves() {
    for policy in [Policy::RingHash, Policy::Maglev] {
        let mut plan = plan_of(policy, &[100; 10]);
        plan.health.passive = None;
        let mut bench = Bench::new(&plan);
        let owners = |bench: &mut Bench| -> Vec<usize> {
            let key = |n: u64| hash_key(&n.to_be_bytes());
            (0..5000)
                .map(|n| bench.ask(key(n), Bound::None, &Tried::default()).unwrap().guard.index())
                .collect()
        };
        let before = owners(&mut bench);
        bench.pool.set_state(4, MemberState::Disabled, bench.now);
        let after = owners(&mut bench);
        let moved = before.iter().zip(&after).filter(|(b, a)| b != a && **b != 4).count();
        assert!(moved < 5000 / 50, "{policy:?}: {moved} keys moved that need not");
    }
}

#[test]
fn a_key_binds_to_one_member_whatever_the_policy() {
    let mut plan = plan_of(Policy::RoundRobin, &[100; 5]);
    plan.health.passive = None;
    let mut bench = Bench::new(&plan);
    let mut owner =
        |key: u64| bench.ask(0, Bound::Key(key), &Tried::default()).unwrap().guard.index();
    let owners: Vec<usize> = (0..100).map(&mut owner).collect();
    assert_eq!(owners, (0..100).map(&mut owner).collect::<Vec<_>>());
    assert!((0..5).all(|member| owners.contains(&member)));
}

#[test]
fn the_breaker_ejects_returns_and_never_takes_the_last() {
    let mut bench = Bench::new(&plan_of(Policy::RoundRobin, &[100, 100]));
    let mut fails = 0;
    while fails < 5 {
        let pick = bench.pick().unwrap();
        let outcome = if pick.guard.index() == 0 {
            Outcome::Reset
        } else {
            Outcome::Answered { status: 200 }
        };
        fails += usize::from(pick.guard.index() == 0);
        pick.guard.report(outcome, bench.now);
    }
    assert_eq!(bench.letters(4), "BBBB");
    let changes = bench.pass(250);
    assert!(matches!(&changes[..], [(0, Change::Ejected { .. })]), "{changes:?}");
    (0..20).for_each(|_| drop(bench.served(Outcome::Timeout)));
    assert_eq!(bench.letters(2), "BB");
    let changes = bench.pass(10_000);
    assert_eq!(changes, [(0, Change::Returned)]);
    let soon = bench.letters(20).matches('A').count();
    assert!((1..=6).contains(&soon), "{soon}: the share comes back gradually");
    (0..10).for_each(|_| drop(bench.pass(250)));
    assert_eq!(bench.letters(20).matches('A').count(), 10);
}

#[test]
fn probes_take_down_and_bring_back_by_fall_and_rise() {
    let mut plan = plan_of(Policy::RoundRobin, &[100, 100]);
    plan.health.check = Some(plan::Check::Tcp(plan::TcpCheck::default()));
    plan.members[0].slow_start = Duration::from_secs(20);
    let mut bench = Bench::new(&plan);
    let probe = |bench: &mut Bench, pass: bool| {
        let result = ProbeResult { pass, reason: "seen".into(), took: Duration::ZERO };
        bench.pool.probed(0, result, bench.now)
    };
    assert_eq!(probe(&mut bench, true), None);
    assert_eq!((probe(&mut bench, false), probe(&mut bench, false)), (None, None));
    assert_eq!(probe(&mut bench, false), Some(Change::Down { reason: "seen".into() }));
    assert_eq!(bench.letters(3), "BBB");
    assert_eq!(probe(&mut bench, true), None);
    assert_eq!(probe(&mut bench, true), Some(Change::Up { reason: "seen".into() }));
    assert_eq!(bench.pool.members()[0].health(), Health::Starting);
    let few = bench.letters(22).matches('A').count();
    assert!((1..=3).contains(&few), "{few}: a tenth at first");
    (0..90).for_each(|_| drop(bench.pass(250)));
    assert_eq!(bench.pool.members()[0].health(), Health::Up);
    assert_eq!(bench.letters(20).matches('A').count(), 10);
}

#[test]
fn a_member_that_never_passed_is_down_at_its_first_failure() {
    let mut plan = plan_of(Policy::RoundRobin, &[100]);
    plan.health.check = Some(plan::Check::Tcp(plan::TcpCheck::default()));
    let bench = Bench::new(&plan);
    let result = ProbeResult { pass: false, reason: "refused".into(), took: Duration::ZERO };
    assert!(matches!(bench.pool.probed(0, result, bench.now), Some(Change::Down { .. })));
}

#[test]
fn a_silent_member_gets_no_more_while_another_answers() {
    let mut bench = Bench::new(&plan_of(Policy::RoundRobin, &[100, 100, 100]));
    // All have answered before, in 2 ms.
    for _ in 0..30 {
        let pick = bench.pick().unwrap();
        pick.guard.first_byte(Micros(bench.now.0 + 2000));
    }
    // Member A stops; 400 requests a second for a second.
    let mut stuck = Vec::new();
    for _ in 0..400 {
        bench.pass(2);
        let pick = bench.pick().unwrap();
        if pick.guard.index() == 0 {
            stuck.push(pick);
        } else {
            pick.guard.first_byte(bench.now);
        }
    }
    let (members, now) = (bench.pool.members(), bench.now);
    assert!(members[0].is_suspect(now) && !members[1].is_suspect(now));
    assert!(stuck.len() <= 10, "{} requests went to a silent member", stuck.len());
    stuck[0].guard.first_byte(now);
    assert!(!members[0].is_suspect(now));
}

#[test]
fn a_full_pool_calls_the_waiting_in_order() {
    use std::task::{Context, Poll, Waker};
    let mut plan = plan_of(Policy::RoundRobin, &[100]);
    plan.members[0].max_requests = Some(1);
    plan.limits.queue = 2;
    let mut bench = Bench::new(&plan);
    let first = bench.pick().unwrap();
    assert_eq!(bench.pick().unwrap_err(), NoMember::AllBusy);
    let mut cx = Context::from_waker(Waker::noop());
    let mut tickets = [bench.pool.enqueue().unwrap(), bench.pool.enqueue().unwrap()];
    assert!(bench.pool.enqueue().is_none());
    assert!(tickets.iter_mut().all(|ticket| ticket.poll(&mut cx).is_pending()));
    drop(first);
    assert_eq!(tickets[0].poll(&mut cx), Poll::Ready(()));
    assert!(tickets[1].poll(&mut cx).is_pending());
    let [called, waiting] = tickets;
    drop(called);
    drop(waiting);
    assert_eq!(bench.pool.queue_len(), 0);
}

#[test]
fn a_call_that_is_not_used_passes_on() {
    use std::task::{Context, Poll, Waker};
    let mut plan = plan_of(Policy::RoundRobin, &[100]);
    plan.members[0].max_requests = Some(1);
    let mut bench = Bench::new(&plan);
    let first = bench.pick().unwrap();
    let (gone, mut next) = (bench.pool.enqueue().unwrap(), bench.pool.enqueue().unwrap());
    drop(first);
    drop(gone);
    assert_eq!(next.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
}

#[test]
fn survivors_keep_counters_orders_and_turns() {
    let mut plan = plan_of(Policy::RoundRobin, &[100, 100, 100]);
    let mut bench = Bench::new(&plan);
    assert_eq!(bench.letters(4), "ABCA");
    bench.pool.set_state(2, MemberState::Drain, bench.now);
    plan.members.remove(0);
    plan.members[0].max_requests = Some(7);
    let new = Arc::new(Pool::new(&plan, Some(&bench.pool), bench.now));
    assert_eq!(new.members()[0].requests(), 1);
    assert_eq!(new.members()[1].state(), MemberState::Drain);
    // The file's own word changes: it counts again.
    plan.members[1].state = MemberState::Disabled;
    let newer = Pool::new(&plan, Some(&new), bench.now);
    assert_eq!(newer.members()[1].state(), MemberState::Disabled);
}

#[test]
fn four_cores_pick_and_all_is_counted_back() {
    use Policy::*;
    for policy in [RoundRobin, LeastRequests, RandomTwo, ByRequests, ByBusyness] {
        let mut plan = plan_of(policy, &[100, 200, 300]);
        plan.members[0].max_requests = Some(2);
        let bench = Bench::new(&plan);
        std::thread::scope(|scope| {
            for seed in 0..4 {
                let (pool, now) = (bench.pool.clone(), bench.now);
                scope.spawn(move || {
                    let mut rng = Rng::new(seed);
                    let tried = Tried::default();
                    for _ in 0..5000 {
                        let ask = Ask { now, key: 0, bound: Bound::None, tried: &tried };
                        let pick = pool.pick(&ask, &mut rng).unwrap();
                        assert!(pick.guard.index() != 0 || pick.guard.member().active() <= 2);
                    }
                });
            }
        });
        assert_eq!(bench.pool.members().iter().map(|m| m.requests()).sum::<u64>(), 20_000);
        assert!(bench.pool.members().iter().all(|m| m.active() == 0));
    }
}
