//! What many figures of one kind come to: the middle, how far they lie apart, and ratios taken pair
//! by pair.

/// The middle of some values and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The smallest.
    pub(crate) least: f64,
    /// A quarter are no greater.
    pub(crate) lower: f64,
    /// Half are no greater.
    pub(crate) median: f64,
    /// Three quarters are no greater.
    pub(crate) upper: f64,
    /// The greatest.
    pub(crate) most: f64,
}

impl Spread {
    /// Of finite values in any order; `None` without any.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let [lower, median, upper] = [0.25, 0.5, 0.75].map(|share| quantile(&values, share));
        Some(Self { least, lower, median, upper, most })
    }
}

/// The value below which `share` of the sorted values lie, between two of them by the straight line
/// (type 7 of Hyndman and Fan, what R and NumPy do).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// Ours by theirs, for every round that has both; what changes from round to round hits both of a
/// pair. Values come with the number of their round.
pub(crate) fn ratios(ours: &[(u32, f64)], theirs: &[(u32, f64)]) -> Vec<f64> {
    let pairs = ours.iter().filter_map(|(round, value)| {
        let (_, other) = theirs.iter().find(|(other, _)| other == round)?;
        Some(value / other)
    });
    pairs.filter(|ratio| ratio.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_quarters_of_any_order() {
        let spread = Spread::of([5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        let wanted = Spread { least: 1.0, lower: 2.0, median: 3.0, upper: 4.0, most: 5.0 };
        assert_eq!(spread, wanted);
        assert_eq!(Spread::of([1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(Spread::of([7.0]).unwrap().upper, 7.0);
    }

    #[test]
    fn nothing_has_no_middle() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([f64::NAN, f64::INFINITY]), None);
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let ours = [(0, 1.0), (1, 4.0), (2, 9.0)];
        let theirs = [(2, 3.0), (0, 2.0)];
        assert_eq!(ratios(&ours, &theirs), [0.5, 3.0]);
    }

    #[test]
    fn a_ratio_to_nothing_is_none() {
        assert_eq!(ratios(&[(0, 1.0)], &[(0, 0.0)]), [0.0; 0]);
    }
}
