//! Exact numbers out of whatever storage class SQLite chose for them.

use arrow::datatypes::i256;
use rusqlite::types::ValueRef;

/// The greatest integer below which every decimal of so many digits has a double of its own.
const REAL_LIMIT: f64 = 1e15;

/// What a decimal of some precision and scale may be, with the powers that each value needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exact {
    precision: u8,
    scale: u8,
    /// Units of an integer's one; none where no number has so many digits.
    one: Option<i128>,
    /// The same where it is short; zero where it is not.
    short_one: i64,
    /// All units are below this.
    limit: u128,
    /// The same for doubles, and for those that are exact whatever the way they are taken.
    real_one: f64,
    real_limit: f64,
}

impl Exact {
    pub(super) fn new(precision: u8, scale: u8) -> Self {
        Self {
            precision,
            scale,
            one: 10_i128.checked_pow(scale.into()),
            short_one: 10_i64.checked_pow(scale.into()).unwrap_or_default(),
            limit: 10_u128.pow(precision.min(38).into()),
            real_one: 10_f64.powi(i32::from(scale.min(22))),
            real_limit: if scale <= 15 {
                10_f64.powi(i32::from(precision.min(15))).min(REAL_LIMIT)
            } else {
                0.0
            },
        }
    }

    /// A number in units of 10^-scale, if it has at most so many digits and no finer fraction. An
    /// integer and a text are taken digit by digit; a REAL is the shortest decimal that reads back
    /// as the same double.
    #[inline]
    pub(super) fn units(&self, value: ValueRef<'_>) -> Option<i128> {
        match value {
            ValueRef::Integer(value) => {
                let units = match value.checked_mul(self.short_one) {
                    Some(units) if self.short_one > 0 => i128::from(units),
                    _ => i128::from(value).checked_mul(self.one?)?,
                };
                (units.unsigned_abs() < self.limit).then_some(units)
            }
            ValueRef::Real(value) => self
                .short_real(value)
                .or_else(|| real_digits(value)?.scaled(self.precision, self.scale)),
            ValueRef::Text(text) => Digits::parse(text)?.scaled(self.precision, self.scale),
            ValueRef::Null | ValueRef::Blob(_) => None,
        }
    }

    /// A double of at most 15 digits without a way over text. Numerator and power of ten are exact
    /// doubles, so their quotient is the one double that the decimal reads as.
    #[inline]
    fn short_real(&self, value: f64) -> Option<i128> {
        let units = (value * self.real_one).round_ties_even();
        let exact = units.abs() < self.real_limit && units / self.real_one == value;
        exact.then_some(i128::from(units as i64))
    }
}

/// The same for numbers of up to 76 digits.
pub(super) fn wide_scaled(value: ValueRef<'_>, precision: u8, scale: u8) -> Option<i256> {
    let digits = match value {
        ValueRef::Integer(value) => Digits::parse(value.to_string().as_bytes())?,
        ValueRef::Real(value) => real_digits(value)?,
        ValueRef::Text(text) => Digits::parse(text)?,
        ValueRef::Null | ValueRef::Blob(_) => return None,
    };
    i256::from_string(&digits.unscaled(precision, scale)?)
}

fn real_digits(value: f64) -> Option<Digits> {
    value
        .is_finite()
        .then(|| format!("{value:e}"))
        .and_then(|text| Digits::parse(text.as_bytes()))
}

/// A decimal number: digits without zeros at either end, times ten to the exponent.
struct Digits {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Digits {
    /// Reads `[+-]digits[.digits][e[+-]digits]`.
    fn parse(text: &[u8]) -> Option<Self> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (mantissa, mut exponent) = match text.iter().position(|byte| b"eE".contains(byte)) {
            Some(at) => (
                &text[..at],
                std::str::from_utf8(&text[at + 1..]).ok()?.parse().ok()?,
            ),
            None => (text, 0_i64),
        };
        let dot = mantissa.iter().position(|&byte| byte == b'.');
        let (whole, fraction) = match dot {
            Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
            None => (mantissa, &[][..]),
        };
        let mut digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        while digits.last() == Some(&b'0') {
            digits.pop();
            exponent = exponent.checked_add(1)?;
        }
        let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
        digits.drain(..zeros);
        Some(Self {
            negative,
            digits,
            exponent,
        })
    }

    /// How many zeros follow the digits in units of 10^-`scale`, if they are whole and fit.
    fn zeros(&self, precision: u8, scale: u8) -> Option<usize> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let zeros = usize::try_from(self.exponent.checked_add(scale.into())?).ok()?;
        (self.digits.len().checked_add(zeros)? <= usize::from(precision)).then_some(zeros)
    }

    fn scaled(&self, precision: u8, scale: u8) -> Option<i128> {
        let zeros = self.zeros(precision.min(38), scale)?;
        let digits = self
            .digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        let unscaled = digits * 10_i128.pow(u32::try_from(zeros).ok()?);
        Some(if self.negative { -unscaled } else { unscaled })
    }

    fn unscaled(&self, precision: u8, scale: u8) -> Option<String> {
        let zeros = self.zeros(precision, scale)?;
        let mut text = String::from(if self.negative { "-0" } else { "0" });
        text.extend(self.digits.iter().map(|&digit| char::from(digit)));
        text.extend(std::iter::repeat_n('0', zeros));
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_taken_whole_or_not_at_all() {
        let text = |text: &'static str| ValueRef::Text(text.as_bytes());
        for (value, precision, scale, expected) in [
            (ValueRef::Integer(12), 4, 2, Some(1200)),
            (ValueRef::Integer(100), 4, 2, None),
            (
                ValueRef::Integer(i64::MIN),
                38,
                0,
                Some(i128::from(i64::MIN)),
            ),
            (ValueRef::Real(0.1), 15, 2, Some(10)),
            (ValueRef::Real(0.1 + 0.2), 15, 2, None),
            (
                ValueRef::Real(0.1 + 0.2),
                18,
                17,
                Some(30_000_000_000_000_004),
            ),
            (ValueRef::Real(-99.99), 4, 2, Some(-9999)),
            (ValueRef::Real(99.995), 4, 2, None),
            (ValueRef::Real(-0.0), 4, 2, Some(0)),
            (
                ValueRef::Real(1e20),
                38,
                0,
                Some(100_000_000_000_000_000_000),
            ),
            (ValueRef::Real(f64::INFINITY), 38, 0, None),
            (
                text("12345678901234567890.12"),
                22,
                2,
                Some(1_234_567_890_123_456_789_012),
            ),
            (text("-.5"), 2, 1, Some(-5)),
            (text("5."), 2, 1, Some(50)),
            (text("1.50e1"), 3, 1, Some(150)),
            (text("0.000"), 1, 0, Some(0)),
            (text("1e400000000000"), 38, 0, None),
            (text("1e-400000000000"), 38, 0, None),
            (text("0e99999"), 1, 0, Some(0)),
            (text("12,5"), 9, 2, None),
            (text(""), 9, 2, None),
            (text("."), 9, 2, None),
            (text("--1"), 9, 2, None),
            (text("0x10"), 9, 2, None),
        ] {
            assert_eq!(
                Exact::new(precision, scale).units(value),
                expected,
                "{value:?} {precision},{scale}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_short_decimal_survives_a_double(unscaled in -999_999_999_999_999_i64..=999_999_999_999_999, scale in 0_u8..=15) {
            let text = format!("{unscaled}e-{scale}");
            let real: f64 = text.parse().unwrap();
            prop_assert_eq!(Exact::new(15, scale).units(ValueRef::Real(real)), Some(i128::from(unscaled)));
            prop_assert_eq!(Exact::new(15, scale).units(ValueRef::Text(text.as_bytes())), Some(i128::from(unscaled)));
        }

        #[test]
        fn the_quick_way_agrees_with_the_digits(real in proptest::num::f64::ANY, scale in 0_u8..=15) {
            let slow = real_digits(real).and_then(|digits| digits.scaled(15, scale));
            prop_assert_eq!(Exact::new(15, scale).units(ValueRef::Real(real)), slow);
        }

        #[test]
        fn wide_and_narrow_agree(unscaled in any::<i64>(), scale in 0_u8..=19) {
            let text = format!("{unscaled}e-{scale}");
            let value = ValueRef::Text(text.as_bytes());
            let narrow = Exact::new(19, scale).units(value).map(i256::from_i128);
            prop_assert_eq!(wide_scaled(value, 19, scale), narrow);
        }
    }
}
