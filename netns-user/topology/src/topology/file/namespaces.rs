//! Namespaces, and templates for several of them.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{
    gateway::GatewayFile,
    routers::RouteFile,
    values::{Address, Count, Mtu, Number, Quota, Subnet, Text},
};

/// Declares the tables of a namespace and of a template from the keys that they share, each with
/// its type in this program and its type in the schema.
macro_rules! tables {
    ($($(#[$doc:meta])+ $key:ident: $type:ty, $schema:literal;)+) => {
        /// A namespace, or several alike.
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(rename = "namespace")]
        pub(crate) struct NamespaceFile {
            /// Name of the namespace. With `count`, {} in it stands for the number of each; without
            /// {}, -1, -2 and so on are appended.
            #[schemars(with = "String")]
            pub(crate) name: Text,
            /// How many to make.
            #[serde(default)]
            #[schemars(with = "Count")]
            pub(crate) count: Option<Number>,
            /// Name of a template. Its keys hold where the namespace does not set them.
            #[serde(default)]
            #[schemars(with = "String")]
            pub(crate) template: Option<Text>,
            $(
                $(#[$doc])+
                #[serde(default)]
                #[schemars(with = $schema)]
                $key: Option<$type>,
            )+
        }

        /// Keys that several namespaces share.
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(rename = "template")]
        pub(crate) struct TemplateFile {
            $(
                $(#[$doc])+
                #[serde(default)]
                #[schemars(with = $schema)]
                $key: Option<$type>,
            )+
        }

        /// The keys of a namespace, each from its template where it does not set the key itself.
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct NamespaceKeys<'f> {
            $(pub(crate) $key: Option<&'f $type>,)+
        }

        impl<'f> NamespaceKeys<'f> {
            pub(crate) fn new(
                namespace: &'f NamespaceFile,
                template: Option<&'f TemplateFile>,
            ) -> Self {
                Self {
                    $($key: namespace.$key.as_ref().or(template.and_then(|it| it.$key.as_ref())),)+
                }
            }
        }
    };
}

tables! {
    /// Bridge that its cable leads to; without it, there is no cable.
    bridge: Text, "String";
    /// Its address, with the prefix length of the bridge's subnet. Without it, it gets the next
    /// free address of the subnet. With `count`, it is the address of the first one, and the others
    /// follow upwards.
    address: Text, "Subnet";
    /// Name of the cable's end in the namespace; without it, veth-NAME.
    interface: Text, "String";
    /// Name of the cable's end on the bridge; without it, veth-NAME-br.
    port: Text, "String";
    /// Gateway of its default route; without it, the bridge's address. False: no default route.
    gateway: Spanned<GatewayFile>, "GatewayFile";
    /// MTU of both ends of the cable, in bytes; without it, that of the bridge.
    mtu: Number, "Mtu";
    /// Whether packets that do not have the namespace's own addresses as their source are dropped;
    /// without it, as `nat` says.
    source_check: Spanned<bool>, "bool";
    /// How many connections it can have at a time; without it, as `nat` says.
    quota: Number, "Quota";
    /// Name servers, for /etc/netns/NAME/resolv.conf; without it, those of the bridge.
    dns: Vec<Text>, "Vec<Address>";
    /// Whether it forwards packets between its interfaces, as a router without translation.
    forwarding: bool, "bool";
    /// Routes of the namespace, besides the default route by its gateway.
    routes: Vec<Spanned<RouteFile>>, "Vec<RouteFile>";
}
