//! The stall guard: a frozen member is left, and only a frozen one.

mod staged;
use evenkeel_balance::*;
use evenkeel_plan::Policy;
use staged::*;

const NATIVE: [Policy; 8] = [
    Policy::RoundRobin,
    Policy::LeastRequests,
    Policy::LeastBytes,
    Policy::LeastTime,
    Policy::RandomTwo,
    Policy::RingHash,
    Policy::Maglev,
    Policy::SourceHash,
];

/// What is under way and silent by nature: tunnels, downloads, slow uploads, long polls.
fn shares_beside(answered: bool, quick_millis: u64) -> [u32; 3] {
    let mut bench = Bench::new(&plan_of(Policy::RoundRobin, &[100; 3]));
    let mut held = Vec::new();
    for _ in 0..60 {
        let pick = bench.pick().unwrap();
        bench.sleep(5);
        if answered {
            pick.guard.first_byte(bench.now);
        }
        held.push(pick);
        (0..3).for_each(|_| _ = bench.quick(1));
    }
    bench.pass(1000);
    let mut counts = [0; 3];
    for _ in 0..300 {
        bench.sleep(quick_millis);
        counts[bench.quick(2)] += 1;
    }
    counts
}

#[test]
fn idle_tunnels_and_downloads_do_not_drive_requests_to_one_member() {
    assert_eq!(shares_beside(true, 8), [100; 3]);
    assert_eq!(shares_beside(true, 40), [100; 3]);
}

#[test]
fn long_polls_do_not_drive_requests_to_one_member() {
    let counts = shares_beside(false, 8);
    assert!(counts.iter().all(|count| *count >= 80), "{counts:?}");
}

#[test]
fn a_frozen_member_is_left_by_every_policy_and_found_again() {
    for policy in NATIVE {
        let mut bench = Bench::new(&plan_of(policy, &[100; 3]));
        let mut rng = Rng::new(9);
        for _ in 0..300 {
            let pick = bench.ask(rng.next(), Bound::None, &Tried::default()).unwrap();
            bench.sleep(2);
            pick.guard.first_byte(bench.now);
        }
        // The first member is stopped; 400 requests a second for two seconds.
        let mut stuck = Vec::new();
        for n in 0..800 {
            bench.sleep(2);
            if n % 100 == 0 {
                bench.pool.tick(bench.now);
            }
            let pick = bench.ask(rng.next(), Bound::None, &Tried::default()).unwrap();
            match pick.guard.index() {
                0 => stuck.push(pick),
                _ => pick.guard.first_byte(bench.now),
            }
        }
        assert!(stuck.len() <= 20, "{policy:?}: {} requests went to a frozen member", stuck.len());
        let members = bench.pool.members();
        // A policy that goes by what is under way leaves it after the first.
        let suspect = stuck.len() > 1;
        assert_eq!(members[0].is_suspect(bench.now), suspect, "{policy:?}");
        assert!(!members[1].is_suspect(bench.now) && !members[2].is_suspect(bench.now));
        // It goes on: the next byte clears it, and it serves again.
        stuck[0].guard.first_byte(bench.now);
        drop(stuck);
        // Where the time to answer decides, the slow answer has to be forgotten first.
        bench.sleep(30_000);
        let again = (0..400).filter(|_| {
            let pick = bench.ask(rng.next(), Bound::None, &Tried::default()).unwrap();
            pick.guard.first_byte(bench.now);
            pick.guard.index() == 0
        });
        assert!(again.count() > 40, "{policy:?}");
    }
}

#[test]
fn a_silent_member_is_kept_by_those_bound_to_it_and_when_all_are_silent() {
    let mut bench = Bench::new(&plan_of(Policy::RoundRobin, &[100, 100]));
    let owned: Vec<u64> = (0..40)
        .filter(|key| bench.ask(0, Bound::Key(*key), &Tried::default()).unwrap().guard.index() == 0)
        .collect();
    let _held: Vec<Pick> =
        (0..3).map(|_| bench.ask(0, Bound::Tag(b"A"), &Tried::default()).unwrap()).collect();
    bench.sleep(1000);
    assert!(bench.pool.members()[0].is_suspect(bench.now));
    assert_eq!(bench.letters(3), "BBB");
    assert_eq!(bench.ask(0, Bound::Tag(b"A"), &Tried::default()).unwrap().guard.index(), 0);
    for key in owned {
        assert_eq!(bench.ask(0, Bound::Key(key), &Tried::default()).unwrap().guard.index(), 0);
    }
    let _more: Vec<Pick> =
        (0..3).map(|_| bench.ask(0, Bound::Tag(b"B"), &Tried::default()).unwrap()).collect();
    bench.sleep(1000);
    assert!(bench.pick().is_ok(), "a silent member is better than none");
}

#[test]
fn clients_that_leave_before_the_answer_leave_no_suspicion() {
    let mut bench = Bench::new(&plan_of(Policy::RoundRobin, &[100, 100]));
    let held: Vec<Pick> = (0..6).map(|_| bench.pick().unwrap()).collect();
    drop(held);
    bench.sleep(10_000);
    assert!(bench.pool.members().iter().all(|member| !member.is_suspect(bench.now)));
    assert_eq!(bench.letters(4).matches('A').count(), 2);
}
