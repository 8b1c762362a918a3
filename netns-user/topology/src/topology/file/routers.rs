//! Routers, and the routes of routers and namespaces.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::values::{Address, Destination, Metric, Number, Text};

/// A router: it routes between bridges and uplinks, and translates addresses on the way.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "router")]
pub(crate) struct RouterFile {
    /// Name of the namespace that is made for the router. Without it, the machine itself routes;
    /// only the first router can be the machine.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(crate) namespace: Option<Text>,
    /// Routes of the router, besides those by its uplinks.
    #[serde(default)]
    #[schemars(with = "Vec<RouteFile>")]
    pub(crate) routes: Vec<Spanned<RouteFile>>,
}

/// A route of a namespace or a router. It has a `via`, an `interface` or both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "route")]
pub(crate) struct RouteFile {
    /// The destination subnet; "default" for everything that no other route covers.
    #[schemars(with = "Destination")]
    pub(crate) to: Text,
    /// Address of the next router, in a subnet of the namespace.
    #[serde(default)]
    #[schemars(with = "Address")]
    pub(crate) via: Option<Text>,
    /// Outgoing interface.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(crate) interface: Option<Text>,
    /// The route with the lowest metric is used where several lead to one subnet; without it, 0.
    #[serde(default)]
    #[schemars(with = "Metric")]
    pub(crate) metric: Option<Number>,
}
