//! Ranges of ports.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use serde::{Serialize, Serializer};

/// A range of one or more ports, without port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// The ports that a program can use without privileges.
    pub const UNPRIVILEGED: Self = Self { first: 1024, last: u16::MAX };

    /// The range from `first` to `last`; `None` where it is empty or has port 0.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first != 0 && first <= last).then_some(Self { first, last })
    }

    pub fn first(self) -> u16 {
        self.first
    }

    pub fn last(self) -> u16 {
        self.last
    }

    /// The port of a range that has only one.
    pub fn single(self) -> Option<u16> {
        (self.first == self.last).then_some(self.first)
    }

    /// The range with as many ports from `first` on; `None` where it would end above 65535.
    #[must_use]
    pub fn moved_to(self, first: u16) -> Option<Self> {
        Self::new(first, first.checked_add(self.last - self.first)?)
    }

    /// Whether two ranges have ports in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The ports of the range.
    pub fn all(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

impl From<u16> for Ports {
    /// A range of one port. Port 0 becomes port 1.
    fn from(port: u16) -> Self {
        Self { first: port.max(1), last: port.max(1) }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single() {
            Some(port) => port.fmt(f),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl FromStr for Ports {
    type Err = String;

    /// `80`, or `8000-17999`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = |text: &str| match text.parse::<u16>() {
            Ok(port) if port != 0 => Ok(port),
            _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Err(format!("the port {text} does not exist: use 1 to 65535"))
            }
            _ => Err(format!(
                "\"{text}\" is not a port: write one like 80, or several like 8000-8099"
            )),
        };
        let Some((first, last)) = text.split_once('-') else { return port(text).map(Self::from) };
        let (first, last) = (port(first)?, port(last)?);
        Self::new(first, last)
            .ok_or_else(|| format!("the ports {text} run backwards: write {last}-{first}"))
    }
}

/// One port is written as a number, several are written as text.
impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.single() {
            Some(port) => serializer.serialize_u16(port),
            None => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_written_as_they_are_read() {
        for text in ["1", "80", "8000-17999", "1-65535"] {
            assert_eq!(text.parse::<Ports>().unwrap().to_string(), text);
        }
        assert_eq!("80-80".parse::<Ports>().unwrap().to_string(), "80");
    }

    #[test]
    fn the_error_for_invalid_ports_says_how_to_write_them() {
        let fault = |text: &str| text.parse::<Ports>().unwrap_err();
        assert_eq!(fault("0"), "the port 0 does not exist: use 1 to 65535");
        assert_eq!(fault("65536"), "the port 65536 does not exist: use 1 to 65535");
        assert_eq!(fault("90-80"), "the ports 90-80 run backwards: write 80-90");
        for text in ["", "-", "80-", "-80", "http", "80:90", "1-2-3"] {
            assert!(fault(text).contains("write one like 80"), "{text}: {}", fault(text));
        }
    }

    #[test]
    fn a_range_is_moved_only_as_a_whole() {
        let ports = Ports::new(8000, 8009).unwrap();
        assert_eq!(ports.moved_to(80), Ports::new(80, 89));
        assert_eq!(ports.moved_to(65_530), None);
        assert_eq!(ports.moved_to(65_526), Ports::new(65_526, 65_535));
    }
}
