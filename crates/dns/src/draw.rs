//! Drawing instances in random order without a list of them.

use rand::Rng;

/// So many are drawn from a few notes; who draws more gets a list of all places.
const FEW: usize = 32;

/// Draws places, each as likely as the others: a shuffle of all of them of which only as much is
/// made as is read.
#[derive(Default)]
pub(crate) struct Draw {
    count: usize,
    drawn: usize,
    /// Places that do not hold their own number any more, with the number that they hold.
    moved: Vec<(u32, u32)>,
    /// What every place holds, once there were too many notes.
    all: Vec<u32>,
}

impl Draw {
    /// Begins with so many places.
    pub(crate) fn begin(&mut self, count: usize) {
        // Nobody has 4 billion instances of one service.
        self.count = count.min(u32::MAX as usize);
        self.drawn = 0;
        self.moved.clear();
        self.all.clear();
    }

    /// How many were not drawn.
    pub(crate) fn left(&self) -> usize {
        self.count - self.drawn
    }

    /// The next place; none when all were drawn.
    pub(crate) fn next(&mut self, rng: &mut impl Rng) -> Option<usize> {
        if self.drawn >= self.count {
            return None;
        }
        let first = self.drawn as u32;
        let chosen = rng.random_range(first..self.count as u32);
        self.drawn += 1;
        if self.all.is_empty() && self.moved.len() == FEW {
            self.all.extend(0..self.count as u32);
            for (place, number) in &self.moved {
                if let Some(held) = self.all.get_mut(*place as usize) {
                    *held = *number;
                }
            }
        }
        if !self.all.is_empty() {
            self.all.swap(first as usize, chosen as usize);
            return self.all.get(first as usize).map(|number| *number as usize);
        }
        let held = |place: u32| self.moved.iter().position(|(moved, _)| *moved == place);
        let number = |note: Option<usize>, place: u32| {
            note.and_then(|note| self.moved.get(note)).map_or(place, |(_, number)| *number)
        };
        let (from, to) = (held(first), held(chosen));
        let (displaced, drawn) = (number(from, first), number(to, chosen));
        match to.and_then(|note| self.moved.get_mut(note)) {
            Some((_, number)) => *number = displaced,
            None => self.moved.push((chosen, displaced)),
        }
        Some(drawn as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    fn drawn(draw: &mut Draw, count: usize, rng: &mut SmallRng) -> Vec<usize> {
        draw.begin(count);
        std::iter::from_fn(|| draw.next(rng)).collect()
    }

    #[test]
    fn all_are_drawn_once() {
        let (mut rng, mut draw) = (SmallRng::seed_from_u64(1), Draw::default());
        for count in (0..80).chain([1000]) {
            let mut places = drawn(&mut draw, count, &mut rng);
            assert_eq!(draw.left(), 0);
            places.sort_unstable();
            assert!(places.into_iter().eq(0..count));
        }
    }

    /// Every place is as likely to come first as to come after more than a few.
    #[test]
    fn draws_are_fair() {
        const COUNT: usize = 100;
        const ROUNDS: usize = 5_000;
        let (mut rng, mut draw) = (SmallRng::seed_from_u64(2), Draw::default());
        let turns = [0, 1, 2, FEW - 1, FEW, FEW + 1, COUNT - 1];
        let mut seen = vec![[0; COUNT]; turns.len()];
        for _ in 0..ROUNDS {
            let places = drawn(&mut draw, COUNT, &mut rng);
            for (turn, seen) in turns.iter().zip(&mut seen) {
                seen[places[*turn]] += 1;
            }
        }
        // 50 each, with a standard deviation of 7.
        for seen in seen {
            assert!(seen.iter().all(|times| (20..85).contains(times)), "{seen:?}");
        }
    }
}
