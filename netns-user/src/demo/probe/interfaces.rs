//! Lists the interfaces of the current namespace.

use nix::net::if_::if_nameindex;

/// The kernel refused to list the interfaces.
#[derive(Debug, thiserror::Error)]
#[error("cannot list the interfaces: {0}")]
pub struct InterfacesError(#[from] nix::Error);

/// The names of all interfaces of the current namespace, in the order of their indexes.
///
/// They are read through a socket, since `/sys` shows the namespace in which it was mounted.
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
    fn the_loopback_interface_is_listed() {
        assert!(super::interfaces().unwrap().contains(&"lo".to_owned()));
    }
}
