//! Which outside port an inside port has, and who may use it (RFC 4787 sections 4.1 and 5).

use std::{fmt, str::FromStr};

use clap::ValueEnum;
use netns_common::abi::Filtering as FilteringNumber;
use schemars::JsonSchema;
use serde::Serialize;

/// Which outside port an inside port has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Mapping {
    /// One for each remote address and port: a port of the router serves many (as MASQUERADE)
    #[default]
    AddressAndPortDependent,
    /// One, whatever it talks to, and nobody else has it
    EndpointIndependent,
}

/// Who outside may begin a connection to an endpoint-independent mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Filtering {
    /// Nobody: only the address and port that was sent to may answer
    #[default]
    AddressAndPortDependent,
    /// Any port of an address that was sent to
    AddressDependent,
    /// Anybody
    EndpointIndependent,
}

/// The word of a choice, as it is typed.
fn word<E: ValueEnum>(choice: &E) -> String {
    choice.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn parse<E: ValueEnum>(text: &str, what: &str) -> Result<E, String> {
    E::from_str(text, false).map_err(|_| {
        let words: Vec<String> =
            E::value_variants().iter().map(|choice| format!("\"{}\"", word(choice))).collect();
        format!("\"{text}\" is no {what}: write {}", words.join(" or "))
    })
}

macro_rules! words {
    ($($type:ty, $what:literal;)+) => {
        $(
            impl fmt::Display for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&word(self))
                }
            }

            impl FromStr for $type {
                type Err = String;

                fn from_str(text: &str) -> Result<Self, String> {
                    parse(text, $what)
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
    /// As it lies in the maps.
    pub const fn number(self) -> u8 {
        match self {
            Self::AddressAndPortDependent => FilteringNumber::AddressAndPort as u8,
            Self::AddressDependent => FilteringNumber::Address as u8,
            Self::EndpointIndependent => FilteringNumber::Endpoint as u8,
        }
    }

    /// Of what lies in the maps.
    pub const fn from_number(number: u8) -> Self {
        match FilteringNumber::from_number(number) {
            FilteringNumber::AddressAndPort => Self::AddressAndPortDependent,
            FilteringNumber::Address => Self::AddressDependent,
            FilteringNumber::Endpoint => Self::EndpointIndependent,
        }
    }
}

/// For serde: whether it is the default, which is not written.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_rfc_and_others_are_told_which() {
        assert_eq!("endpoint-independent".parse(), Ok(Mapping::EndpointIndependent));
        assert_eq!(Filtering::AddressDependent.to_string(), "address-dependent");
        let fault = "cone".parse::<Mapping>().unwrap_err();
        assert_eq!(
            fault,
            "\"cone\" is no mapping: write \"address-and-port-dependent\" or \
             \"endpoint-independent\""
        );
        for filtering in Filtering::value_variants() {
            assert_eq!(Filtering::from_number(filtering.number()), *filtering);
        }
    }
}
