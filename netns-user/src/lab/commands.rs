//! What `up` and `down` do, written as commands of other programs: a script for `sh -e`. Steps that
//! no other program can do are comments in it.

use std::collections::HashSet;

use super::{
    actual_state::ActualState,
    changes::{ChangeKind, diff},
    datapaths::{RouterDatapath, datapaths},
    error::LabError,
    forwarding::machine::{self, ForwardingChange},
    plan::{Plan, datapath::DatapathPlan, lines::datapath_lines},
    preflight, rcu_expedited,
    record::{LabRecord, resolved},
    resources::{Resource, addresses::LinkAddresses, gates, resources},
    take_down::{recorded::grace_periods, unrecorded::Lost},
};
use crate::{
    datapath::{Datapath, DatapathChange},
    net::{Interface, Netns, hosts::links, resolver, sysctl},
    shell::word,
    step::{Step, forward_command, masquerade_commands, program_comment, routed_command},
    topology::Topology,
};

/// Marks a change of the datapath of a lab that is up. The real iptables rule would be an
/// additional rule, and could not delete the existing one.
const IN_EBPF: &str = "# in eBPF: ";

impl Plan {
    /// The equivalent commands of other programs, in order.
    pub fn commands(&self) -> Vec<String> {
        let replaced = self.datapaths.iter().filter_map(|(datapath, kind)| {
            let is_replaced = matches!(kind, DatapathPlan::Install { replaces: true });
            is_replaced.then_some(&datapath.spec.lab)
        });
        let gone = self.removed_datapaths.iter().chain(replaced);
        let (begin, end) =
            rcu_expedited::commands(self.grace_periods()).map(<[String; 2]>::into).unzip();
        let mut commands: Vec<String> = begin.into_iter().collect();
        commands.extend(gone.map(|name| unpin(name)));
        let half_made =
            self.half_made.iter().map(|name| Step::DeleteNamespace { name: name.clone() });
        commands.extend(half_made.flat_map(|step| step.commands()));
        if self.forwarding == Some(ForwardingChange::SwitchOn) {
            commands.extend(set(sysctl::IP_FORWARD, "1"));
            commands.extend(machine::EFFECTS.map(|effect| format!("# {effect}")));
        }
        commands.extend(self.steps().flat_map(Step::commands));
        // A program is detached when its interface is deleted.
        let deleted: HashSet<&Interface> = self
            .steps()
            .filter_map(|step| match step {
                Step::DeleteLink { interface } => Some(interface),
                _ => None,
            })
            .collect();
        for (datapath, kind) in &self.datapaths {
            commands.extend(match kind {
                DatapathPlan::Install { .. } => install_commands(datapath),
                DatapathPlan::Change(changes) => {
                    let commands = changes
                        .iter()
                        .flat_map(|change| change_commands(datapath, change, &deleted));
                    commands.collect()
                }
            });
        }
        let made = self.changes.iter().filter(|change| change.kind == ChangeKind::Add);
        let opened = made.flat_map(|change| change.resource.guarded_steps());
        let opened =
            opened.chain(self.closed_gates.iter().map(|interface| gates::step(interface, true)));
        commands.extend(opened.flat_map(|step| step.commands()));
        commands.extend(end);
        if let Some(ForwardingChange::Restore(settings)) = &self.forwarding {
            commands.extend(settings.iter().flat_map(|(key, value)| set(key, value)));
        }
        commands
    }
}

/// The equivalent commands for [`super::down()`] of the lab as it is now; none when it is not up.
///
/// # Errors
/// When the record cannot be read or the kernel refuses to tell.
pub fn down_commands(lab: &str) -> Result<Vec<String>, LabError> {
    preflight::require_root()?;
    let record = match LabRecord::find(lab) {
        Ok(Some(record)) => record,
        Ok(None) | Err(LabError::BadRecord { .. } | LabError::OtherVersion(_)) => {
            return Ok(Lost::find(lab)?.map_or_else(Vec::new, |lost| lost_commands(lab, &lost)));
        }
        Err(error) => return Err(error),
    };
    let resources = record.resources();
    let actual = ActualState::of(&record, &resources)?.actual(&resources);
    // Objects that disappear with others need no step of their own.
    let gone = diff(&actual, &[], &LinkAddresses::of_resources(&actual)).into_iter();
    // `down` keeps a file that was changed by hand, or is somebody else's.
    let is_kept = |step: &Step| match step {
        Step::DeleteResolver { namespace } => resolver::is_edited(namespace),
        Step::UnlinkHosts { namespace, lab } => !links::is_linked(namespace, lab),
        _ => false,
    };
    let steps = gone.filter_map(|mut change| change.steps.pop());
    let steps = steps.filter(|step| !is_kept(step));
    let (begin, end) =
        rcu_expedited::commands(grace_periods(&resources)).map(<[String; 2]>::into).unzip();
    let mut commands: Vec<String> = begin.into_iter().collect();
    let is_there = |interface: &Interface| {
        actual.iter().flat_map(Resource::interfaces).any(|there| there == interface)
    };
    let open = gates::gates(&record.topology).into_iter().filter(is_there);
    commands.extend(open.flat_map(|interface| Step::SetLink { interface, up: false }.commands()));
    commands.extend(record.datapaths.iter().map(|name| unpin(name)));
    commands.extend(steps.flat_map(|step| step.commands()));
    commands.extend(end);
    let set_back = machine::to_restore(&record)?;
    commands.extend(set_back.iter().flat_map(|(key, value)| set(key, value)));
    Ok(commands)
}

/// The commands for a lab whose record is missing or cannot be read.
fn lost_commands(lab: &str, lost: &Lost) -> Vec<String> {
    let links = lost.links().iter().map(|link| format!("ip link del dev {}", word(link)));
    let namespaces = lost.namespaces().iter();
    let namespaces = namespaces.map(|name| format!("ip netns del {}", word(name)));
    let pins = lost.datapaths().iter().map(|name| unpin(name));
    let unlinked = lost.hosts_links().iter().flat_map(|name| {
        Step::UnlinkHosts { namespace: name.clone(), lab: lab.to_owned() }.commands()
    });
    links.chain(namespaces).chain(unlinked).chain(pins).collect()
}

/// The commands that undo the commands of a [`Plan`] for a new lab.
///
/// # Errors
/// When the kernel refuses to tell.
pub fn undo_commands(topology: &Topology) -> Result<Vec<String>, LabError> {
    let wanted = resolved(topology, preflight::auto_uplink(topology)?.as_deref());
    let resources = resources(&wanted);
    let gone = diff(&resources, &[], &LinkAddresses::of_resources(&resources)).into_iter();
    let steps = gone.filter_map(|mut change| change.steps.pop());
    let mut commands: Vec<String> = steps.flat_map(|step| step.commands()).collect();
    // Datapaths in namespaces disappear with them.
    let machine = datapaths(&wanted).into_iter().filter(|datapath| datapath.router.is_none());
    for RouterDatapath { spec, .. } in machine {
        let netns = &Netns::Machine;
        let routed =
            spec.routed.iter().map(|it| routed_command(netns, &it.uplink, it.source, false));
        commands.extend(routed);
        let masquerades = spec.masquerades.iter();
        commands.extend(masquerades.flat_map(|rule| masquerade_commands(netns, rule, false)));
        commands.extend(spec.forwards.iter().flat_map(|rule| forward_command(netns, rule, false)));
    }
    if wanted.uses_machine() {
        let setting = sysctl::IP_FORWARD.replace('/', ".");
        commands.push(format!("# if net.{setting} was 0 before, set it to 0 again"));
    }
    Ok(commands)
}

/// The kernel removes programs and maps when their pins are deleted.
fn unpin(datapath: &str) -> String {
    format!("rm -r {}", Datapath::pins_of(datapath).display())
}

/// Sets a sysctl of the machine.
fn set(key: &str, value: &str) -> Vec<String> {
    Step::Set { netns: Netns::Machine, key: key.to_owned(), value: value.to_owned() }.commands()
}

/// The rules of iptables that translate in place of the programs.
fn install_commands(datapath: &RouterDatapath) -> Vec<String> {
    let RouterDatapath { router, spec } = datapath;
    let netns = &Netns::of(router.as_deref());
    let uplinks = spec.uplinks.iter().flat_map(|name| programs(netns, name, true, true));
    let cables = spec.cables.iter().flat_map(|cable| programs(netns, &cable.port, false, true));
    let routed = spec.routed.iter().map(|it| routed_command(netns, &it.uplink, it.source, true));
    let masquerades =
        spec.masquerades.iter().flat_map(|rule| masquerade_commands(netns, rule, true));
    let forwards = spec.forwards.iter().flat_map(|rule| forward_command(netns, rule, true));
    uplinks.chain(cables).chain(routed).chain(masquerades).chain(forwards).collect()
}

/// A change of an installed datapath.
fn change_commands(
    datapath: &RouterDatapath,
    change: &DatapathChange,
    deleted: &HashSet<&Interface>,
) -> Vec<String> {
    let netns = &Netns::of(datapath.router.as_deref());
    let stays = |name: &str| !deleted.contains(&Interface::new(netns.clone(), name));
    let rule = |commands: Vec<String>| {
        let marked = commands.into_iter().map(|line| match line.starts_with('#') {
            true => line,
            false => format!("{IN_EBPF}{line}"),
        });
        marked.collect()
    };
    match change {
        DatapathChange::Uplink { name, added } if *added || stays(name) => {
            programs(netns, name, true, *added)
        }
        DatapathChange::Cable { port, added } if *added || stays(port) => {
            programs(netns, port, false, *added)
        }
        DatapathChange::Uplink { .. } | DatapathChange::Cable { .. } => Vec::new(),
        DatapathChange::Masquerade { rule: masquerade, added } => {
            rule(masquerade_commands(netns, masquerade, *added))
        }
        DatapathChange::Forward { rule: forward, added } => {
            rule(forward_command(netns, forward, *added))
        }
        DatapathChange::Routed { routed, added } => {
            rule(vec![routed_command(netns, &routed.uplink, routed.source, *added)])
        }
        DatapathChange::SourceCheck(_)
        | DatapathChange::CableSourceCheck { .. }
        | DatapathChange::Reassembler
        | DatapathChange::ForwardGuard
        | DatapathChange::Setting { .. }
        | DatapathChange::ViaStack(_) => {
            let kind = DatapathPlan::Change(vec![change.clone()]);
            let lines = datapath_lines(datapath, &kind, &HashSet::new()).into_iter();
            lines
                .map(|line| format!("{IN_EBPF}{} {}: {}", line.kind, line.name, line.detail))
                .collect()
        }
    }
}

fn programs(netns: &Netns, interface: &str, uplink: bool, attached: bool) -> Vec<String> {
    use netns_common::abi::programs::{FROM_NAMESPACE, FROM_UPLINK, TO_UPLINK};
    let interface = Interface::new(netns.clone(), interface);
    let hooks: &[(&str, &str)] = if uplink {
        &[("egress", TO_UPLINK), ("ingress", FROM_UPLINK)]
    } else {
        &[("ingress", FROM_NAMESPACE)]
    };
    hooks
        .iter()
        .map(|(direction, program)| program_comment(&interface, direction, program, attached))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::datapaths::datapaths, install_commands};
    use crate::topology::Topology;

    #[test]
    fn the_rule_for_an_untranslated_source_comes_before_the_masquerades() {
        let mut lab = Topology::lecture();
        lab.uplinks[0].routed = vec!["192.168.15.1/32".parse().unwrap()];
        let commands = install_commands(&datapaths(&lab)[0]);
        let rules = commands.iter().filter(|line| line.contains("POSTROUTING"));
        let nat = "ip netns exec host iptables -t nat -A POSTROUTING";
        assert_eq!(
            rules.collect::<Vec<_>>(),
            [
                &format!("{nat} -s 192.168.15.1/32 -o ens3 -j ACCEPT"),
                &format!("{nat} -s 192.168.15.0/24 -o ens3 -j MASQUERADE"),
            ]
        );
    }
}
