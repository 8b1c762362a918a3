//! One or more protocols as a word: `tcp`, or `tcp,udp`.

use std::str::FromStr;

use crate::rules::ForwardProtocol;

/// At least one protocol, each once, in the order in which they were typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocols(Vec<ForwardProtocol>);

impl Protocols {
    /// Whether it is one protocol, and not a list of them.
    pub fn is_one(&self) -> bool {
        self.0.len() == 1
    }

    /// The protocols.
    pub fn iter(&self) -> impl Iterator<Item = ForwardProtocol> {
        self.0.iter().copied()
    }
}

impl FromStr for Protocols {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Vec::new();
        for word in text.split(',') {
            let protocol = word.trim().parse()?;
            if !all.contains(&protocol) {
                all.push(protocol);
            }
        }
        Ok(Self(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ForwardProtocol::{Tcp, Udp};

    #[test]
    fn protocols_may_be_several_and_in_upper_case() {
        assert_eq!("tcp".parse(), Ok(Protocols(vec![Tcp])));
        assert_eq!("UDP,tcp,udp".parse(), Ok(Protocols(vec![Udp, Tcp])));
        for text in ["", "tcp,", "icmp"] {
            let fault = text.parse::<Protocols>().unwrap_err();
            assert!(fault.contains("use tcp, udp, sctp or udplite"), "{text}: {fault}");
        }
    }
}
