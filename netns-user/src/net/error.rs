//! What can go wrong with the kernel's network objects.

use std::io;

use crate::shell::word;

/// An operation on a namespace, a link or a setting that failed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Nothing of that name is in /run/netns.
    #[error("there is no namespace \"{0}\": `netns list` lists the namespaces")]
    NoNamespace(String),
    /// The file in /run/netns exists, but no namespace is bound to it.
    #[error(
        "/run/netns/{0} is no namespace, only a file: delete it (`netns del {word}`)",
        word = word(.0)
    )]
    DeadNamespace(String),
    /// The name is taken.
    #[error(
        "namespace \"{0}\" already exists: delete it (`netns del {word}`) or choose another name",
        word = word(.0)
    )]
    NamespaceExists(String),
    /// The name cannot be a file in /run/netns.
    #[error("\"{name}\" cannot name a namespace: {reason}")]
    BadNamespaceName { name: String, reason: String },
    /// The calling thread's namespace has no such interface.
    #[error("there is no interface \"{0}\"")]
    NoLink(String),
    /// The kernel refused; `action` says what, beginning with a verb.
    #[error("cannot {action}: {cause}")]
    Refused { action: String, cause: io::Error },
    /// The kernel's answer could not be understood.
    #[error("cannot {action}: the kernel sent an unexpected answer: {answer}")]
    Protocol { action: String, answer: String },
}

impl NetError {
    /// Wraps an error of the operating system; `action` says what was attempted.
    pub fn refused(action: impl Into<String>, cause: impl Into<io::Error>) -> Self {
        Self::Refused { action: action.into(), cause: cause.into() }
    }

    /// Whether the object did not exist, for callers that wanted to delete it.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::NoNamespace(_) | Self::DeadNamespace(_) | Self::NoLink(_) => true,
            Self::Refused { cause, .. } => {
                // ESRCH and EADDRNOTAVAIL are the errors of routes and addresses.
                let absent = [libc::ENODEV, libc::ENOENT, libc::ESRCH, libc::EADDRNOTAVAIL];
                cause.raw_os_error().is_some_and(|code| absent.contains(&code))
            }
            Self::NamespaceExists(_) | Self::BadNamespaceName { .. } | Self::Protocol { .. } => {
                false
            }
        }
    }
}
