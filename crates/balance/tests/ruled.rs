//! Pools that an Apache configuration rules: errors that last until somebody looks, forced
//! recovery, checks as mod_proxy_hcheck counts them.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_balance::*;
use evenkeel_plan::{self as plan, MemberRules, MemberState, Name, Passive, Policy, PoolRules};

const SECOND: u64 = 1_000_000;

struct Bench {
    plan: plan::Pool,
    pool: Arc<Pool>,
    now: Micros,
}

impl Bench {
    /// A pool of so many members, `a` and on, after `change` has had its say.
    fn new(members: u16, change: impl FnOnce(&mut plan::Pool, &mut PoolRules)) -> Bench {
        let mut plan = plan::Pool::new(Name::new("p").unwrap());
        plan.policy = Policy::ByRequests;
        let passive = Passive { errors: 1, only_connect: true, ..Passive::default() };
        plan.health.passive = Some(passive);
        let mut rules = PoolRules::default();
        for (n, letter) in (1..=members).zip('a'..) {
            let mut member = plan::Member::new(format!("10.0.0.{n}:80").parse().unwrap());
            member.tag = Name::new(&letter.to_string()).unwrap();
            plan.members.push(member);
            let retry = Duration::from_secs(60);
            rules.members.push(MemberRules { retry, ..MemberRules::default() });
        }
        change(&mut plan, &mut rules);
        for (member, own) in plan.members.iter_mut().zip(&rules.members) {
            member.state = own.state();
        }
        plan.rules = Some(Box::new(rules));
        let now = Micros(1000 * SECOND);
        let pool = Arc::new(Pool::new(&plan, None, now));
        Bench { plan, pool, now }
    }

    fn ask(&self, bound: Bound<'_>) -> Result<Pick, NoMember> {
        let ask = Ask { now: self.now, key: 0, bound, tried: &Tried::default() };
        self.pool.pick(&ask, &mut Rng::new(1))
    }

    /// Who is picked, and what it comes to; `-` for nobody.
    fn serve(&self, outcome: Outcome) -> String {
        let Ok(pick) = self.ask(Bound::None) else { return "-".to_owned() };
        let tag = pick.guard.member().tag().to_string();
        pick.guard.report(outcome, self.now);
        tag
    }

    fn well(&self, times: usize) -> String {
        (0..times).map(|_| self.serve(Outcome::Answered { status: 200 })).collect()
    }

    fn pass(&mut self, millis: u64) {
        self.now = Micros(self.now.0 + millis * 1000);
        self.pool.tick(self.now);
    }

    fn probed(&self, pass: bool) -> Option<Change> {
        let result = ProbeResult { pass, reason: String::new(), took: Duration::ZERO };
        self.pool.probed(0, result, self.now)
    }
}

#[test]
fn an_error_stays_until_somebody_looks_after_its_time() {
    let mut bench = Bench::new(2, |_, rules| rules.members[0].retry = Duration::from_secs(2));
    assert_eq!(bench.serve(Outcome::ConnectFailed), "a");
    let a = bench.pool.members()[0].clone();
    assert!(a.in_error() && a.failed_for(bench.now).is_some());
    assert_eq!(bench.well(2), "bb");
    bench.pass(2001);
    assert!(a.in_error(), "nobody has looked");
    assert!(bench.well(2).contains('a'));
    assert!(!a.in_error());
    assert_eq!(a.retries(), 1);
    // What is said of it lasts until a connection is made.
    assert!(a.failed_for(bench.now).is_some());
    bench.ask(Bound::None).unwrap().guard.reached();
    bench.ask(Bound::None).unwrap().guard.reached();
    assert_eq!((a.retries(), a.failed_for(bench.now)), (0, None));
}

#[test]
fn recovery_is_forced_only_when_all_are_in_error() {
    let bench = Bench::new(2, |_, _| {});
    assert_eq!(bench.serve(Outcome::ConnectFailed), "a");
    assert_eq!(bench.serve(Outcome::ConnectFailed), "b");
    assert_ne!(bench.well(1), "-");
    let bench = Bench::new(2, |_, rules| rules.members[1].stopped = true);
    assert_eq!(bench.serve(Outcome::ConnectFailed), "a");
    assert_eq!(bench.well(1), "-");
    let bench = Bench::new(1, |_, rules| rules.no_forced_recovery = true);
    assert_eq!(bench.serve(Outcome::ConnectFailed), "a");
    assert_eq!(bench.well(1), "-");
}

#[test]
fn letters_say_who_may_serve_what() {
    let bench = Bench::new(3, |_, rules| {
        rules.members[0].failed = true;
        rules.members[1].drain = true;
        rules.members[1].route = "r".to_owned();
    });
    assert_eq!(bench.well(3), "ccc");
    assert_eq!(bench.ask(Bound::Tag(b"r")).unwrap().guard.index(), 1);
    bench.pool.set_up(0, true, bench.now);
    assert_eq!(bench.pool.members()[1].state(), MemberState::Drain);
    assert!(bench.well(2).contains('a'));
}

#[test]
fn one_that_ignores_errors_is_never_in_error() {
    let bench = Bench::new(2, |_, rules| rules.members[0].ignore_errors = true);
    assert_eq!(bench.serve(Outcome::ConnectFailed), "a");
    assert!(!bench.pool.members()[0].in_error());
}

#[test]
fn a_pass_does_not_take_a_fail_back_and_ends_an_error() {
    let bench = Bench::new(2, |_, rules| {
        let check = &mut rules.members[0].check;
        check.method = plan::CheckMethod::Tcp;
        (check.rise, check.fall) = (2, 2);
        check.settle("", "a");
    });
    assert!(bench.plan.check_of(0).is_some() && bench.plan.check_of(1).is_none());
    assert_eq!(bench.probed(false), None);
    assert_eq!(bench.probed(true), None);
    assert!(matches!(bench.probed(false), Some(Change::Down { .. })));
    assert_eq!(bench.well(2), "bb");
    assert_eq!(bench.probed(true), None);
    assert_eq!(bench.pool.members()[0].checks_counted(), (1, 0));
    assert!(matches!(bench.probed(true), Some(Change::Up { .. })));
    while bench.serve(Outcome::ConnectFailed) != "a" {}
    bench.probed(true);
    assert!(matches!(bench.probed(true), Some(Change::Returned)));
    assert!(!bench.pool.members()[0].in_error());
}

#[test]
fn places_are_given_back_when_an_exchange_ends() {
    let bench = Bench::new(1, |_, _| {});
    let (one, two) = (bench.ask(Bound::None).unwrap(), bench.ask(Bound::None).unwrap());
    assert!(one.guard.take_place(1) && !two.guard.take_place(1));
    assert!(one.guard.take_place(1), "it has one");
    drop(one);
    assert!(two.guard.take_place(1));
    // One that failed is busy until its exchange ends, but holds no place.
    two.guard.failed(Outcome::ConnectFailed, bench.now);
    assert_eq!(bench.pool.members()[0].active(), 1);
    assert!(bench.ask(Bound::None).unwrap().guard.take_place(1));
}

#[test]
fn kin_have_their_members_in_common() {
    let bench = Bench::new(2, |_, _| {});
    let kin = Arc::new(Pool::sharing(&bench.plan, None, Some(&bench.pool), bench.now));
    assert_eq!(bench.serve(Outcome::ConnectFailed), "a");
    let ask = Ask { now: bench.now, key: 0, bound: Bound::None, tried: &Tried::default() };
    assert_eq!(kin.pick(&ask, &mut Rng::new(1)).unwrap().guard.index(), 1);
}
