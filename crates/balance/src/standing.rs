//! What explanations ask a pool: how each member stands, also as another process sees it.

use evenkeel_plan::MemberState;

use crate::ask::{Micros, Seen, Standing};
use crate::pool::Pool;

impl Pool {
    /// How each member stands to new requests, in plan order, by the view that picks go by.
    pub fn standings(&self, now: Micros) -> Vec<Standing> {
        let view = self.view();
        let standing = |index: usize| {
            let member = &self.members()[index];
            let candidate = view.candidates.iter().find(|candidate| candidate.index == index);
            match candidate {
                _ if member.state() == MemberState::Disabled => Standing::Disabled,
                _ if member.state() == MemberState::Drain => Standing::Drained,
                _ if !member.is_up() => Standing::Down,
                _ if member.is_ejected(now) && !view.panic => Standing::Ejected,
                _ if !member.has_room() => Standing::Full,
                Some(candidate) => Standing::Serves(candidate.why),
                None => Standing::Waits,
            }
        };
        (0..self.members().len()).map(standing).collect()
    }

    /// Takes over what another process saw of a member, so that choices here are those made there.
    /// For explanations only.
    pub fn imitate(&self, index: usize, seen: &Seen, now: Micros) {
        if let Some(member) = self.members().get(index) {
            member.imitate(seen, now);
            self.refresh(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_plan::{self as plan, Weight};

    use super::*;
    use crate::ask::Why;

    const NOW: Micros = Micros(1_000_000);

    fn pool(change: impl Fn(&mut plan::Pool)) -> Pool {
        let name = plan::Name::new("p").expect("a name");
        let member = |n: u8| {
            let address = format!("10.0.0.{n}:80").parse().expect("an address");
            plan::Member::new(address)
        };
        let mut plan = plan::Pool::new(name);
        plan.members = (1..=3).map(member).collect();
        change(&mut plan);
        Pool::new(&plan, None, NOW)
    }

    fn seen() -> Seen {
        Seen { state: MemberState::Ready, weight: Weight::ONE, up: true, ejected: false, active: 0 }
    }

    #[test]
    fn each_member_stands_as_picks_see_it() {
        let pool = pool(|plan| {
            plan.members[1].state = MemberState::Disabled;
            plan.members[2].backup = true;
        });
        let standings = pool.standings(NOW);
        assert_eq!(standings, [Standing::Serves(Why::Policy), Standing::Disabled, Standing::Waits]);
        pool.imitate(0, &Seen { up: false, ..seen() }, NOW);
        let standings = pool.standings(NOW);
        assert_eq!(standings, [Standing::Down, Standing::Disabled, Standing::Serves(Why::Backup)]);
    }

    #[test]
    fn what_was_seen_elsewhere_counts() {
        let pool = pool(|plan| plan.members[0].max_requests = Some(2));
        for (seen, standing) in [
            (Seen { active: 2, ..seen() }, Standing::Full),
            (Seen { active: 1, ..seen() }, Standing::Serves(Why::Policy)),
            (Seen { ejected: true, ..seen() }, Standing::Ejected),
            (Seen { state: MemberState::Drain, ..seen() }, Standing::Drained),
            (Seen { up: false, ..seen() }, Standing::Down),
            (seen(), Standing::Serves(Why::Policy)),
        ] {
            pool.imitate(0, &seen, NOW);
            assert_eq!(pool.standings(NOW)[0], standing, "{seen:?}");
        }
        for index in 0..3 {
            pool.imitate(index, &Seen { ejected: true, ..seen() }, NOW);
        }
        assert_eq!(pool.standings(NOW), [Standing::Serves(Why::Panic); 3]);
    }
}
