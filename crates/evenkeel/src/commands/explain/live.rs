//! What the running server knows of its members, for `explain --live`.

use evenkeel_admin::views::{MemberView, PoolView};
use evenkeel_balance::{Micros, Seen};
use evenkeel_net::clock;
use evenkeel_plan::{MemberState, Weight};
use evenkeel_proxy::snapshot::{PoolRt, Snapshot};

use crate::cli::{At, Question};
use crate::client::Client;

/// Makes the pools stand as those of the running server; what differs, in words.
pub(super) fn imitate(snapshot: &Snapshot, question: &Question) -> Result<Vec<String>, String> {
    if !question.live {
        return Ok(Vec::new());
    }
    let at = At {
        config: Some(question.source.path()),
        admin: question.admin.clone(),
        token: question.token.clone(),
        json: false,
    };
    let pools = Client::new(&at)?.ask("GET", "/api/v1/pools", None)?;
    let pools: Vec<PoolView> = serde_json::from_value(pools)
        .map_err(|error| format!("the server speaks another version of the API: {error}"))?;
    let mut notes = Vec::new();
    for pool in &snapshot.pools {
        match pools.iter().find(|view| view.name == *pool.plan.name) {
            Some(view) => imitate_pool(pool, view, &mut notes),
            None => notes.push(format!("the running server has no pool {}", pool.plan.name)),
        }
    }
    Ok(notes)
}

fn imitate_pool(pool: &PoolRt, view: &PoolView, notes: &mut Vec<String>) {
    let now = Micros(clock::now().0);
    let members = &pool.plan.members;
    let same = |view: &MemberView, at: usize| {
        members.get(at).is_some_and(|m| *m.tag == view.tag && m.address.to_string() == view.address)
    };
    for view in &view.members {
        match (0..members.len()).find(|at| same(view, *at)) {
            Some(at) => pool.balance.imitate(at, &seen(view), now),
            None => notes.push(format!(
                "the running server has a member {} in pool {} that the file has not",
                view.address, pool.plan.name
            )),
        }
    }
    for (at, member) in members.iter().enumerate() {
        if !view.members.iter().any(|view| same(view, at)) {
            notes.push(format!(
                "the running server has no member {} in pool {}",
                member.address, pool.plan.name
            ));
        }
    }
}

fn seen(view: &MemberView) -> Seen {
    let state = MemberState::ALL.into_iter().find(|(_, name)| *name == view.state);
    // In hundredths; the API says 0.01 to 1000.
    let weight = Weight::from_hundredths((view.weight * 100.0).round() as u32);
    Seen {
        state: state.map_or(MemberState::Ready, |(state, _)| state),
        weight: weight.unwrap_or(Weight::ONE),
        up: view.health != "down",
        ejected: view.ejected,
        active: u32::try_from(view.active).unwrap_or(u32::MAX),
    }
}
