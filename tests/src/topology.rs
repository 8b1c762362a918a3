//! A builder of topology files.

use std::fmt::Write as _;

use tempfile::NamedTempFile;

use crate::{Output, netns};

/// A topology file.
#[derive(Clone, Debug)]
pub struct LabFile {
    text: String,
}

/// An empty lab with this name. Without [`LabFile::router`] the machine is its router.
#[must_use]
pub fn lab(name: &str) -> LabFile {
    LabFile { text: format!("name = \"{name}\"\n") }
}

/// A topology file from its text, for what [`lab`] cannot express.
#[must_use]
pub fn lab_file(text: &str) -> LabFile {
    LabFile { text: text.to_owned() }
}

/// The lecture's lab, which is also built into the program.
#[must_use]
pub fn lecture() -> LabFile {
    lab("lecture")
        .router("host")
        .uplink("ens3", "192.168.1.10/24", &outside("lan", "192.168.1.1/24", &["8.8.8.8"]))
        .bridge("v-net-0", "192.168.15.5/24")
        .namespace("red", "v-net-0", "192.168.15.1/24")
        .namespace("blue", "v-net-0", "192.168.15.2/24")
        .masquerade("192.168.15.0/24", "ens3")
        .forward("tcp", 80, "192.168.15.2:80")
}

/// Two routers in a row: a home behind a provider. Both have inside networks in 10.0.0.0/8.
#[must_use]
pub fn town() -> LabFile {
    lab_file(TOWN)
}

/// [`town`] with other networks, each given by its first three bytes.
#[must_use]
pub fn town_with_networks(street: &str, home: &str) -> LabFile {
    lab_file(
        &TOWN.replace("10.64.0.", &format!("{street}.")).replace("10.1.0.", &format!("{home}.")),
    )
}

/// A lab "own" with the machine as its router and this uplink. Its bridge `br-own` has 10.9.0.1;
/// red has 10.9.0.2.
#[must_use]
pub fn lab_on_machine(uplink: &str) -> LabFile {
    lab("own")
        .own_uplink(uplink)
        .bridge("br-own", "10.9.0.1/24")
        .namespace("red", "br-own", "10.9.0.2/24")
        .masquerade("10.9.0.0/24", uplink)
}

const TOWN: &str = r#"name = "town"

[[router]]
namespace = "provider"

[[router]]
namespace = "home"

[[uplink]]
name = "core"
address = "192.0.2.2/24"
gateway = "192.0.2.1"
outside = { namespace = "net", interface = "eth0", address = "192.0.2.1/24", answers = ["8.8.8.8"] }

[[uplink]]
name = "wan"
router = "home"
address = "10.64.0.2/24"
gateway = "10.64.0.1"
plug = { bridge = "br-street" }

[[bridge]]
name = "br-street"
address = "10.64.0.1/24"

[[bridge]]
name = "br-home"
router = "home"
address = "10.1.0.1/24"

[[namespace]]
name = "next"
bridge = "br-street"
address = "10.64.0.3/24"

[[namespace]]
name = "laptop"
bridge = "br-home"
address = "10.1.0.2/24"
"#;

/// The simulated outside of an uplink: one host, and further addresses that it answers for.
#[must_use]
pub fn outside(namespace: &str, address: &str, answers: &[&str]) -> String {
    format!(
        "{{ namespace = \"{namespace}\", interface = \"eth0\", address = \"{address}\", \
         answers = {answers:?} }}"
    )
}

impl LabFile {
    fn with(mut self, table: &str, entries: &[(&str, &str)]) -> Self {
        writeln!(self.text, "\n{table}").expect("text grows");
        for (key, value) in entries {
            writeln!(self.text, "{key} = {value}").expect("text grows");
        }
        self
    }

    #[must_use]
    pub fn router(self, namespace: &str) -> Self {
        self.with("[router]", &[("namespace", &quoted(namespace))])
    }

    /// Adds an uplink with a simulated outside, whose host is the gateway.
    #[must_use]
    pub fn uplink(self, name: &str, address: &str, outside: &str) -> Self {
        let gateway = outside
            .split_once("address = \"")
            .and_then(|(_, rest)| rest.split('/').next())
            .expect("outside has an address");
        self.with(
            "[[uplink]]",
            &[
                ("name", &quoted(name)),
                ("address", &quoted(address)),
                ("gateway", &quoted(gateway)),
                ("outside", outside),
            ],
        )
    }

    /// Adds an uplink that the machine already has.
    #[must_use]
    pub fn own_uplink(self, name: &str) -> Self {
        self.with("[[uplink]]", &[("name", &quoted(name))])
    }

    #[must_use]
    pub fn bridge(self, name: &str, address: &str) -> Self {
        self.with("[[bridge]]", &[("name", &quoted(name)), ("address", &quoted(address))])
    }

    #[must_use]
    pub fn namespace(self, name: &str, bridge: &str, address: &str) -> Self {
        self.with(
            "[[namespace]]",
            &[("name", &quoted(name)), ("bridge", &quoted(bridge)), ("address", &quoted(address))],
        )
    }

    /// Adds `count` namespaces with numbered names and consecutive addresses.
    #[must_use]
    pub fn many(self, name: &str, bridge: &str, count: usize) -> Self {
        let (name, bridge, count) = (quoted(name), quoted(bridge), count.to_string());
        self.with("[[namespace]]", &[("name", &name), ("bridge", &bridge), ("count", &count)])
    }

    #[must_use]
    pub fn masquerade(self, source: &str, uplink: &str) -> Self {
        self.with("[[masquerade]]", &[("source", &quoted(source)), ("uplink", &quoted(uplink))])
    }

    #[must_use]
    pub fn forward(self, protocol: &str, port: u16, target: &str) -> Self {
        self.with(
            "[[forward]]",
            &[
                ("protocol", &quoted(protocol)),
                ("port", &port.to_string()),
                ("target", &quoted(target)),
            ],
        )
    }

    /// Appends TOML text.
    #[must_use]
    pub fn text(mut self, line: &str) -> Self {
        writeln!(self.text, "{line}").expect("text grows");
        self
    }

    /// Replaces the first occurrence of `from`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn replace(self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "{from:?} is not in\n{}", self.text);
        Self { text: self.text.replacen(from, to, 1) }
    }

    /// The position of the first `part`, as `LINE:COLUMN`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn position(&self, part: &str) -> String {
        let at = self.text.find(part);
        let at = at.unwrap_or_else(|| panic!("{part:?} is not in\n{}", self.text));
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        format!("{}:{}", before.matches('\n').count() + 1, at - line_start + 1)
    }

    /// Writes a temporary file.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn write(&self) -> NamedTempFile {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a temporary file");
        std::fs::write(file.path(), &self.text).expect("a temporary file");
        file
    }

    /// Runs `netns up` with this file.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    #[track_caller]
    pub fn up(&self) -> Output {
        let file = self.write();
        netns(&["up", file.path().to_str().expect("a plain path")])
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
