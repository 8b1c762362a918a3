//! The target of a forward as a person writes it.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
    str::FromStr,
};

use super::ipv6::{NO_IPV6, is_ipv6};

/// The target of a forward: an address, or the name of a namespace, each with a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ForwardTarget {
    Address(SocketAddrV4),
    /// The topology has the namespace's address: `Topology::resolve`.
    Namespace {
        name: String,
        port: u16,
    },
}

impl FromStr for ForwardTarget {
    type Err = String;

    /// `192.168.15.2:80`, or `blue:80`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_ipv6(text) {
            return Err(format!("{NO_IPV6} like 192.168.15.2:80"));
        }
        let Some((name, port)) = text.rsplit_once(':') else {
            return Err(match text.parse::<Ipv4Addr>() {
                Ok(_) => format!("its port is missing: write it like {text}:80"),
                Err(_) if is_name(text) => {
                    format!("its port is missing: write it like {text}:80")
                }
                Err(_) => neither(),
            });
        };
        let port = match port.parse::<u16>() {
            Ok(0) => return Err("port 0 cannot be a target: use 1 to 65535".into()),
            Ok(port) => port,
            Err(_) => return Err(format!("\"{port}\" is not a port: use 1 to 65535")),
        };
        match name.parse::<Ipv4Addr>() {
            Ok(address) => Ok(Self::Address(SocketAddrV4::new(address, port))),
            Err(_) if is_name(name) => Ok(Self::Namespace { name: name.to_owned(), port }),
            Err(_) => Err(neither()),
        }
    }
}

/// Whether a text can be the name of a namespace. A mistyped address is none.
fn is_name(text: &str) -> bool {
    text.chars().any(|c| !c.is_ascii_digit() && c != '.') && !text.contains(['/', ' '])
}

fn neither() -> String {
    "this is neither an address nor a namespace with a port: write it like 192.168.15.2:80 or \
     blue:80"
        .into()
}

impl fmt::Display for ForwardTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Namespace { name, port } => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ForwardTarget;

    #[test]
    fn an_address_or_a_name_with_a_port_is_a_target() {
        let address = ForwardTarget::Address("10.0.0.2:80".parse().unwrap());
        assert_eq!("10.0.0.2:80".parse(), Ok(address));
        for (text, name, port) in [("blue:80", "blue", 80), ("web-3:65535", "web-3", 65_535)] {
            let target = ForwardTarget::Namespace { name: name.to_owned(), port };
            assert_eq!(text.parse(), Ok(target.clone()));
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn the_error_for_another_text_says_how_to_write_it() {
        let fault = |text: &str| text.parse::<ForwardTarget>().unwrap_err();
        assert_eq!(fault("10.0.0.2"), "its port is missing: write it like 10.0.0.2:80");
        assert_eq!(fault("blue"), "its port is missing: write it like blue:80");
        assert_eq!(fault("blue:0"), "port 0 cannot be a target: use 1 to 65535");
        assert_eq!(fault("blue:http"), "\"http\" is not a port: use 1 to 65535");
        assert_eq!(fault("blue:65536"), "\"65536\" is not a port: use 1 to 65535");
        for text in ["", ":80", "10.0.0.300:80", "10.0.0:80", "a/b:80"] {
            assert!(fault(text).contains("192.168.15.2:80 or blue:80"), "{text}: {}", fault(text));
        }
        for text in ["[2001:db8::1]:80", "2001:db8::1", "::1"] {
            assert!(fault(text).contains("labs have no IPv6 yet"), "{text}: {}", fault(text));
        }
    }
}
