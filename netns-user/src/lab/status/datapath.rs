//! Whether the datapaths of a lab are installed, and as its topology has them.

use std::collections::HashSet;

use super::{
    part::{Part, PartKind},
    survey::Survey,
};
use crate::{
    datapath::{Datapath, DatapathChange, DatapathError, Reassembly, shows_bridge_ports},
    lab::{
        changes::ChangeKind,
        datapaths::{RouterDatapath, datapaths},
        error::LabError,
        plan::{datapath::DatapathPlan, lines::datapath_lines},
        resources::Deviation,
    },
    net::{Interface, NetError, Netns},
};

/// The state of a datapath, and the way of its packets.
#[derive(Clone, Debug, Default)]
struct Look {
    works: bool,
    via_stack: bool,
    /// `None`: not looked at.
    reassembly: Option<Reassembly>,
    changed: Vec<Deviation>,
    /// `netns forward` or `masquerade` has changed the rules since `up`, which is no fault.
    has_other_rules: bool,
    /// A process was killed while it changed the rules.
    half_changed: bool,
    /// Another version of the program has made it.
    other_version: bool,
}

impl Survey<'_> {
    /// The datapaths as parts.
    pub(super) fn look_at_datapaths(&mut self) -> Result<Vec<Part>, LabError> {
        datapaths(self.topology)
            .into_iter()
            .map(|datapath| {
                let look = self.look_at_datapath(&datapath)?;
                let netns = match &datapath.router {
                    Some(router) => format!("router {router}"),
                    None => "this machine".into(),
                };
                let way = match () {
                    () if look.via_stack => ", via the network stack",
                    () if !shows_bridge_ports() => ", via the bridges",
                    () => "",
                };
                let order = match look.reassembly {
                    None | Some(Reassembly::AnyOrder) => "",
                    Some(Reassembly::InOrder) => "; fragments in order only",
                    Some(Reassembly::Broken) => "; no reassembler",
                };
                let fault = match () {
                    () if look.other_version => "; made by another version of netns",
                    () if look.half_changed => {
                        "; a change of its rules was interrupted: `netns up` completes it"
                    }
                    () if look.has_other_rules => {
                        "; its rules differ from the file (`netns plan FILE` lists them)"
                    }
                    () => "",
                };
                let detail = format!("programs and maps, in {netns}{way}{order}{fault}");
                self.other_version |= look.other_version;
                Ok(Part {
                    present: look.works,
                    changed: look.changed,
                    ..Part::new(PartKind::Datapath, datapath.spec.lab, detail)
                })
            })
            .collect()
    }

    /// Whether the pins exist and can be used, how they differ from the topology, and the way of
    /// the packets.
    fn look_at_datapath(&mut self, datapath: &RouterDatapath) -> Result<Look, NetError> {
        let living = match Datapath::open(&datapath.spec.lab) {
            Ok(living) => living,
            Err(error) => {
                let other_version = matches!(error, DatapathError::OtherVersion(_));
                return Ok(Look { other_version, ..Look::default() });
            }
        };
        let via_stack = living.settings().is_ok_and(|settings| settings.via_stack != 0);
        let netns = Netns::of(datapath.router.as_deref());
        if !self.actual_state.has(&netns) {
            return Ok(Look { works: true, via_stack, ..Look::default() });
        }
        let spec = &datapath.spec;
        let (works, holds, reassembly, changes, watched) = netns.run(|| {
            // A look at a lab also updates the router's addresses in its datapath.
            let works = living.refresh_host_addresses().is_ok() && living.is_whole();
            let changes = living.changes_to(spec).ok();
            // Only a hook that differs from the description still has to be checked.
            let differs = |change: &dyn Fn(&DatapathChange) -> bool| {
                changes.as_ref().is_none_or(|changes| changes.iter().any(change))
            };
            let uplinks = spec.uplinks.iter().filter(|uplink| {
                !differs(&|it| matches!(it, DatapathChange::Uplink { name, .. } if name == *uplink))
                    || living.watches_uplink(uplink)
            });
            let ports = spec.cables.iter().map(|cable| &cable.port).filter(|cable| {
                !differs(&|it| matches!(it, DatapathChange::Cable { port, .. } if port == *cable))
                    || living.watches_cable(cable)
            });
            let watched: Vec<String> = uplinks.chain(ports).cloned().collect();
            let works = works && changes.is_some();
            let holds = living.rules_hold().ok();
            (works, holds, living.reassembly().ok(), changes.unwrap_or_default(), watched)
        })?;
        let is_rule = |change: &DatapathChange| {
            matches!(change, DatapathChange::Masquerade { .. } | DatapathChange::Forward { .. })
        };
        let has_other_rules = changes.iter().any(is_rule);
        let changes = changes.into_iter().filter(|change| !is_rule(change)).collect();
        let mut changed = changed_datapath(datapath, changes, &watched);
        // The forwarding of a namespace is reported with the namespace.
        if netns == Netns::Machine && !self.actual_state.forwards(&netns) {
            changed.push(Deviation::new(&netns, "net.ipv4.ip_forward", 0, 1));
        }
        let interfaces = watched.into_iter().map(|name| Interface { netns: netns.clone(), name });
        self.watched.extend(interfaces);
        let works = works && holds == Some(true) && reassembly != Some(Reassembly::Broken);
        let half_changed = holds == Some(false);
        Ok(Look {
            works,
            via_stack,
            reassembly,
            changed,
            has_other_rules,
            half_changed,
            other_version: false,
        })
    }
}

/// The deviations of a datapath from its description. A missing program is reported with its
/// interface, and a missing reassembler with the datapath.
fn changed_datapath(
    datapath: &RouterDatapath,
    changes: Vec<DatapathChange>,
    watched: &[String],
) -> Vec<Deviation> {
    let netns = Netns::of(datapath.router.as_deref());
    let lab = &datapath.spec.lab;
    let entry = |port: &String| {
        let interface = Interface::new(netns.clone(), port);
        Deviation::new(interface, "table entry", "another one", "that of the lab")
    };
    let mut changed = Vec::new();
    let mut others = Vec::new();
    for change in changes {
        match &change {
            DatapathChange::Uplink { .. } | DatapathChange::Reassembler => {}
            DatapathChange::Cable { port, .. } => {
                changed.extend(watched.contains(port).then(|| entry(port)));
            }
            _ => others.push(change),
        }
    }
    let lines = datapath_lines(datapath, &DatapathPlan::Change(others), &HashSet::new());
    changed.extend(lines.into_iter().map(|line| {
        let setting = match line.kind {
            "setting" => line.name,
            kind => format!("{kind} \"{}\"", line.name),
        };
        let (is, wanted) = match (line.verb, line.detail.split_once(" -> ")) {
            (ChangeKind::Add, _) => ("absent", "there"),
            (ChangeKind::Remove, _) => ("there", "absent"),
            (ChangeKind::Change, Some(change)) => change,
            (ChangeKind::Change, None) => ("another", line.detail.as_str()),
        };
        Deviation::new(lab, setting, is, wanted)
    }));
    changed
}
