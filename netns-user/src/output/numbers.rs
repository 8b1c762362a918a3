//! Short forms of counts, sizes, rates and durations.

use std::time::Duration;

/// A count: in full up to five digits, then in thousands, millions, ….
pub fn count(number: u64) -> String {
    scaled(number, 100_000, &["", "k", "M", "G", "T", "P"], "")
}

/// A number of bytes, in powers of ten as network tools count.
pub fn bytes(number: u64) -> String {
    scaled(number, 1000, &[" B", " kB", " MB", " GB", " TB", " PB"], "")
}

/// Bits per second, from the bytes in a time. If the time is 0, the rate is 0.
pub fn bits_per_second(bytes: u64, elapsed: Duration) -> String {
    let rate = per_second(bytes, elapsed).saturating_mul(8);
    scaled(rate, 1000, &[" ", " k", " M", " G", " T", " P"], "bit/s")
}

/// Packets per second, from the packets in a time. If the time is 0, the rate is 0.
pub fn packets_per_second(packets: u64, elapsed: Duration) -> String {
    count(per_second(packets, elapsed))
}

fn per_second(amount: u64, elapsed: Duration) -> u64 {
    let micros = elapsed.as_micros();
    if micros == 0 {
        return 0;
    }
    let rate = (u128::from(amount) * 1_000_000 + micros / 2) / micros;
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// `number` with the first suffix that makes it short enough; in full below `from`.
fn scaled(number: u64, from: u64, suffixes: &[&str], unit: &str) -> String {
    if number < from {
        return format!("{number}{}{unit}", suffixes[0]);
    }
    // Rounded before the unit is chosen, so that 999.96 k becomes 1.0 M.
    let mut tenths = u128::from(number) * 10;
    let mut step = 0;
    while tenths >= 10_000 && step + 1 < suffixes.len() {
        tenths = (tenths + 500) / 1000;
        step += 1;
    }
    let suffix = suffixes[step];
    if tenths < 1000 {
        format!("{}.{}{suffix}{unit}", tenths / 10, tenths % 10)
    } else {
        format!("{}{suffix}{unit}", tenths / 10)
    }
}

/// A length of time: at most three digits below a minute, then the two largest units.
pub fn duration(length: Duration) -> String {
    let micros = length.as_micros();
    let seconds = length.as_secs();
    match seconds {
        0 if micros < 1_000 => format!("0.{micros:03} ms"),
        0 if micros < 10_000 => format!("{}.{:02} ms", micros / 1000, micros % 1000 / 10),
        0 => format!("{} ms", micros / 1000),
        1..10 => format!("{seconds}.{} s", length.subsec_millis() / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_in_full_up_to_five_digits() {
        assert_eq!(count(0), "0");
        assert_eq!(count(99_999), "99999");
        assert_eq!(count(100_000), "100k");
        assert_eq!(count(1_234_567), "1.2M");
        assert_eq!(count(u64::MAX), "18446P");
    }

    #[test]
    fn bytes_are_rounded_up_to_the_next_unit() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1000), "1.0 kB");
        assert_eq!(bytes(99_949), "99.9 kB");
        assert_eq!(bytes(999_960), "1.0 MB");
        assert_eq!(bytes(1_000_000_000), "1.0 GB");
    }

    #[test]
    fn rates_are_per_second_whatever_the_interval() {
        assert_eq!(bits_per_second(125_000, Duration::from_secs(1)), "1.0 Mbit/s");
        assert_eq!(bits_per_second(125_000, Duration::from_millis(500)), "2.0 Mbit/s");
        assert_eq!(packets_per_second(3, Duration::from_secs(2)), "2");
        assert_eq!(packets_per_second(1_230_000, Duration::from_secs(1)), "1.2M");
    }

    #[test]
    fn the_rate_of_no_time_is_0() {
        assert_eq!(packets_per_second(10, Duration::ZERO), "0");
    }

    #[test]
    fn durations_have_at_most_two_units() {
        assert_eq!(duration(Duration::from_micros(41)), "0.041 ms");
        assert_eq!(duration(Duration::from_micros(1_234)), "1.23 ms");
        assert_eq!(duration(Duration::from_micros(12_345)), "12 ms");
        assert_eq!(duration(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(duration(Duration::from_secs(59)), "59 s");
        assert_eq!(duration(Duration::from_secs(61)), "1m01s");
        assert_eq!(duration(Duration::from_secs(7_440)), "2h04m");
        assert_eq!(duration(Duration::from_secs(90_000)), "1d01h");
    }
}
