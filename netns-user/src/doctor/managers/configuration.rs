//! Reads what the configurations of both managers have in common: entries in sections, and
//! patterns of names.

/// Whether a shell pattern matches a name.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(name))
}

/// The entries of a configuration file as section, key and value.
pub(super) fn entries(text: &str) -> Vec<(&str, &str, &str)> {
    let mut section = "";
    let mut entries = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else if !line.starts_with(['#', ';'])
            && let Some((key, value)) = line.split_once('=')
        {
            entries.push((section, key.trim(), value.trim()));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_entries() {
        let text = "# a=b\n[Match]\nName = en* eth*\n;c=d\n[Link]\nUnmanaged=yes\n";
        let expected = [("Match", "Name", "en* eth*"), ("Link", "Unmanaged", "yes")];
        assert_eq!(entries(text), expected);
    }
}
