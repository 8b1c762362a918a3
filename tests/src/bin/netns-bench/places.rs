//! The networks that are there: each is built when it is first needed, and goes with the last
//! work that needs it.

use std::{collections::HashMap, net::Ipv4Addr};

use crate::{layout, modes::Mode};

/// What a network is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// As a lab is without further settings.
    Plain,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Plain => "",
        }
    }
}

/// Where a work is done.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) mode: Mode,
    /// The client's namespace.
    pub(crate) client: String,
    pub(crate) server: String,
    /// The router's namespace, and the lab's name where it is one of ours. The cable has none.
    pub(crate) router: String,
    /// The server's address, as the client sees it.
    pub(crate) address: Ipv4Addr,
}

impl Place {
    pub(crate) fn new(mode: Mode, kind: Kind) -> Self {
        let name = format!("{}{}", kind.prefix(), mode.name());
        Self {
            mode,
            client: format!("{name}-red"),
            server: format!("{name}-lan"),
            router: format!("{name}-host"),
            address: layout::SERVER,
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
            mode.build(&place).map_err(|error| format!("{error:#}"))?;
            Ok(place)
        });
        place.as_ref().map_err(String::as_str)
    }
}
