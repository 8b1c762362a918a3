//! Numbers from environment variables.

use std::env;

/// The number in an environment variable, decimal or hexadecimal; `None` if it is not set.
///
/// # Panics
/// When it is not a number.
#[must_use]
pub fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    Some(number.unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}
