//! Adds up the results in the last lines of the test executables.

use std::{fmt, ops::AddAssign};

/// Numbers of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) skipped: u32,
}

impl Counts {
    /// One failed test.
    pub(super) const FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };

    /// Reads "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; …".
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (_, results) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |word: &str| {
            results.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse().ok())
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
            skipped: count("ignored")?,
        })
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn the_results_are_read_from_the_last_line() {
        let line = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; \
                    finished in 0.10s";
        assert_eq!(Counts::parse(line), Some(Counts { passed: 12, failed: 0, skipped: 1 }));
        let line = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered \
                    out; finished in 1.00s";
        assert_eq!(Counts::parse(line), Some(Counts { passed: 1, failed: 2, skipped: 0 }));
        assert_eq!(Counts::parse("test result_of_a_thing ... ok"), None);
    }

    #[test]
    fn the_last_line_names_skipped_tests_only_when_there_are_some() {
        let counts = Counts { passed: 3, failed: 1, skipped: 0 };
        assert_eq!(counts.to_string(), "3 passed, 1 failed");
        assert_eq!(Counts { skipped: 2, ..counts }.to_string(), "3 passed, 1 failed, 2 skipped");
    }
}
