//! The server's numbers: digits of base 10000, taken to an integer of some scale without rounding.

use std::fmt;

use arrow::datatypes::i256;

use super::decode::Fault;

const BASE: u16 = 10_000;
/// Decimal digits of one digit of the base.
const WIDTH: i32 = 4;

/// The powers of ten that 64 bits hold.
const TENS: [u64; 20] = {
    let mut tens = [1; 20];
    let mut power = 1;
    while power < tens.len() {
        tens[power] = tens[power - 1] * 10;
        power += 1;
    }
    tens
};

/// A number times ten to `scale`, as [`Numeric::scaled`] gives it, if it is short as most are: four
/// digits of the base at most. `None` leaves it to [`Numeric`], and does not say that it is wrong.
#[inline]
pub(super) fn short(bytes: &[u8], scale: i32) -> Option<i64> {
    let (&[n, count, a, b, sign, low, _, _], digits) = bytes.split_first_chunk::<8>()?;
    let negative = match (sign, low) {
        (0, 0) => false,
        (0x40, 0) => true,
        _ => return None,
    };
    if n > 0 || count > 4 || digits.len() != 2 * usize::from(count) {
        return None;
    }
    let mut value = 0;
    for pair in digits.chunks_exact(2) {
        let digit = u16::from_be_bytes([pair[0], pair[1]]);
        if digit >= BASE {
            return None;
        }
        value = value * u64::from(BASE) + u64::from(digit);
    }
    let weight = i32::from(i16::from_be_bytes([a, b]));
    let last = WIDTH * (weight + 1 - i32::from(count)) + scale;
    // Dividing by a constant is a multiplication.
    let (value, rest) = match last {
        0.. => (
            value.checked_mul(*TENS.get(last.unsigned_abs() as usize)?)?,
            0,
        ),
        -1 => (value / 10, value % 10),
        -2 => (value / 100, value % 100),
        -3 => (value / 1000, value % 1000),
        _ => return None,
    };
    let value = i64::try_from(value).ok().filter(|_| rest == 0)?;
    Some(if negative { -value } else { value })
}

/// A number as it comes over the wire, checked and not copied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numeric<'a> {
    sign: Sign,
    /// The power of the base that the first digit counts.
    weight: i32,
    /// Decimal digits after the point, as the server shows them.
    shown: u16,
    /// Two bytes each, the greatest first.
    digits: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
    NaN,
    Infinity,
    MinusInfinity,
}

/// An integer that is wide enough for decimals.
pub(super) trait Wide: Copy {
    const ZERO: Self;
    fn from_digit(digit: u16) -> Self;
    fn add(self, other: Self) -> Option<Self>;
    fn times(self, other: Self) -> Option<Self>;
    fn negated(self) -> Self;
    /// Ten to a power.
    fn ten(power: u32) -> Option<Self>;
}

impl Wide for i128 {
    const ZERO: Self = 0;
    fn from_digit(digit: u16) -> Self {
        digit.into()
    }
    fn add(self, other: Self) -> Option<Self> {
        self.checked_add(other)
    }
    fn times(self, other: Self) -> Option<Self> {
        self.checked_mul(other)
    }
    fn negated(self) -> Self {
        -self
    }
    fn ten(power: u32) -> Option<Self> {
        10_i128.checked_pow(power)
    }
}

impl Wide for i256 {
    const ZERO: Self = i256::ZERO;
    fn from_digit(digit: u16) -> Self {
        i256::from_i128(digit.into())
    }
    fn add(self, other: Self) -> Option<Self> {
        self.checked_add(other)
    }
    fn times(self, other: Self) -> Option<Self> {
        self.checked_mul(other)
    }
    fn negated(self) -> Self {
        self.wrapping_neg()
    }
    fn ten(power: u32) -> Option<Self> {
        i256::from_i128(10).checked_pow(power)
    }
}

impl<'a> Numeric<'a> {
    /// Reads the wire form: counts, sign, digits.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let (head, digits) = bytes
            .split_at_checked(8)
            .ok_or(Fault::Protocol("a number without its head"))?;
        let part = |i: usize| u16::from_be_bytes([head[2 * i], head[2 * i + 1]]);
        if digits.len() != 2 * usize::from(part(0)) {
            return Err(Fault::Protocol("a number with too few or too many digits"));
        }
        if digits
            .chunks_exact(2)
            .any(|pair| u16::from_be_bytes([pair[0], pair[1]]) >= BASE)
        {
            return Err(Fault::Protocol("a number with a digit beyond its base"));
        }
        let sign = match part(2) {
            0x0000 => Sign::Plus,
            0x4000 => Sign::Minus,
            0xC000 => Sign::NaN,
            0xD000 => Sign::Infinity,
            0xF000 => Sign::MinusInfinity,
            _ => return Err(Fault::Protocol("a number with an unknown sign")),
        };
        let weight = i32::from(i16::from_be_bytes([head[2], head[3]]));
        Ok(Self {
            sign,
            weight,
            shown: part(3),
            digits,
        })
    }

    fn digits(&self) -> impl DoubleEndedIterator<Item = u16> + ExactSizeIterator + use<'a> {
        self.digits
            .chunks_exact(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
    }

    /// The number times ten to `scale`; `None` if that is no integer, or too long a one.
    pub(super) fn scaled<T: Wide>(&self, scale: i32) -> Option<T> {
        if !matches!(self.sign, Sign::Plus | Sign::Minus) {
            return None;
        }
        let mut value = T::ZERO;
        // The power of ten of the digit at hand, and what `value` still lacks of it.
        let mut power = self.weight * WIDTH + scale;
        let mut lacks = 0;
        for digit in self.digits() {
            if power >= 0 {
                value = value
                    .times(T::from_digit(BASE))?
                    .add(T::from_digit(digit))?;
                lacks = power.unsigned_abs();
            } else if power > -WIDTH {
                let cut = 10_u16.pow(power.unsigned_abs());
                if digit % cut != 0 {
                    return None;
                }
                let kept = T::from_digit(digit / cut);
                value = value
                    .times(T::ten((WIDTH + power).unsigned_abs())?)?
                    .add(kept)?;
                lacks = 0;
            } else if digit != 0 {
                return None;
            }
            power -= WIDTH;
        }
        // Zeros at the end are not sent.
        if lacks > 0 {
            value = value.times(T::ten(lacks)?)?;
        }
        Some(if self.sign == Sign::Minus {
            value.negated()
        } else {
            value
        })
    }
}

/// As the server prints it.
impl fmt::Display for Numeric<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sign {
            Sign::NaN => return f.write_str("NaN"),
            Sign::Infinity => return f.write_str("Infinity"),
            Sign::MinusInfinity => return f.write_str("-Infinity"),
            Sign::Minus => f.write_str("-")?,
            Sign::Plus => {}
        }
        let digit = |i: i32| {
            let position = usize::try_from(i).ok();
            position.and_then(|i| self.digits().nth(i)).unwrap_or(0)
        };
        let whole: String = (0..=self.weight)
            .map(|i| format!("{:04}", digit(i)))
            .collect();
        let whole = whole.trim_start_matches('0');
        f.write_str(if whole.is_empty() { "0" } else { whole })?;
        if self.shown == 0 {
            return Ok(());
        }
        let groups = i32::from(self.shown.div_ceil(4));
        let fraction: String = (1..=groups)
            .map(|i| format!("{:04}", digit(self.weight + i)))
            .collect();
        write!(f, ".{}", &fraction[..usize::from(self.shown)])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The wire form of a decimal text.
    fn wire(text: &str) -> Vec<u8> {
        let (sign, text) = text
            .strip_prefix('-')
            .map_or((0_u16, text), |text| (0x4000, text));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let left = format!("{whole:0>width$}", width = whole.len().div_ceil(4) * 4);
        let right = format!(
            "{fraction:0<width$}",
            width = fraction.len().div_ceil(4) * 4
        );
        let all = left.clone() + &right;
        let mut digits: Vec<u16> = all
            .as_bytes()
            .chunks(4)
            .map(|four| std::str::from_utf8(four).unwrap().parse().unwrap())
            .collect();
        let mut weight = left.len() as i16 / 4 - 1;
        while digits.first() == Some(&0) {
            digits.remove(0);
            weight -= 1;
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            weight = 0;
        }
        let head = [
            digits.len() as u16,
            weight as u16,
            sign,
            fraction.len() as u16,
        ];
        head.into_iter()
            .chain(digits)
            .flat_map(u16::to_be_bytes)
            .collect()
    }

    #[test]
    fn numbers_are_taken_whole_or_not_at_all() {
        let take = |text: &str, scale| Numeric::parse(&wire(text)).unwrap().scaled::<i128>(scale);
        assert_eq!(take("0", 2), Some(0));
        assert_eq!(take("0.00", 2), Some(0));
        assert_eq!(take("12.5", 2), Some(1250));
        assert_eq!(take("12.5", 0), None);
        assert_eq!(take("120000", 0), Some(120_000));
        assert_eq!(take("120000", -3), Some(120));
        assert_eq!(take("120500", -3), None);
        assert_eq!(take("0.00001", 5), Some(1));
        assert_eq!(take("0.00001", 4), None);
        assert_eq!(take(&"9".repeat(38), 0), Some(10_i128.pow(38) - 1));
        assert_eq!(take(&"9".repeat(40), 0), None);
        let nine = format!("{}.{}", "9".repeat(10), "9".repeat(28));
        assert_eq!(take(&nine, 28), Some(10_i128.pow(38) - 1));
    }

    proptest! {
        #[test]
        fn a_decimal_comes_back(value in any::<i128>(), scale in 0_usize..38) {
            let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            let sign = if value < 0 { "-" } else { "" };
            let point = if scale > 0 { "." } else { "" };
            let text = format!("{sign}{whole}{point}{fraction}");
            let bytes = wire(&text);
            let number = Numeric::parse(&bytes).unwrap();
            prop_assert_eq!(number.to_string(), text);
            if value != i128::MIN {
                prop_assert_eq!(number.scaled::<i128>(scale as i32), Some(value));
            }
            prop_assert_eq!(number.scaled(scale as i32), Some(i256::from_i128(value)));
        }

        #[test]
        fn a_short_number_is_the_same(
            digits in prop::collection::vec(prop_oneof![0..u16::MAX, 0..BASE, Just(0)], 0..6), weight in -4..5_i16,
            sign in prop::sample::select(vec![0, 0x4000, 0xC000_u16]), scale in -9..20,
        ) {
            let head = [digits.len() as u16, weight as u16, sign, 0];
            let bytes: Vec<u8> = head.into_iter().chain(digits).flat_map(u16::to_be_bytes).collect();
            if let Some(value) = short(&bytes, scale) {
                let number = Numeric::parse(&bytes).unwrap();
                prop_assert_eq!(number.scaled::<i128>(scale), Some(value.into()));
            }
        }

        #[test]
        fn money_is_short(cents in -9_999_999_999_999_i64..9_999_999_999_999) {
            let sign = if cents < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100);
            prop_assert_eq!(short(&wire(&text), 2), Some(cents));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), scale in -80..80) {
            let _ = short(&bytes, scale);
            if let Ok(number) = Numeric::parse(&bytes) {
                let _ = number.scaled::<i128>(scale);
                let _ = number.scaled::<i256>(scale);
                let _ = number.to_string();
            }
        }
    }
}
