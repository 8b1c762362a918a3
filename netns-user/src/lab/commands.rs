//! What `up` and `down` do, told as the commands of other programs: a script for `sh -e`, in
//! which whatever no other program can do is a comment.

use std::collections::HashSet;

use super::{
    LabError, LabRecord,
    clear::waits,
    datapaths::{RouterDatapath, datapaths},
    diff::{Fate, LinkAddresses, diff},
    forwarding, gates,
    lost::Lost,
    pieces::{Piece, pieces},
    plan::{DatapathFate, Plan},
    planned::datapath_lines,
    preflight,
    record::resolved,
    resolver,
    turn::hurry_commands,
    world::World,
};
use crate::{
    datapath::{Datapath, DatapathChange},
    net::sysctl,
    shell::word,
    step::{
        End, Place, Step, forward_command, masquerade_commands, program_comment, routed_command,
    },
    topology::Topology,
};

/// Before what is said of the datapath of a lab that is up. Rules of iptables would be others
/// beside its own, and none of them could be deleted.
const IN_EBPF: &str = "# in eBPF: ";

impl Plan {
    /// The commands of other programs that the plan stands for, in order.
    pub fn commands(&self) -> Vec<String> {
        let replaced = self.datapaths.iter().filter_map(|(datapath, fate)| {
            let goes = matches!(fate, DatapathFate::Installed { replaces: true });
            goes.then_some(&datapath.spec.lab)
        });
        let gone = self.removed_datapaths.iter().chain(replaced);
        let (hurry, calm) = hurry_commands(self.waits()).map(<[String; 2]>::into).unzip();
        let mut commands: Vec<String> = hurry.into_iter().collect();
        commands.extend(gone.map(|name| unpin(name)));
        let wrecks = self.wrecks.iter().map(|name| Step::DeleteNamespace { name: name.clone() });
        commands.extend(wrecks.flat_map(|step| step.commands()));
        if self.forwarding == Some(true) {
            commands.extend(set(sysctl::IP_FORWARD, "1"));
            commands.extend(forwarding::EFFECTS.map(|effect| format!("# {effect}")));
        }
        commands.extend(self.steps().flat_map(Step::commands));
        // A program goes with its interface.
        let deleted: HashSet<&End> = self
            .steps()
            .filter_map(|step| match step {
                Step::DeleteLink { end } => Some(end),
                _ => None,
            })
            .collect();
        for (datapath, fate) in &self.datapaths {
            commands.extend(match fate {
                DatapathFate::Installed { .. } => install_commands(datapath),
                DatapathFate::Changed(changes) => {
                    let told = changes.iter().flat_map(|change| told(datapath, change, &deleted));
                    told.collect()
                }
            });
        }
        let made = self.differences.iter().filter(|difference| difference.fate == Fate::Added);
        let opened = made.flat_map(|difference| difference.piece.make_when_guarded());
        let opened = opened.chain(self.closed_gates.iter().map(|end| gates::step(end, true)));
        commands.extend(opened.flat_map(|step| step.commands()));
        commands.extend(calm);
        commands.extend(self.set_back.iter().flat_map(|(key, value)| set(key, value)));
        commands
    }
}

/// The commands of other programs that [`super::down()`] stands for, for what stands of the lab;
/// none when it is not up.
///
/// # Errors
/// When the record cannot be read or the kernel refuses to tell.
pub fn down_commands(lab: &str) -> Result<Vec<String>, LabError> {
    preflight::require_root()?;
    let record = match LabRecord::find(lab) {
        Ok(Some(record)) => record,
        Ok(None) | Err(LabError::BadRecord { .. } | LabError::OtherVersion(_)) => {
            return Ok(Lost::find(lab)?.map_or_else(Vec::new, |lost| lost_commands(&lost)));
        }
        Err(error) => return Err(error),
    };
    let pieces = record.pieces();
    let actual = World::of(&record, &pieces)?.actual(&pieces);
    // What goes with something else needs no step of its own.
    let gone = diff(&actual, &[], &LinkAddresses::of_pieces(&actual)).into_iter();
    // `down` keeps a file that was changed by hand.
    let is_kept = |step: &Step| match step {
        Step::DeleteResolver { namespace } => resolver::is_edited(namespace),
        _ => false,
    };
    let steps = gone.filter_map(|mut difference| difference.steps.pop());
    let steps = steps.filter(|step| !is_kept(step));
    let (hurry, calm) = hurry_commands(waits(&pieces)).map(<[String; 2]>::into).unzip();
    let mut commands: Vec<String> = hurry.into_iter().collect();
    let is_there = |end: &End| actual.iter().flat_map(Piece::ends).any(|there| there == end);
    let open = gates::gates(&record.topology).into_iter().filter(is_there);
    commands.extend(open.flat_map(|end| Step::SetLink { end, up: false }.commands()));
    commands.extend(record.datapaths.iter().map(|name| unpin(name)));
    commands.extend(steps.flat_map(|step| step.commands()));
    commands.extend(calm);
    let set_back = forwarding::to_restore(&record)?;
    commands.extend(set_back.iter().flat_map(|(key, value)| set(key, value)));
    Ok(commands)
}

/// The commands for a lab without a record that can be read.
fn lost_commands(lost: &Lost) -> Vec<String> {
    let links = lost.links().iter().map(|link| format!("ip link del dev {}", word(link)));
    let namespaces = lost.namespaces().iter();
    let namespaces = namespaces.map(|name| format!("ip netns del {}", word(name)));
    let pins = lost.datapaths().iter().map(|name| unpin(name));
    links.chain(namespaces).chain(pins).collect()
}

/// The commands that take down what the commands of [`Plan`] for a new lab have made.
///
/// # Errors
/// When the kernel refuses to tell.
pub fn undo_commands(topology: &Topology) -> Result<Vec<String>, LabError> {
    let wanted = resolved(topology, preflight::auto_uplink(topology)?.as_deref());
    let pieces = pieces(&wanted);
    let gone = diff(&pieces, &[], &LinkAddresses::of_pieces(&pieces)).into_iter();
    let steps = gone.filter_map(|mut difference| difference.steps.pop());
    let mut commands: Vec<String> = steps.flat_map(|step| step.commands()).collect();
    // Those in namespaces have gone with them.
    let machine = datapaths(&wanted).into_iter().filter(|datapath| datapath.router.is_none());
    for RouterDatapath { spec, .. } in machine {
        let place = &Place::Machine;
        let routed =
            spec.routed.iter().map(|it| routed_command(place, &it.uplink, it.source, false));
        commands.extend(routed);
        let masquerades = spec.masquerades.iter();
        commands.extend(masquerades.flat_map(|rule| masquerade_commands(place, rule, false)));
        commands.extend(spec.forwards.iter().flat_map(|rule| forward_command(place, rule, false)));
    }
    if wanted.uses_machine() {
        let setting = sysctl::IP_FORWARD.replace('/', ".");
        commands.push(format!("# if net.{setting} was 0 before, set it to 0 again"));
    }
    Ok(commands)
}

/// Programs and maps go with the files that hold them.
fn unpin(datapath: &str) -> String {
    format!("rm -r {}", Datapath::pins_of(datapath).display())
}

/// A setting of the machine's own.
fn set(key: &str, value: &str) -> Vec<String> {
    Step::Set { place: Place::Machine, key: key.to_owned(), value: value.to_owned() }.commands()
}

/// Without the programs, rules of iptables translate as well.
fn install_commands(datapath: &RouterDatapath) -> Vec<String> {
    let RouterDatapath { router, spec } = datapath;
    let place = &Place::of(router.as_deref());
    let uplinks = spec.uplinks.iter().flat_map(|name| programs(place, name, true, true));
    let cables = spec.cables.iter().flat_map(|cable| programs(place, &cable.port, false, true));
    let routed = spec.routed.iter().map(|it| routed_command(place, &it.uplink, it.source, true));
    let masquerades =
        spec.masquerades.iter().flat_map(|rule| masquerade_commands(place, rule, true));
    let forwards = spec.forwards.iter().flat_map(|rule| forward_command(place, rule, true));
    uplinks.chain(cables).chain(routed).chain(masquerades).chain(forwards).collect()
}

/// What is changed in a datapath that stays.
fn told(
    datapath: &RouterDatapath,
    change: &DatapathChange,
    deleted: &HashSet<&End>,
) -> Vec<String> {
    let place = &Place::of(datapath.router.as_deref());
    let stays = |name: &str| !deleted.contains(&End::new(place.clone(), name));
    let rule = |commands: Vec<String>| {
        let told = commands.into_iter().map(|line| match line.starts_with('#') {
            true => line,
            false => format!("{IN_EBPF}{line}"),
        });
        told.collect()
    };
    match change {
        DatapathChange::Uplink { name, added } if *added || stays(name) => {
            programs(place, name, true, *added)
        }
        DatapathChange::Cable { port, added } if *added || stays(port) => {
            programs(place, port, false, *added)
        }
        DatapathChange::Uplink { .. } | DatapathChange::Cable { .. } => Vec::new(),
        DatapathChange::Masquerade { rule: masquerade, added } => {
            rule(masquerade_commands(place, masquerade, *added))
        }
        DatapathChange::Forward { rule: forward, added } => {
            rule(forward_command(place, forward, *added))
        }
        DatapathChange::Routed { routed, added } => {
            rule(vec![routed_command(place, &routed.uplink, routed.source, *added)])
        }
        DatapathChange::SourceCheck(_)
        | DatapathChange::CableSourceCheck { .. }
        | DatapathChange::Reassembler
        | DatapathChange::ForwardGuard
        | DatapathChange::Setting { .. }
        | DatapathChange::ViaStack(_) => {
            let fate = DatapathFate::Changed(vec![change.clone()]);
            let lines = datapath_lines(datapath, &fate, &HashSet::new()).into_iter();
            lines
                .map(|line| format!("{IN_EBPF}{} {}: {}", line.kind, line.name, line.detail))
                .collect()
        }
    }
}

fn programs(place: &Place, interface: &str, uplink: bool, attached: bool) -> Vec<String> {
    use netns_common::abi::programs::{FROM_NAMESPACE, FROM_UPLINK, TO_UPLINK};
    let end = End::new(place.clone(), interface);
    let hooks: &[(&str, &str)] = if uplink {
        &[("egress", TO_UPLINK), ("ingress", FROM_UPLINK)]
    } else {
        &[("ingress", FROM_NAMESPACE)]
    };
    hooks
        .iter()
        .map(|(direction, program)| program_comment(&end, direction, program, attached))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::datapaths::datapaths, install_commands};
    use crate::topology::Topology;

    #[test]
    fn a_source_that_leaves_untranslated_is_told_before_the_masquerades() {
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
