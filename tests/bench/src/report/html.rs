//! Pieces of the page.

use std::fmt::Write as _;

/// The name of a plot in links.
pub(super) fn anchor(workload: &str, metric: &str) -> String {
    let is_plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    format!("{workload}-{metric}").chars().map(is_plain).collect()
}

/// Appends a line.
pub(super) fn add(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("text grows");
}

/// Text without characters that mean something in HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::anchor;

    #[test]
    fn a_link_has_letters_digits_and_hyphens_only() {
        assert_eq!(anchor("latency", "p99.9"), "latency-p99-9");
    }
}
