//! Rounding as the contract does it: half up, and whole numbers without a decimal point.

use serde_json::Number;

/// `value / divisor` rounded half up to two decimals; 0 when there is nothing to divide by.
#[must_use]
pub fn ratio2(value: u64, divisor: u64) -> Number {
    scaled(u128::from(value), u128::from(divisor), 100)
}

/// `100 * value / total` rounded half up to one decimal; 0 when there is nothing to divide by.
#[must_use]
pub fn percent1(value: u64, total: u64) -> Number {
    scaled(u128::from(value) * 100, u128::from(total), 10)
}

/// `value / divisor` rounded half up to `1 / scale`, printed without a fraction when it is whole.
pub(crate) fn scaled(value: u128, divisor: u128, scale: u64) -> Number {
    if divisor == 0 {
        return Number::from(0);
    }
    let units = (value * u128::from(scale) * 2 + divisor) / (divisor * 2);
    let units = u64::try_from(units).unwrap_or(u64::MAX);
    if units.is_multiple_of(scale) {
        return Number::from(units / scale);
    }
    Number::from_f64(units as f64 / scale as f64).expect("a finite quotient")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_round_half_up_and_print_whole_numbers_without_a_point() {
        for (value, divisor, shown) in
            [(8, 3, "2.67"), (181, 14, "12.93"), (9, 4, "2.25"), (4, 2, "2"), (0, 5, "0"), (5, 0, "0"), (1, 200, "0.01"), (1, 201, "0")]
        {
            assert_eq!(ratio2(value, divisor).to_string(), shown, "{value}/{divisor}");
        }
    }

    #[test]
    fn percents_have_at_most_one_decimal() {
        for (value, total, shown) in [(1, 3, "33.3"), (2, 3, "66.7"), (1, 1, "100"), (0, 0, "0"), (1, 8, "12.5"), (1, 2000, "0.1")] {
            assert_eq!(percent1(value, total).to_string(), shown, "{value}/{total}");
        }
    }
}
