//! Drawing by weight in constant time (Walker 1977, Vose 1991).

use crate::ask::Rng;

/// A table to draw from.
#[derive(Debug)]
pub(crate) struct Alias {
    /// Per place: the chance, of 2^32, that it stands for itself, and whom it stands for else.
    places: Box<[(u32, u32)]>,
}

impl Alias {
    pub(crate) fn build(shares: impl Iterator<Item = u32>) -> Alias {
        let weights: Vec<f64> = shares.map(f64::from).collect();
        let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
        let mut scaled: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
        let mut places: Vec<(u32, u32)> =
            (0..weights.len() as u32).map(|at| (u32::MAX, at)).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..scaled.len()).partition(|at| scaled[*at] < 1.0);
        while let (Some(low), Some(high)) = (small.pop(), large.pop()) {
            places[low] = ((scaled[low] * f64::from(u32::MAX)) as u32, high as u32);
            scaled[high] -= 1.0 - scaled[low];
            if scaled[high] < 1.0 { &mut small } else { &mut large }.push(high);
        }
        Alias { places: places.into() }
    }

    /// A place, by weight.
    pub(crate) fn draw(&self, rng: &mut Rng) -> usize {
        let at = rng.below(self.places.len());
        let Some((chance, other)) = self.places.get(at) else { return 0 };
        if (rng.next() >> 32) as u32 <= *chance { at } else { *other as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_weights() {
        let alias = Alias::build([100, 300, 600].into_iter());
        let mut rng = Rng::new(7);
        let mut counts = [0; 3];
        (0..100_000).for_each(|_| counts[alias.draw(&mut rng)] += 1);
        for (count, share) in counts.into_iter().zip([0.1, 0.3, 0.6]) {
            assert!((f64::from(count) / 100_000.0 - share).abs() < 0.01, "{counts:?}");
        }
    }
}
