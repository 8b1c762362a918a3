//! Which outside port an inside port is mapped to, and which remotes can use it (RFC 4787 sections
//! 4.1 and 5).

use std::{fmt, str::FromStr};

use clap::ValueEnum;
use netns_common::abi::Filtering as FilteringNumber;
use schemars::JsonSchema;
use serde::Serialize;

/// Which outside port an inside port is mapped to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Mapping {
    /// One for each remote address and port; several namespaces share a port (as MASQUERADE)
    #[default]
    AddressAndPortDependent,
    /// One for all remotes, which no other inside port shares
    EndpointIndependent,
}

/// Which remotes can open a connection to an endpoint-independent mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Filtering {
    /// None: only the remote address and port of a connection can answer
    #[default]
    AddressAndPortDependent,
    /// Any port of a remote address that the inside port has sent to
    AddressDependent,
    /// All remotes
    EndpointIndependent,
}

/// The word for a value, as it is typed.
fn word<E: ValueEnum>(value: &E) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn parse<E: ValueEnum>(text: &str, kind: &str) -> Result<E, String> {
    E::from_str(text, false).map_err(|_| {
        let words: Vec<String> =
            E::value_variants().iter().map(|value| format!("\"{}\"", word(value))).collect();
        format!("\"{text}\" is not a {kind}: write {}", words.join(" or "))
    })
}

macro_rules! words {
    ($($type:ty, $kind:literal;)+) => {
        $(
            impl fmt::Display for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&word(self))
                }
            }

            impl FromStr for $type {
                type Err = String;

                fn from_str(text: &str) -> Result<Self, String> {
                    parse(text, $kind)
                }
            }
        )+
    };
}

words! {
    Mapping, "mapping";
    Filtering, "filtering";
}

impl Filtering {
    /// Its number in the maps of the datapath.
    pub const fn number(self) -> u8 {
        match self {
            Self::AddressAndPortDependent => FilteringNumber::AddressAndPort as u8,
            Self::AddressDependent => FilteringNumber::Address as u8,
            Self::EndpointIndependent => FilteringNumber::Endpoint as u8,
        }
    }

    /// The filtering for a number in the maps.
    pub const fn from_number(number: u8) -> Self {
        match FilteringNumber::from_number(number) {
            FilteringNumber::AddressAndPort => Self::AddressAndPortDependent,
            FilteringNumber::Address => Self::AddressDependent,
            FilteringNumber::Endpoint => Self::EndpointIndependent,
        }
    }
}

/// For serde: whether a value is the default, which is left out of the file.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_words_of_the_rfc_and_an_unknown_word_is_answered_with_all_of_them() {
        assert_eq!("endpoint-independent".parse(), Ok(Mapping::EndpointIndependent));
        assert_eq!(Filtering::AddressDependent.to_string(), "address-dependent");
        let fault = "cone".parse::<Mapping>().unwrap_err();
        assert_eq!(
            fault,
            "\"cone\" is not a mapping: write \"address-and-port-dependent\" or \
             \"endpoint-independent\""
        );
        for filtering in Filtering::value_variants() {
            assert_eq!(Filtering::from_number(filtering.number()), *filtering);
        }
    }
}
