//! Every command with `--json`, and the type that it prints.

use super::fields::{Output, output_of};
use crate::{
    commands::{
        address, bridge, cable,
        change::{Changed, DryRun, NamedNamespace},
        check, doctor, down, flows, forward, link, list, list_all, log, masquerade, nat, plan, ps,
        route,
        rule_lists::RouterRule,
        show, up, watch,
    },
    demo::check::Verdict,
    graph::Graph,
    inhabitants::Inhabitant,
    lab::LabStatus,
    rules::{ForwardRule, MasqueradeRule},
};

/// The output of one command, or of several that print the same.
pub(super) struct Section {
    /// The words of the commands after `netns`.
    pub(super) commands: &'static [&'static str],
    /// One object stands for this; or further facts.
    pub(super) text: &'static str,
    pub(super) output: Output,
}

/// The commands without JSON of their own.
pub(super) const UNCHANGED: [(&str, &str); 3] = [
    ("link del", "prints the JSON of `netns cable del` or `netns bridge del`"),
    ("schema", "prints the JSON Schema of topology files in any case"),
    ("completions", "prints a script for a shell in any case"),
];

/// The output of a dry run of any command.
pub(super) fn dry_run() -> Output {
    output_of::<DryRun<'_>>()
}

/// Every section, in the order of the commands in `netns --help`.
pub(super) fn sections() -> Vec<Section> {
    let mut sections = labs();
    sections.extend(namespaces());
    sections.extend(steps());
    sections.extend(rules());
    sections
}

fn section(commands: &'static [&'static str], text: &'static str, output: Output) -> Section {
    Section { commands, text, output }
}

fn labs() -> Vec<Section> {
    vec![
        section(
            &["demo"],
            "Each object is a check and its result. The exit code is 1 if a check failed.",
            output_of::<Vec<Verdict>>(),
        ),
        section(&["up"], "", output_of::<up::Done<'_>>()),
        section(&["plan"], "", output_of::<plan::Planned<'_>>()),
        section(
            &["down"],
            "With `--all`, the output is an array of such objects, one for each lab.",
            output_of::<down::Done>(),
        ),
        section(
            &["status"],
            "Each object is a lab. The exit code is 1 if a part of a lab is missing, off or changed.",
            output_of::<Vec<LabStatus>>(),
        ),
        section(
            &["doctor"],
            "The exit code is 1 if a finding is a fault.",
            output_of::<doctor::Report<'_>>(),
        ),
        section(
            &["graph"],
            "With `-o FILE`, the file gets it. Optional fields are absent where they do not apply.",
            output_of::<Graph>(),
        ),
        section(
            &["check"],
            "The exit code is 1 if the file is not valid.",
            output_of::<check::Checked<'_>>(),
        ),
    ]
}

fn namespaces() -> Vec<Section> {
    vec![
        section(&["add", "del"], "", output_of::<Changed<NamedNamespace>>()),
        section(&["list"], "Each object is a named namespace.", output_of::<Vec<list::Row>>()),
        section(
            &["identify"],
            "Each object is a name of the namespace of the process; it may have several.",
            output_of::<Vec<NamedNamespace>>(),
        ),
        section(&["pids"], "Each object is a process.", output_of::<Vec<Inhabitant>>()),
        section(&["ps"], "Each object is a process.", output_of::<Vec<ps::Row>>()),
        section(&["show"], "", output_of::<show::View>()),
    ]
}

fn steps() -> Vec<Section> {
    vec![
        section(&["cable add", "cable del"], "", output_of::<Changed<cable::Ends>>()),
        section(&["cable list"], "Each object is a cable.", output_of::<Vec<cable::Row>>()),
        section(&["bridge add"], "", output_of::<Changed<bridge::Added>>()),
        section(&["bridge del"], "", output_of::<Changed<bridge::Deleted>>()),
        section(&["bridge attach", "bridge detach"], "", output_of::<Changed<bridge::Plugged>>()),
        section(&["bridge list"], "Each object is a bridge.", output_of::<Vec<bridge::Row>>()),
        section(&["addr add", "addr del"], "", output_of::<Changed<address::Held>>()),
        section(
            &["addr list"],
            "Each object is an address. Loopback and link-local addresses are left out.",
            output_of::<Vec<list_all::Row<show::AddressView>>>(),
        ),
        section(&["link set"], "", output_of::<Changed<link::Set>>()),
        section(
            &["link list"],
            "Each object is an interface.",
            output_of::<Vec<list_all::Row<show::LinkView>>>(),
        ),
        section(&["route add", "route del"], "", output_of::<Changed<route::Routed>>()),
        section(
            &["route list"],
            "Each object is a route.",
            output_of::<Vec<list_all::Row<show::RouteView>>>(),
        ),
    ]
}

fn rules() -> Vec<Section> {
    vec![
        section(
            &["masquerade add", "masquerade del"],
            "The rule that was added or deleted.",
            output_of::<masquerade::Changed<'_>>(),
        ),
        section(
            &["masquerade list"],
            "Each object is a rule of a router.",
            output_of::<Vec<RouterRule<MasqueradeRule>>>(),
        ),
        section(
            &["forward add", "forward del"],
            "The rule that was added or deleted. For a list of protocols such as `tcp,udp`, the \
             output is an array of such objects.",
            output_of::<forward::Changed<'_>>(),
        ),
        section(
            &["forward list"],
            "Each object is a rule of a router.",
            output_of::<Vec<RouterRule<ForwardRule>>>(),
        ),
        section(
            &["nat"],
            "If the output has one router, the fields of that router besides `router` stand beside \
             `lab` too. These are deprecated aliases for programs that were written for one \
             router: use `routers`.",
            output_of::<nat::Nat<'_>>(),
        ),
        section(
            &["flows"],
            "Each object is a connection, the busiest first.",
            output_of::<Vec<flows::Row<'_>>>(),
        ),
        section(&["flows flush"], "", output_of::<flows::Flushed>()),
        section(
            &["log"],
            "One object on a line for each packet, until the command ends.",
            output_of::<log::LogLine>(),
        ),
        section(
            &["watch"],
            "The counters now, of the router that `--router` selects, else of the first one.",
            output_of::<watch::Watched<'_>>(),
        ),
    ]
}
