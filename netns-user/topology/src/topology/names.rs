//! Which names are valid for interfaces, namespaces and labs.

use super::limits::{INTERFACE_NAME, LAB_NAME, NAMESPACE_NAME};

/// Why `name` is not valid for a network interface; `None` when it is. These are the kernel's
/// rules (dev_valid_name), and '%', which the kernel takes for a pattern. The settings of an
/// interface are in /proc/sys/net/ipv4/conf/NAME, where `all` and `default` stand for others.
pub fn interface_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("it is empty".into())
    } else if name.len() > INTERFACE_NAME {
        Some(format!("it has {} characters, and Linux allows {INTERFACE_NAME}", name.len()))
    } else if name == "." || name == ".." {
        Some("Linux reserves it".into())
    } else if let Some(bad) = name.chars().find(|c| "/:%".contains(*c)) {
        Some(format!("it contains '{bad}'"))
    } else if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("it contains white space".into())
    } else if name == "lo" {
        Some("every namespace has a loopback interface of that name".into())
    } else if name == "all" || name == "default" {
        Some(format!("Linux keeps the settings of {name} interfaces by that name"))
    } else {
        None
    }
}

/// Why `name` is not valid for a namespace; `None` when it is.
pub fn namespace_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > NAMESPACE_NAME {
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

/// Why `name` is not valid for a lab; `None` when it is. It is the name of a folder in /run and in
/// bpffs, which refuses dots.
pub fn lab_fault(name: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() {
        Some("it is empty".into())
    } else if name.len() > LAB_NAME {
        Some(format!("it has {} characters, and {LAB_NAME} are allowed", name.len()))
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
    fn file_names_are_valid_for_namespaces() {
        for name in ["red", "a", "host-1", "x.y", &"n".repeat(255)] {
            assert_eq!(namespace_fault(name), None, "{name}");
        }
    }

    #[test]
    fn paths_options_and_white_space_are_not_valid_for_namespaces() {
        for name in ["", ".", "..", "a/b", "/", "-n", "a b", "a\n", &"n".repeat(256)] {
            assert!(namespace_fault(name).is_some(), "{name:?}");
        }
    }
}
