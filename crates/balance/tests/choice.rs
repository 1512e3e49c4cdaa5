//! Who is chosen when the obvious member will not do.

mod staged;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use evenkeel_balance::*;
use evenkeel_plan::{Affinity, MemberState, Passive, Policy};
use staged::*;

#[test]
fn a_retry_goes_to_the_backup_and_then_to_the_next_tier() {
    for policy in [Policy::RoundRobin, Policy::LeastRequests, Policy::Maglev, Policy::ByRequests] {
        let mut plan = plan_of(policy, &[100; 3]);
        plan.members[1].backup = true;
        plan.members[2].tier = 1;
        let mut bench = Bench::new(&plan);
        let mut tried = Tried::default();
        for expected in 0..3 {
            let pick = bench.ask(1, Bound::None, &tried).unwrap();
            assert_eq!(pick.guard.index(), expected, "{policy:?}");
            pick.guard.report(Outcome::ConnectFailed, bench.now);
            tried.add(expected);
        }
    }
}

#[test]
fn a_client_stays_on_its_member_whatever_the_policy() {
    for (policy, name) in Policy::ALL {
        let mut plan = plan_of(policy, &[100, 100, 100, 300]);
        plan.affinity = Some(Affinity::Client);
        let mut bench = Bench::new(&plan);
        (0..4).for_each(|index| bench.pool.heartbeat(index, 10, 1, bench.now));
        let mut owner = |key: u64| {
            let pick = bench.ask(0, Bound::Key(hash_key(&key.to_be_bytes())), &Tried::default());
            let pick = pick.unwrap();
            assert!(pick.bound && pick.why == Why::Affinity, "{name}");
            pick.guard.index()
        };
        let owners: Vec<usize> = (0..3000).map(&mut owner).collect();
        assert_eq!(owners, (0..3000).map(&mut owner).collect::<Vec<_>>(), "{name}");
        let share = |index| owners.iter().filter(|owner| **owner == index).count() as f64 / 3000.0;
        // A ring of 160 points for each member is coarser.
        let slack = if policy == Policy::RingHash { 0.08 } else { 0.03 };
        assert!((share(3) - 0.5).abs() < slack, "{name}: {}", share(3));
        assert!((share(0) - 1.0 / 6.0).abs() < slack, "{name}: {}", share(0));
    }
}

#[test]
fn peeking_changes_nothing() {
    for (policy, name) in Policy::ALL {
        let mut plan = plan_of(policy, &[100, 200, 300]);
        plan.health.passive =
            Some(Passive { errors: 1, eject: Duration::from_secs(60), ..Passive::default() });
        let run = |peeks: usize| {
            let mut bench = Bench::new(&plan);
            (0..3).for_each(|index| bench.pool.heartbeat(index, 10, 1, bench.now));
            let mut letters = String::new();
            for n in 0..24 {
                let rng = bench.rng.clone();
                (0..peeks).for_each(|_| _ = bench.peek());
                bench.rng = rng;
                let outcome = match n {
                    4..8 => Outcome::ConnectFailed,
                    _ => Outcome::Answered { status: 200 },
                };
                letters += &bench.served(outcome);
            }
            letters
        };
        assert_eq!(run(0), run(3), "{name}");
    }
}

#[test]
fn one_slow_answer_does_not_starve_a_member_for_ever() {
    let mut bench = Bench::new(&plan_of(Policy::LeastTime, &[100, 100]));
    (0..20).for_each(|_| _ = bench.quick(2));
    let slow = bench.ask(0, Bound::Tag(b"A"), &Tried::default()).unwrap();
    bench.sleep(20_000);
    slow.guard.first_byte(bench.now);
    drop(slow);
    let mut counts = [0; 2];
    for n in 0..15_000 {
        bench.sleep(2);
        if n % 50 == 0 {
            bench.pool.tick(bench.now);
        }
        counts[bench.quick(2)] += 1;
    }
    assert!(counts[0] > 1000, "{counts:?}");
}

#[test]
fn a_member_that_never_answered_is_tried_but_not_flooded() {
    let mut bench = Bench::new(&plan_of(Policy::LeastTime, &[100, 100, 100]));
    for tag in [b"A", b"B"] {
        for _ in 0..20 {
            let pick = bench.ask(0, Bound::Tag(tag), &Tried::default()).unwrap();
            bench.sleep(100);
            pick.guard.first_byte(bench.now);
        }
    }
    let held: Vec<Pick> = (0..40).map(|_| bench.pick().unwrap()).collect();
    let new = held.iter().filter(|pick| pick.guard.index() == 2).count();
    assert!((1..=20).contains(&new), "{new}");
}

#[test]
fn idle_members_are_used_by_weight_in_least_requests() {
    let mut bench = Bench::new(&plan_of(Policy::LeastRequests, &[100, 300]));
    assert_eq!(bench.letters(40).matches('A').count(), 10);
    let mut bench = Bench::new(&plan_of(Policy::LeastRequests, &[100; 3]));
    assert_eq!(bench.letters(6), "ABCABC");
}

#[test]
fn a_ring_moves_only_the_keys_of_who_leaves_whatever_the_weights() {
    let mut bench = Bench::new(&plan_of(Policy::RingHash, &[100, 250, 900, 40, 130]));
    let owners = |bench: &mut Bench| -> Vec<usize> {
        let key = |n: u64| hash_key(&n.to_be_bytes());
        let tried = Tried::default();
        (0..5000).map(|n| bench.ask(key(n), Bound::None, &tried).unwrap().guard.index()).collect()
    };
    let before = owners(&mut bench);
    bench.pool.set_state(2, MemberState::Disabled, bench.now);
    let after = owners(&mut bench);
    assert_eq!(before.iter().zip(&after).filter(|(b, a)| b != a && **b != 2).count(), 0);
}

#[test]
fn the_turns_of_one_that_does_not_fit_are_shared_by_all_others() {
    let mut plan = plan_of(Policy::RoundRobin, &[100; 4]);
    plan.members[0].max_requests = Some(1);
    let mut bench = Bench::new(&plan);
    let _full = bench.ask(0, Bound::Tag(b"A"), &Tried::default()).unwrap();
    let picks = bench.letters(300);
    for letter in ['B', 'C', 'D'] {
        assert_eq!(picks.matches(letter).count(), 100, "{letter}");
    }
}

#[test]
fn those_who_wait_are_called_over_a_reload() {
    let mut plan = plan_of(Policy::RoundRobin, &[100]);
    plan.members[0].max_requests = Some(1);
    let mut bench = Bench::new(&plan);
    let mut cx = Context::from_waker(Waker::noop());
    let first = bench.pick().unwrap();
    let mut waiting = bench.pool.enqueue().unwrap();
    assert!(waiting.poll(&mut cx).is_pending());
    bench.pool = Arc::new(Pool::new(&plan, Some(&bench.pool), bench.now));
    drop(first);
    // Its slot is called for; the call is not used before a newcomer takes the place.
    let newcomer = bench.pick().unwrap();
    assert_eq!(waiting.poll(&mut cx), Poll::Ready(()));
    drop(waiting);
    let old = bench.pool.clone();
    let mut waiting = old.enqueue().unwrap();
    bench.pool = Arc::new(Pool::new(&plan, Some(&old), bench.now));
    drop(newcomer);
    assert_eq!(waiting.poll(&mut cx), Poll::Ready(()));
    let newer = bench.pick().unwrap();
    let mut waiting = old.enqueue().unwrap();
    drop(newer);
    assert_eq!(waiting.poll(&mut cx), Poll::Ready(()), "a slot freed after the reload");
}

#[test]
fn those_who_wait_are_called_when_a_member_appears() {
    let mut plan = plan_of(Policy::RoundRobin, &[100, 100]);
    plan.members[0].max_requests = Some(1);
    let mut bench = Bench::new(&plan);
    bench.pool.set_state(1, MemberState::Disabled, bench.now);
    let mut cx = Context::from_waker(Waker::noop());
    let _first = bench.pick().unwrap();
    let mut waiting = bench.pool.enqueue().unwrap();
    assert!(waiting.poll(&mut cx).is_pending());
    bench.pool.set_state(1, MemberState::Ready, bench.now);
    assert_eq!(waiting.poll(&mut cx), Poll::Ready(()));
}

#[test]
fn failures_heard_after_a_reload_count_and_are_told() {
    let mut plan = plan_of(Policy::RoundRobin, &[100, 100]);
    plan.members[1].backup = true;
    let mut bench = Bench::new(&plan);
    let held: Vec<Pick> = (0..5).map(|_| bench.pick().unwrap()).collect();
    bench.pool = Arc::new(Pool::new(&plan, Some(&bench.pool), bench.now));
    for pick in held {
        pick.guard.report(Outcome::Reset, bench.now);
    }
    assert_eq!(bench.pick().unwrap().why, Why::Backup, "at once, not only with the next tick");
    let changes = bench.pass(250);
    assert!(matches!(&changes[..], [(0, Change::Ejected { .. })]), "{changes:?}");
}

#[test]
fn forced_recovery_comes_before_affinity_and_is_told() {
    let mut plan = plan_of(Policy::ByRequests, &[100, 100]);
    plan.health.passive =
        Some(Passive { errors: 1, eject: Duration::from_secs(60), ..Passive::default() });
    let mut bench = Bench::new(&plan);
    bench.served(Outcome::ConnectFailed);
    bench.served(Outcome::ConnectFailed);
    bench.pool.tick(bench.now);
    assert!(bench.peek().is_ok());
    assert!(bench.pool.members().iter().all(|member| member.is_ejected(bench.now)));
    let pick = bench.ask(0, Bound::Tag(b"B"), &Tried::default()).unwrap();
    assert!(pick.bound && pick.guard.index() == 1);
    let changes = bench.pass(1);
    assert_eq!(changes, [(0, Change::Returned), (1, Change::Returned)]);
}

#[test]
fn orders_from_many_threads_are_never_lost() {
    for _ in 0..200 {
        let bench = Bench::new(&plan_of(Policy::RoundRobin, &[100; 8]));
        let orders = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for index in 0..7 {
                let (pool, now, orders) = (bench.pool.clone(), bench.now, &orders);
                scope.spawn(move || {
                    orders.wait();
                    pool.set_state(index, MemberState::Disabled, now);
                });
            }
            orders.wait();
        });
        let mut bench = bench;
        assert_eq!(bench.letters(8), "HHHHHHHH");
    }
}
