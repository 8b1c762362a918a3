//! Counts in words.

/// A count with its noun: "1 bridge", "2 bridges".
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn a_noun_is_plural_unless_the_count_is_one() {
        assert_eq!(counted(0, "bridge"), "0 bridges");
        assert_eq!(counted(1, "bridge"), "1 bridge");
        assert_eq!(counted(2, "bridge"), "2 bridges");
    }
}
