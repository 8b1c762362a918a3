//! Words of the commands that are printed.

/// A word as a shell takes it for itself.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:/@+=%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Several words.
pub(super) fn words<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The command that gives a setting a value; `key` is a path below /proc/sys. Dots are the
/// usual separator, but interfaces may have them in their names.
pub(super) fn sysctl(key: &str, value: &str) -> String {
    let key = if key.contains('.') { key.to_owned() } else { key.replace('/', ".") };
    format!("sysctl -w {}", word(&format!("{key}={value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words() {
        assert_eq!(word("br-a"), "br-a");
        assert_eq!(word("a;b"), "'a;b'");
        assert_eq!(word("it's"), r"'it'\''s'");
        assert_eq!(word(""), "''");
        assert_eq!(words(["a", "$b"]), "a '$b'");
    }

    #[test]
    fn dots_in_interfaces_are_no_separators() {
        assert_eq!(sysctl("net/ipv4/ip_forward", "1"), "sysctl -w net.ipv4.ip_forward=1");
        let key = "net/ipv4/conf/eth0.7/forwarding";
        assert_eq!(sysctl(key, "1"), "sysctl -w net/ipv4/conf/eth0.7/forwarding=1");
    }
}
