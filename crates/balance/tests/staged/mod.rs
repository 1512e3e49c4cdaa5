//! A pool with virtual time, for tests of pools as their callers see them.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part")]

use std::sync::Arc;

use evenkeel_balance::*;
use evenkeel_plan::{self as plan, Name, Policy, Weight};

/// A second in microseconds.
pub const SECOND: u64 = 1_000_000;

/// A pool of members `A`, `B` … with the weights, in hundredths.
pub fn plan_of(policy: Policy, weights: &[u32]) -> plan::Pool {
    let mut pool = plan::Pool::new(Name::new("p").unwrap());
    pool.policy = policy;
    for (n, weight) in weights.iter().enumerate() {
        let address = format!("10.0.{}.{}:80", n / 250, n % 250 + 1);
        let mut member = plan::Member::new(address.parse().unwrap());
        let letter = char::from(b'A' + u8::try_from(n % 26).unwrap());
        member.tag = Name::new(&letter.to_string().repeat(n / 26 + 1)).unwrap();
        member.weight = Weight::from_hundredths(*weight).unwrap();
        pool.members.push(member);
    }
    pool
}

/// A pool, a core's random numbers, and the time.
pub struct Bench {
    pub pool: Arc<Pool>,
    pub rng: Rng,
    pub now: Micros,
}

impl Bench {
    pub fn new(plan: &plan::Pool) -> Bench {
        let now = Micros(1000 * SECOND);
        Bench { pool: Arc::new(Pool::new(plan, None, now)), rng: Rng::new(1), now }
    }

    pub fn ask(&mut self, key: u64, bound: Bound<'_>, tried: &Tried) -> Result<Pick, NoMember> {
        let ask = Ask { now: self.now, key, bound, tried };
        self.pool.pick(&ask, &mut self.rng)
    }

    pub fn pick(&mut self) -> Result<Pick, NoMember> {
        self.ask(0, Bound::None, &Tried::default())
    }

    pub fn peek(&mut self) -> Result<(usize, Why), NoMember> {
        let tried = Tried::default();
        let ask = Ask { now: self.now, key: 0, bound: Bound::None, tried: &tried };
        self.pool.peek(&ask, &mut self.rng)
    }

    /// The tags of so many picks, each ended well before the next.
    pub fn letters(&mut self, picks: usize) -> String {
        (0..picks).map(|_| self.served(Outcome::Answered { status: 200 })).collect()
    }

    pub fn served(&mut self, outcome: Outcome) -> String {
        let pick = self.pick().unwrap();
        let tag = pick.guard.member().tag().to_string();
        pick.guard.report(outcome, self.now);
        tag
    }

    /// Time passes without ticks.
    pub fn sleep(&mut self, millis: u64) {
        self.now = Micros(self.now.0 + millis * 1000);
    }

    pub fn pass(&mut self, millis: u64) -> Vec<(usize, Change)> {
        self.sleep(millis);
        self.pool.tick(self.now)
    }

    /// A request that is answered after so many milliseconds; who answered.
    pub fn quick(&mut self, millis: u64) -> usize {
        let pick = self.pick().unwrap();
        self.sleep(millis);
        pick.guard.first_byte(self.now);
        let index = pick.guard.index();
        pick.guard.report(Outcome::Answered { status: 200 }, self.now);
        index
    }
}
