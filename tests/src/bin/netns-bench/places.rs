//! The networks that are there: each is built when it is first needed.

use std::{collections::HashMap, net::Ipv4Addr};

use crate::{layout, modes::Mode};

/// What a network is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// As a lab is without further settings.
    Plain,
    /// No link takes more at a time than its MTU.
    OffloadsOff,
    /// With room for [`MANY_FLOWS`] where that is a setting.
    Roomy,
}

/// Beyond the million flows that a work may have live, and those that it begins then.
const MANY_FLOWS: u32 = 1 << 21;

/// Keys under `[nat]` of every lab of ours: of whatever limits what one namespace may do, that it
/// may take all there is, as netfilter lets it.
const UNLIMITED: &str = "quota = 4194304\nunreplied = 4194304";

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::OffloadsOff => "off-",
            Self::Roomy => "roomy-",
        }
    }

    /// The keys of a lab of ours under `[nat]`.
    pub(crate) fn nat(self) -> String {
        match self {
            Self::Plain | Self::OffloadsOff => UNLIMITED.to_owned(),
            Self::Roomy => format!("{UNLIMITED}\nflow_table = {MANY_FLOWS}"),
        }
    }
}

/// Where a work is done.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) mode: Mode,
    pub(crate) kind: Kind,
    /// The client's namespace and address.
    pub(crate) client: String,
    pub(crate) own: Ipv4Addr,
    /// That of another one on the client's bridge. The cable has none.
    pub(crate) neighbour: String,
    pub(crate) server: String,
    /// The router's namespace, and the lab's name where it is one of ours. The cable has none.
    pub(crate) router: String,
    /// The server's address and port, as the client sees it.
    pub(crate) address: Ipv4Addr,
    pub(crate) port: u16,
}

/// The server's port where nothing depends on it.
pub(crate) const PORT: u16 = 9000;

impl Place {
    pub(crate) fn new(mode: Mode, kind: Kind) -> Self {
        let name = format!("{}{}", kind.prefix(), mode.name());
        Self {
            mode,
            kind,
            client: format!("{name}-red"),
            own: if mode == Mode::Cable { layout::UPLINK } else { layout::CLIENT },
            neighbour: format!("{name}-blue"),
            server: format!("{name}-lan"),
            router: format!("{name}-host"),
            address: layout::SERVER,
            port: PORT,
        }
    }

    /// The router's namespace, if there is one.
    pub(crate) fn has_router(&self) -> Option<&str> {
        (self.mode != Mode::Cable).then_some(&self.router)
    }

    /// The same with the neighbour as server; the cable has none, and is the limit as it is.
    pub(crate) fn east_west(&self) -> Self {
        let mut place = self.clone();
        if self.has_router().is_some() {
            place.server.clone_from(&self.neighbour);
            place.address = layout::NEIGHBOUR;
        }
        place
    }

    /// From the other side: what was the server connects to a port that the router forwards.
    pub(crate) fn inward(&self, port: u16) -> Self {
        let mut place = self.clone();
        std::mem::swap(&mut place.client, &mut place.server);
        Self { own: self.address, address: layout::UPLINK, port, ..place }
    }

    fn build(&self) -> anyhow::Result<()> {
        self.mode.build(self)?;
        match self.kind {
            Kind::Plain | Kind::Roomy => Ok(()),
            Kind::OffloadsOff => layout::without_offloads(self),
        }
    }
}

/// The networks, or why there are none, by mode and kind.
#[derive(Debug, Default)]
pub(crate) struct Places {
    built: HashMap<(Mode, Kind), Result<Place, String>>,
}

impl Places {
    /// The network of a mode.
    ///
    /// # Errors
    /// With what is missing, where this machine cannot have this mode.
    pub(crate) fn get(&mut self, mode: Mode, kind: Kind) -> Result<&Place, &str> {
        let place = self.built.entry((mode, kind)).or_insert_with(|| {
            let place = Place::new(mode, kind);
            place.build().map_err(|error| format!("{error:#}"))?;
            Ok(place)
        });
        place.as_ref().map_err(String::as_str)
    }
}
