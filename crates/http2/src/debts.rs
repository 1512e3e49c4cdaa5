//! What clients have spent of their flood budgets, by address: whoever is sent away and comes again
//! does not begin anew.

use evenkeel_net::Micros;

use crate::guard::{FULL, PER_SECOND};

/// Addresses that are remembered, each in a place that its key gives.
const PLACES: usize = 1024;
/// What is not worth being remembered: a few requests that were given up.
const SMALL: u64 = FULL / 20;

/// The debts of a core's clients. Of two addresses with the same place, the one that owes more is
/// remembered. Debts go down as budgets fill: within 20 seconds.
#[derive(Debug, Default)]
pub struct Debts {
    places: Vec<Debt>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Debt {
    key: u64,
    points: u64,
    at: Micros,
}

impl Debt {
    fn left(&self, now: Micros) -> u64 {
        let micros = u64::try_from(now.since(self.at).as_micros()).unwrap_or(u64::MAX);
        self.points.saturating_sub(micros.saturating_mul(PER_SECOND) / 1_000_000)
    }
}

impl Debts {
    /// What connections of the address `key` have spent and not earned, in points.
    pub fn of(&self, key: u64, now: Micros) -> u64 {
        let debt = self.places.get(place(key));
        debt.filter(|debt| debt.key == key).map_or(0, |debt| debt.left(now))
    }

    /// A connection of the address ended and had spent so much.
    pub fn add(&mut self, key: u64, spent: u64, now: Micros) {
        if spent < SMALL {
            return;
        }
        if self.places.is_empty() {
            self.places.resize(PLACES, Debt::default());
        }
        let debt = &mut self.places[place(key)];
        let left = debt.left(now);
        if debt.key == key {
            *debt = Debt { key, points: spent.max(left), at: now };
        } else if left < spent {
            *debt = Debt { key, points: spent, at: now };
        }
    }
}

fn place(key: u64) -> usize {
    usize::try_from(key % PLACES as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn debts_are_remembered_and_go_down() {
        let mut debts = Debts::default();
        assert_eq!(debts.of(7, Micros(0)), 0);
        debts.add(7, 5_000, Micros(0));
        assert_eq!(debts.of(7, Micros(0)), 5_000);
        assert_eq!(debts.of(7, Micros(2 * SECOND)), 3_000);
        assert_eq!(debts.of(7, Micros(5 * SECOND)), 0);
        debts.add(7, 1_500, Micros(SECOND));
        assert_eq!(debts.of(7, Micros(SECOND)), 4_000, "what is owed already is not forgiven");
        debts.add(8, SMALL - 1, Micros(0));
        assert_eq!(debts.of(8, Micros(0)), 0, "too little");
    }

    #[test]
    fn who_owes_more_is_remembered() {
        let mut debts = Debts::default();
        let (one, other) = (3, 3 + PLACES as u64);
        debts.add(one, 5_000, Micros(0));
        debts.add(other, 4_000, Micros(0));
        assert_eq!((debts.of(one, Micros(0)), debts.of(other, Micros(0))), (5_000, 0));
        debts.add(other, 4_000, Micros(2 * SECOND));
        assert_eq!(
            (debts.of(one, Micros(2 * SECOND)), debts.of(other, Micros(2 * SECOND))),
            (0, 4_000)
        );
    }
}
