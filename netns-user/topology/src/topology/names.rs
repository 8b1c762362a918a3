//! What may be the name of what.

/// Longest name of an interface, in bytes (IFNAMSIZ of Linux less the final zero).
const INTERFACE_MAX: usize = 15;

/// Longest name of a lab; names of longer paths in bpffs would still fit.
const LAB_MAX: usize = 64;

/// How alike (0 to 1, Jaro-Winkler) a known name must be to be what was meant.
const SIMILAR: f64 = 0.7;

/// Most names that an error lists.
const LISTED: usize = 8;

/// The one of `known` that is most like `wanted`, if any is like it at all.
pub(super) fn nearest<'k>(wanted: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|name| (likeness(wanted, name), name))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        // Of several that are equally near, the first.
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, name)| name)
}

/// How alike two names are, from 0 to 1. Jaro-Winkler sees nothing alike in short names with two
/// letters exchanged.
fn likeness(wanted: &str, name: &str) -> f64 {
    let likeness = strsim::jaro_winkler(wanted, name);
    let is_slip = wanted.len() > 2 && strsim::damerau_levenshtein(wanted, name) == 1;
    if is_slip { likeness.max(SIMILAR) } else { likeness }
}

/// What to do about `wanted`, which is none of `known`.
pub(super) fn unknown<'k>(wanted: &str, known: impl Iterator<Item = &'k str>) -> String {
    let mut known: Vec<&str> = known.collect();
    match known.as_slice() {
        [] => "the file has none: add it".into(),
        [only] => format!("did you mean \"{only}\"?"),
        several => match nearest(wanted, several.iter().copied()) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => {
                let more = if known.len() > LISTED { " and more" } else { "" };
                known.truncate(LISTED);
                format!("there are {}{more}", known.join(", "))
            }
        },
    }
}

/// Why `name` cannot name a network interface, if it cannot. The kernel's own rules
/// (dev_valid_name), and '%', which it takes for a pattern.
pub fn interface_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("it is empty".into())
    } else if name.len() > INTERFACE_MAX {
        Some(format!("it has {} characters, of which Linux allows {INTERFACE_MAX}", name.len()))
    } else if name == "." || name == ".." {
        Some("Linux reserves it".into())
    } else if let Some(bad) = name.chars().find(|c| "/:%".contains(*c)) {
        Some(format!("it contains '{bad}'"))
    } else if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("it contains white space".into())
    } else if name == "lo" {
        Some("every namespace has a loopback interface of that name".into())
    } else {
        None
    }
}

/// Why `name` cannot name a namespace, if it cannot.
pub fn namespace_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > 255 {
        Some("it is longer than 255 bytes")
    } else if name == "." || name == ".." {
        Some("it names a folder")
    } else if name.contains('/') {
        Some("it contains '/'")
    } else if name.starts_with('-') {
        Some("it begins with '-', like an option")
    } else if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("it contains white space")
    } else {
        None
    }
}

/// Why `name` cannot name a lab, if it cannot. It is a folder in /run and in bpffs, which
/// refuses dots.
pub fn lab_fault(name: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() {
        Some("it is empty".into())
    } else if name.len() > LAB_MAX {
        Some(format!("it has {} characters, of which {LAB_MAX} are allowed", name.len()))
    } else if name.starts_with('-') {
        Some("it begins with '-', like an option".into())
    } else {
        let bad = name.chars().find(|c| !fits(*c))?;
        Some(format!("it contains {bad:?}; letters, digits, '-' and '_' are allowed"))
    }
}

#[cfg(test)]
mod tests {
    use super::namespace_fault;

    #[test]
    fn names_that_are_files_are_fit() {
        for name in ["red", "a", "host-1", "x.y", &"n".repeat(255)] {
            assert_eq!(namespace_fault(name), None, "{name}");
        }
    }

    #[test]
    fn names_that_are_no_files_are_unfit() {
        for name in ["", ".", "..", "a/b", "/", "-n", "a b", "a\n", &"n".repeat(256)] {
            assert!(namespace_fault(name).is_some(), "{name:?}");
        }
    }
}
