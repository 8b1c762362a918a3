//! The values of arguments: the namespaces, interfaces, labs, routers and rules that exist.
//!
//! A completion never fails: it leaves out objects that it cannot read, for example without root.
//! It also leaves out names that a shell would not read as they are, which only a stranger chooses.

use std::collections::BTreeSet;

use clap::{Arg, Command, ValueHint};
use clap_complete::{
    ArgValueCandidates, CompletionCandidate, PathCompleter,
    engine::{ArgValueCompleter, ValueCompleter as _},
};

use crate::{
    commands::routers::{self, LivingRouter},
    datapath::Datapath,
    lab::LabRecord,
    net::{Interface, netns},
    shell,
    step::{NetlinkPool, Survey},
};

/// Gives the arguments of a command and of its subcommands the values that exist. `path` is the
/// command in words, without the program.
pub(super) fn add(command: Command, path: &str) -> Command {
    let command = command.mut_args(|arg| with_values(arg, path));
    command.mut_subcommands(|inner| {
        let path = format!("{path} {}", inner.get_name());
        add(inner, path.trim_start())
    })
}

fn with_values(arg: Arg, path: &str) -> Arg {
    // The names of what is still to be made have no values.
    let values: fn() -> BTreeSet<String> = match (path, arg.get_id().as_str()) {
        (_, "file" | "output") => return arg.value_hint(ValueHint::FilePath),
        (_, "folder") => return arg.value_hint(ValueHint::DirPath),
        ("exec", "command") => return arg.value_hint(ValueHint::CommandWithArguments),
        ("down" | "graph" | "status", "lab") => {
            return arg.add(ArgValueCompleter::new(labs_and_files));
        }
        (_, "lab") => labs,
        ("add", "name") | ("bridge add" | "cable add", "one" | "other") => return arg,
        ("bridge add", "bridge") => return arg,
        (_, "name" | "namespace" | "netns") => namespaces,
        (_, "interface" | "bridge" | "port") if !path.starts_with("forward") => interfaces,
        (_, "dev" | "master") => interface_names,
        (_, "router") => routers,
        (_, "uplink") => uplinks,
        ("masquerade del", "source") => masquerade_sources,
        ("masquerade add", "source") => subnets,
        ("forward del", "port") => forwarded_ports,
        ("forward add", "target") => targets,
        ("forward add" | "forward del", "protocol") => protocols,
        _ => return arg,
    };
    arg.add(ArgValueCandidates::new(move || {
        let plain = values().into_iter().filter(|value| shell::word(value) == *value);
        plain.map(CompletionCandidate::new).collect()
    }))
}

fn records() -> Vec<LabRecord> {
    LabRecord::survey().map(|(records, _)| records).unwrap_or_default()
}

fn labs() -> BTreeSet<String> {
    records().iter().map(|record| record.name().to_owned()).collect()
}

/// Labs, and files as the shell itself completes them.
fn labs_and_files(current: &std::ffi::OsStr) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    let labs = labs().into_iter().filter(|lab| lab.starts_with(typed.as_ref()));
    let files = PathCompleter::any().complete(current);
    labs.map(CompletionCandidate::new).chain(files).collect()
}

fn namespaces() -> BTreeSet<String> {
    netns::list().unwrap_or_default().into_iter().collect()
}

fn interfaces() -> BTreeSet<String> {
    each_interface(|interface| interface.to_string())
}

fn interface_names() -> BTreeSet<String> {
    each_interface(|interface| interface.name.clone())
}

fn each_interface(word: impl Fn(&Interface) -> String) -> BTreeSet<String> {
    let Ok(survey) = Survey::of_all(&mut NetlinkPool::new()) else { return BTreeSet::new() };
    let all = survey.namespaces().flat_map(|(netns, links)| {
        links.iter().map(|link| Interface::new(netns.clone(), &link.name))
    });
    all.map(|interface| word(&interface)).collect()
}

fn routers() -> BTreeSet<String> {
    living_routers().map(|router| router.name().to_owned()).collect()
}

/// The routers of all labs that are up.
fn living_routers() -> impl Iterator<Item = LivingRouter> {
    let of = |record: LabRecord| routers::routers(&record.topology, None).unwrap_or_default();
    records().into_iter().flat_map(of)
}

fn uplinks() -> BTreeSet<String> {
    let of = |record: &LabRecord| {
        record.topology.uplinks.iter().map(|uplink| uplink.name.clone()).collect::<Vec<_>>()
    };
    records().iter().flat_map(of).collect()
}

fn subnets() -> BTreeSet<String> {
    let of = |record: &LabRecord| {
        let bridges = record.topology.bridges.iter();
        bridges.map(|bridge| bridge.address.trunc().to_string()).collect::<Vec<_>>()
    };
    records().iter().flat_map(of).collect()
}

/// The datapaths of all labs that are up.
fn datapaths() -> impl Iterator<Item = Datapath> {
    living_routers().filter_map(|router| Datapath::open(&router.datapath).ok())
}

fn masquerade_sources() -> BTreeSet<String> {
    let rules = datapaths().flat_map(|it| it.masquerades().unwrap_or_default());
    rules.map(|status| status.rule.source.to_string()).collect()
}

fn forwarded_ports() -> BTreeSet<String> {
    let rules = datapaths().flat_map(|it| it.forwards().unwrap_or_default());
    rules.map(|status| status.rule.ports.to_string()).collect()
}

/// The namespaces of labs, to be followed by a port.
fn targets() -> BTreeSet<String> {
    let of = |record: &LabRecord| {
        let plugged = record.topology.plugged();
        plugged.map(|(namespace, _)| format!("{}:", namespace.name)).collect::<Vec<_>>()
    };
    records().iter().flat_map(of).collect()
}

fn protocols() -> BTreeSet<String> {
    ["tcp", "udp", "sctp", "udplite", "tcp,udp"].map(str::to_owned).into()
}
