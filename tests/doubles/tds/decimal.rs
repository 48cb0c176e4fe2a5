//! Exact numbers of up to 38 digits, and bytes of them that sort as the numbers do.
//!
//! The engine has no decimals. It holds each as a key: equal numbers have equal keys whatever their
//! scale (1.50 is 1.5), and keys compare byte by byte as the numbers compare. So `=`, `<`, `BETWEEN`,
//! `ORDER BY`, `DISTINCT`, `MIN` and an index are right without a function around them.
//!
//! A key is a sign (0, 1 or 2), then for a number other than zero its exponent and its digits without
//! zeros at either end; of a negative number both are turned around, and 0xFF ends it.

const NEGATIVE: u8 = 0;
const ZERO: u8 = 1;
const POSITIVE: u8 = 2;

/// An exact number, `unscaled` × 10^-`scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    pub unscaled: i128,
    pub scale: u8,
}

impl Decimal {
    pub fn new(unscaled: i128, scale: u8) -> Self {
        Self { unscaled, scale }
    }

    /// Reads `-12.50`; no exponent.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.trim_start_matches(['-', '+']);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{fraction}");
        let is_number = !all.is_empty() && all.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || text.len() - digits.len() > 1 {
            return None;
        }
        let unscaled: i128 = all.parse().ok()?;
        let scale = u8::try_from(fraction.len()).ok()?;
        let signed = if text.starts_with('-') {
            -unscaled
        } else {
            unscaled
        };
        Some(Self::new(signed, scale))
    }

    /// The same number with another scale, rounded half away from zero as SQL Server does; `None`
    /// where it has no room.
    pub fn rescale(self, scale: u8) -> Option<Self> {
        let power = |digits: u8| 10_i128.checked_pow(digits.into());
        let unscaled = if scale >= self.scale {
            match power(scale - self.scale) {
                Some(factor) => self.unscaled.checked_mul(factor)?,
                None if self.unscaled == 0 => 0,
                None => return None,
            }
        } else {
            match power(self.scale - scale) {
                Some(divisor) => {
                    let half = divisor / 2;
                    let rest = self.unscaled % divisor;
                    let up = i128::from(rest.abs() >= half) * self.unscaled.signum();
                    self.unscaled / divisor + up
                }
                None => 0,
            }
        };
        Some(Self::new(unscaled, scale))
    }

    /// The whole number that is left when the fraction is cut off.
    pub fn truncate(self) -> i128 {
        let power = 10_i128.checked_pow(self.scale.into());
        power.map_or(0, |divisor| self.unscaled / divisor)
    }

    /// Whether it has no more than so many digits at its scale.
    pub fn fits(self, precision: u8) -> bool {
        let limit = 10_u128.checked_pow(precision.into());
        limit.is_none_or(|limit| self.unscaled.unsigned_abs() < limit)
    }

    pub fn key(self) -> Vec<u8> {
        let digits = self.unscaled.unsigned_abs().to_string();
        if digits == "0" {
            return vec![ZERO];
        }
        let exponent = digits.len() as i32 - i32::from(self.scale);
        let exponent = u8::try_from(exponent + 128).expect("at most 39 digits, scale at most 255");
        let digits = digits.trim_end_matches('0').bytes();
        if self.unscaled > 0 {
            [POSITIVE, exponent].into_iter().chain(digits).collect()
        } else {
            let turned = digits.map(|digit| b'0' + b'9' - digit);
            let start = [NEGATIVE, !exponent].into_iter();
            start.chain(turned).chain([0xFF]).collect()
        }
    }

    /// The number of a key, with the least scale that holds it.
    pub fn of_key(key: &[u8]) -> Result<Self, String> {
        let broken = || format!("{key:?} is no key of a decimal");
        let (sign, exponent, digits) = match key {
            [ZERO] => return Ok(Self::new(0, 0)),
            [POSITIVE, exponent, digits @ ..] => (1, *exponent, digits.to_vec()),
            [NEGATIVE, exponent, turned @ .., 0xFF] => {
                let digits = turned.iter().map(|digit| b'0' + b'9' - digit);
                (-1, !exponent, digits.collect())
            }
            _ => return Err(broken()),
        };
        let text = String::from_utf8(digits).map_err(|_| broken())?;
        let unscaled: i128 = text.parse().map_err(|_| broken())?;
        let scale = text.len() as i32 - (i32::from(exponent) - 128);
        let (unscaled, scale) = match u8::try_from(scale) {
            Ok(scale) => (Some(unscaled), scale),
            Err(_) => {
                let power = 10_i128.checked_pow(scale.unsigned_abs());
                (power.and_then(|power| unscaled.checked_mul(power)), 0)
            }
        };
        Ok(Self::new(sign * unscaled.ok_or_else(broken)?, scale))
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scale = usize::from(self.scale);
        let digits = self.unscaled.unsigned_abs().to_string();
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let point = if scale == 0 { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}
