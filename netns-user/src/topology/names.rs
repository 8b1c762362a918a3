//! What may be the name of what.

/// Longest name of an interface, in bytes (IFNAMSIZ of Linux less the final zero).
const INTERFACE_MAX: usize = 15;

/// Longest name of a lab; names of longer paths in bpffs would still fit.
const LAB_MAX: usize = 64;

/// Why `name` cannot name a network interface, if it cannot. The kernel's own rules
/// (dev_valid_name), and '%', which it takes for a pattern.
pub(crate) fn interface_fault(name: &str) -> Option<String> {
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

/// Why `name` cannot name a lab, if it cannot. It is a folder in /run and in bpffs, which
/// refuses dots.
pub(super) fn lab_fault(name: &str) -> Option<String> {
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
