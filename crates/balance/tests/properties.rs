//! What holds for any pool: shares follow weights, few keys move, the unusable are never picked.

use std::sync::Arc;

use evenkeel_balance::{Ask, Bound, Micros, Pool, Rng, Tried, hash_key};
use evenkeel_plan::{self as plan, MemberState, Name, Policy, Weight};
use proptest::prelude::*;

const NOW: Micros = Micros(1_000_000_000);

fn pool_of(policy: Policy, weights: &[u32]) -> Arc<Pool> {
    let mut plan = plan::Pool::new(Name::new("p").unwrap());
    plan.policy = policy;
    for (n, weight) in weights.iter().enumerate() {
        let mut member =
            plan::Member::new(format!("10.0.{}.{}:80", n / 250, n % 250 + 1).parse().unwrap());
        member.weight = Weight::from_hundredths(*weight).unwrap();
        plan.members.push(member);
    }
    Arc::new(Pool::new(&plan, None, NOW))
}

fn pick(pool: &Arc<Pool>, key: u64, tried: &Tried, rng: &mut Rng) -> Option<usize> {
    let ask = Ask { now: NOW, key, bound: Bound::None, tried };
    pool.pick(&ask, rng).ok().map(|pick| pick.guard.index())
}

/// Who owns each of so many keys.
fn owners(pool: &Arc<Pool>, keys: u64) -> Vec<usize> {
    let mut rng = Rng::new(1);
    let key = |n: u64| hash_key(&n.to_be_bytes());
    (0..keys).map(|n| pick(pool, key(n), &Tried::default(), &mut rng).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The table is the same for all keys, so every key of its 65537 entries is asked once.
    #[test]
    fn maglev_shares_follow_weights_within_two_per_cent(
        weights in prop::collection::vec(50_u32..500, 2..12),
    ) {
        let pool = pool_of(Policy::Maglev, &weights);
        let (mut rng, tried) = (Rng::new(1), Tried::default());
        let mut counts = vec![0_u32; weights.len()];
        (0..65_537).for_each(|key| counts[pick(&pool, key, &tried, &mut rng).unwrap()] += 1);
        let sum: u32 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(&weights) {
            let (got, wanted) = (f64::from(*count) / 65_537.0, f64::from(*weight) / f64::from(sum));
            prop_assert!((got - wanted).abs() < 0.02, "{counts:?} for {weights:?}");
            prop_assert!((got / wanted - 1.0).abs() < 0.02, "{counts:?} for {weights:?}");
        }
    }

    /// A ring of 160 points for each member is coarser, as rings are.
    #[test]
    fn ring_shares_follow_weights_roughly(weights in prop::collection::vec(50_u32..500, 2..12)) {
        let pool = pool_of(Policy::RingHash, &weights);
        let mut counts = vec![0_u32; weights.len()];
        owners(&pool, 20_000).into_iter().for_each(|owner| counts[owner] += 1);
        let sum: u32 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(&weights) {
            let (got, wanted) = (f64::from(*count) / 20_000.0, f64::from(*weight) / f64::from(sum));
            prop_assert!((got / wanted - 1.0).abs() < 0.5, "{counts:?} for {weights:?}");
        }
    }

    #[test]
    fn hardly_a_key_moves_that_need_not(
        policy in prop::sample::select(vec![Policy::Maglev, Policy::RingHash]),
        members in 2_usize..30,
        leaves in 0_usize..30,
    ) {
        let leaves = leaves % members;
        let pool = pool_of(policy, &vec![100; members]);
        let before = owners(&pool, 4000);
        pool.set_state(leaves, MemberState::Disabled, NOW);
        let after = owners(&pool, 4000);
        let moved = before.iter().zip(&after).filter(|(b, a)| b != a && **b != leaves).count();
        prop_assert!(after.iter().all(|owner| *owner != leaves));
        // Maglev trades a little stability for evenness; a ring moves none.
        let most = if policy == Policy::RingHash { 0 } else { 4000 / 50 };
        prop_assert!(moved <= most, "{moved} of 4000 keys");
    }

    #[test]
    fn the_unusable_and_the_tried_are_never_picked(
        policy in prop::sample::select(Policy::ALL.map(|(policy, _)| policy).to_vec()),
        states in prop::collection::vec(0_u8..3, 1..10),
        skip in 0_usize..10,
        keys in prop::collection::vec(any::<u64>(), 1..50),
    ) {
        let pool = pool_of(policy, &vec![100; states.len()]);
        for (index, state) in states.iter().enumerate() {
            pool.set_state(index, MemberState::ALL[usize::from(*state)].0, NOW);
            pool.heartbeat(index, 5, 1, NOW);
        }
        let mut tried = Tried::default();
        tried.add(skip);
        let mut rng = Rng::new(7);
        let ready = |index: usize| states.get(index) == Some(&0);
        let others = (0..states.len()).any(|index| ready(index) && index != skip);
        for key in keys {
            match pick(&pool, key, &tried, &mut rng) {
                Some(index) => prop_assert!(ready(index) && (index != skip || !others)),
                None => prop_assert!(!others),
            }
        }
        prop_assert!(pool.members().iter().all(|member| member.active() == 0));
    }
}
