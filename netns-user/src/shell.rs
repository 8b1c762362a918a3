//! Quotes the words of printed commands: a person runs them in a shell, and others may have chosen
//! the names in them.

use std::fmt::Write as _;

use crate::output::is_unsafe;

/// A word that a POSIX shell reads as exactly this text. Characters that a terminal would interpret
/// are printed as numbers. Line breaks at its end are lost then; no name has any.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:/@+=%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    if !text.contains(is_unsafe) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut format = String::new();
    for c in text.chars() {
        match c {
            '%' => format += "%%",
            '\\' => format += r"\\",
            '\'' => format += r"'\''",
            c if is_unsafe(c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing to a string cannot fail.
                    let _ = write!(format, r"\{byte:03o}");
                }
            }
            c => format.push(c),
        }
    }
    format!("\"$(printf '{format}')\"")
}

/// Several words, each quoted.
pub(crate) fn words<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The command that gives a setting a value.
pub(crate) fn sysctl(key: &str, value: &str) -> String {
    format!("sysctl -w {}", assignment(key, value))
}

/// A setting and its value, as the command `sysctl` takes them; `key` is a path below /proc/sys.
/// Dots are the usual separator, but names of interfaces may contain them.
pub(crate) fn assignment(key: &str, value: &str) -> String {
    let key = if key.contains('.') { key.to_owned() } else { key.replace('/', ".") };
    word(&format!("{key}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_as_they_are_and_others_are_quoted() {
        assert_eq!(word("br-a"), "br-a");
        assert_eq!(word("a;b"), "'a;b'");
        assert_eq!(word("it's"), r"'it'\''s'");
        assert_eq!(word("a\u{1b}]%"), r#""$(printf 'a\033]%%')""#);
        assert_eq!(word(""), "''");
        assert_eq!(words(["a", "$b"]), "a '$b'");
    }

    #[test]
    fn a_shell_reads_each_quoted_word_unchanged() {
        for text in ["a b", "it's", "$(reboot)", "`x`;*", "ev\u{1b}]0;P'%\\n\u{7}il", "\u{202e}ä\t"]
        {
            let script = format!("printf %s {}", word(text));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text, "{script}");
        }
    }

    #[test]
    fn dots_in_interfaces_are_no_separators() {
        assert_eq!(sysctl("net/ipv4/ip_forward", "1"), "sysctl -w net.ipv4.ip_forward=1");
        let key = "net/ipv4/conf/eth0.7/forwarding";
        assert_eq!(sysctl(key, "1"), "sysctl -w net/ipv4/conf/eth0.7/forwarding=1");
    }
}
