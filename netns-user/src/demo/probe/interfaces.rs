//! The interfaces that can be seen.

use nix::net::if_::if_nameindex;

/// The kernel did not list its interfaces.
#[derive(Debug, thiserror::Error)]
#[error("cannot list the interfaces: {0}")]
pub struct InterfacesError(#[from] nix::Error);

/// Names of all interfaces of the current namespace, in the order of their indexes.
///
/// Asked of the kernel through a socket: `/sys` would still show the namespace that it
/// was mounted in.
pub fn interfaces() -> Result<Vec<String>, InterfacesError> {
    let listed = if_nameindex()?;
    let mut interfaces: Vec<(u32, String)> = listed
        .iter()
        .map(|interface| (interface.index(), interface.name().to_string_lossy().into_owned()))
        .collect();
    interfaces.sort();
    Ok(interfaces.into_iter().map(|(_, name)| name).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_loopback_is_always_there() {
        assert!(super::interfaces().unwrap().contains(&"lo".to_owned()));
    }
}
