//! Carries a plan out.

use std::{
    collections::{HashMap, HashSet},
    panic::resume_unwind,
    sync::mpsc::{RecvError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use super::{
    LabError, LabRecord, Progress,
    datapaths::RouterDatapath,
    diff::{Difference, Fate},
    forwarding, in_place,
    pieces::{CablePiece, Piece},
    plan::{DatapathFate, Plan},
    progress::step,
};
use crate::{
    datapath::{Datapath, DatapathError, PreparedDatapath},
    net::{NetError, Netlink, PortState, netns, sysctl},
    step::{Hands, Place, Step},
};

/// How long the bridge ports may take to open, and old links to go. The kernel does it in the background, usually
/// within a millisecond.
const DEADLINE: Duration = Duration::from_secs(5);

/// How often to look whether they have.
const POLL: Duration = Duration::from_millis(1);

/// How many namespaces are made ahead of their links: the kernel does both at a time, but for the
/// links one after another. Each takes about four files of the process.
const AHEAD: usize = 16;

/// Carries a plan out, with a record that tells of both what stands and what is to stand.
///
/// # Errors
/// When the kernel refuses something, or `progress` wants an end; what was done by then stays.
pub(super) fn perform(
    plan: &Plan,
    record: &mut LabRecord,
    progress: &dyn Progress,
) -> Result<(), LabError> {
    for name in &plan.removed_datapaths {
        Datapath::remove(name)?;
        record.datapaths.remove(name);
    }
    for (datapath, fate) in &plan.datapaths {
        if let DatapathFate::Installed { replaces: true } = fate {
            Datapath::remove(&datapath.spec.lab)?;
            record.datapaths.remove(&datapath.spec.lab);
        }
    }
    record.write_state()?;
    for name in &plan.wrecks {
        record.unmake(name)?;
    }
    // The verifier is busy with the programs while the network is made.
    let prepared = thread::scope(|scope| {
        let prepare = |(datapath, fate): &(RouterDatapath, DatapathFate)| match fate {
            DatapathFate::Installed { .. } => Datapath::prepare(&datapath.spec).map(Some),
            DatapathFate::Changed(_) => Ok(None),
        };
        let preparing = scope.spawn(move || {
            plan.datapaths.iter().map(prepare).collect::<Result<Vec<_>, DatapathError>>()
        });
        if plan.forwarding == Some(true) {
            step(progress, "forwarding", || forwarding::switch_on(record))?;
        }
        if plan.steps().next().is_some() {
            step(progress, "network", || make_network(plan, record, progress))?;
        }
        preparing.join().unwrap_or_else(|cause| resume_unwind(cause)).map_err(LabError::from)
    })?;
    for ((datapath, _), prepared) in plan.datapaths.iter().zip(prepared) {
        go_on(progress.goes_on())?;
        let name = match &datapath.router {
            Some(router) => format!("datapath of router \"{router}\""),
            None => "datapath".to_owned(),
        };
        step(progress, &name, || {
            let advanced = |done, all| progress.advanced(&name, done, all);
            make_datapath(datapath, prepared, record, &advanced)
        })?;
    }
    if plan.forwarding == Some(false) {
        step(progress, "forwarding", || forwarding::switch_back(record))?;
    }
    go_on(progress.goes_on())
}

/// A link of that name may be about to go with the namespace of its far end, which the kernel
/// does in the background: a new one waits for that.
fn patiently(hands: &mut Hands, step: &Step) -> Result<(), LabError> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match hands.apply(step) {
            Err(LabError::Net(NetError::Refused { cause, .. }))
                if cause.raw_os_error() == Some(libc::EEXIST)
                    && matches!(step, Step::AddCable { .. })
                    && Instant::now() < deadline =>
            {
                thread::sleep(POLL);
            }
            done => return done,
        }
    }
}

fn go_on(goes_on: bool) -> Result<(), LabError> {
    if goes_on { Ok(()) } else { Err(LabError::Interrupted) }
}

fn make_network(
    plan: &Plan,
    record: &mut LabRecord,
    progress: &dyn Progress,
) -> Result<(), LabError> {
    let mut hands = Hands::new();
    let all = plan.differences.len();
    // Whatever has to go is before the first namespace, whose name it may have.
    let first = plan.differences.iter().position(|it| new_namespace(it).is_some()).unwrap_or(all);
    let (before, rest) = plan.differences.split_at(first);
    for (done, difference) in before.iter().enumerate() {
        go_on(progress.advanced("network", done, all))?;
        do_steps(difference, &mut hands)?;
    }
    thread::scope(|scope| {
        let (made, namespaces) = sync_channel(AHEAD);
        scope.spawn(move || make_namespaces(rest, record, &made));
        for (done, difference) in rest.iter().enumerate() {
            go_on(progress.advanced("network", first + done, all))?;
            match new_namespace(difference) {
                // Without one more, the other thread has ended by a panic, which the scope tells.
                Some((name, _)) => match namespaces.recv() {
                    Ok(namespace) => hands.keep(&Place::namespace(name), namespace?),
                    Err(RecvError) => return Err(LabError::Interrupted),
                },
                None => do_steps(difference, &mut hands)?,
            }
        }
        Ok(())
    })?;
    wait_until_open(plan, &mut hands)
}

/// The name of the namespace that is made there, and the steps in it that come at once.
fn new_namespace(difference: &Difference) -> Option<(&str, &[Step])> {
    match difference.steps.as_slice() {
        [Step::AddNamespace { name }, inside @ ..] => Some((name.as_str(), inside)),
        _ => None,
    }
}

fn do_steps(difference: &Difference, hands: &mut Hands) -> Result<(), LabError> {
    difference.steps.iter().try_for_each(|step| match patiently(hands, step) {
        // It went by itself since it was looked for.
        Err(LabError::Net(error)) if difference.fate == Fate::Removed && error.is_absence() => {
            Ok(())
        }
        done => done,
    })
}

/// Makes one namespace after another, until there are no more, one fails, or nobody wants them.
fn make_namespaces(
    differences: &[Difference],
    record: &mut LabRecord,
    made: &SyncSender<Result<Netlink, LabError>>,
) {
    for (name, inside) in differences.iter().filter_map(new_namespace) {
        let namespace = make_namespace(name, inside, record);
        let failed = namespace.is_err();
        if made.send(namespace).is_err() || failed {
            return;
        }
    }
}

/// Makes a namespace and does the settings in it on the thread that is in there anyway.
fn make_namespace(name: &str, steps: &[Step], record: &mut LabRecord) -> Result<Netlink, LabError> {
    let (settings, others): (Vec<_>, Vec<_>) =
        steps.iter().partition(|step| matches!(step, Step::Set { .. }));
    let netlink = record.making(name, || {
        netns::create_and(name, || {
            let cookie = netns::own_cookie()?;
            for step in settings {
                if let Step::Set { key, value, .. } = step {
                    sysctl::write_if_there(key, value)?;
                }
            }
            Ok((cookie, Netlink::open()?))
        })?
    })?;
    let place = Place::namespace(name);
    let mut hands = Hands::new();
    hands.keep(&place, netlink);
    others.into_iter().try_for_each(|step| hands.apply(step))?;
    Ok(hands.hand_over(&place)?)
}

/// The kernel opens a bridge port some time after both ends of its cable are up, and drops
/// what comes earlier: the first packet after `up` would be lost.
fn wait_until_open(plan: &Plan, hands: &mut Hands) -> Result<(), LabError> {
    let ports = plan.differences.iter().filter_map(|difference| match &difference.piece {
        Piece::Cable(CablePiece { near, bridge: Some(_), .. }) => Some(near),
        _ => None,
    });
    let mut places: HashMap<&Place, HashSet<&str>> = HashMap::new();
    for port in ports {
        places.entry(&port.place).or_default().insert(&port.interface);
    }
    let deadline = Instant::now() + DEADLINE;
    for (place, ports) in places {
        loop {
            let links = hands.at(place)?.links()?;
            let closed = links.iter().find(|link| {
                ports.contains(link.name.as_str())
                    && link.bridge.is_some()
                    && link.port_state != Some(PortState::Forwarding)
            });
            match closed {
                None => break,
                Some(link) if Instant::now() > deadline => {
                    return Err(LabError::DeadCable(link.name.clone()));
                }
                Some(_) => thread::sleep(POLL),
            }
        }
    }
    Ok(())
}

/// Installs what is prepared, or changes what is there.
fn make_datapath(
    datapath: &RouterDatapath,
    prepared: Option<PreparedDatapath>,
    record: &mut LabRecord,
    advanced: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<(), LabError> {
    let RouterDatapath { router, spec } = datapath;
    let place = Place::of(router.as_deref());
    match prepared {
        Some(prepared) => {
            match in_place(&place, || prepared.install(spec, advanced))? {
                Err(DatapathError::Interrupted) => return Err(LabError::Interrupted),
                installed => installed?,
            };
            record.datapaths.insert(spec.lab.clone());
            record.write_state()
        }
        None => {
            let living = Datapath::open(&spec.lab)?;
            Ok(in_place(&place, || living.converge(spec))??)
        }
    }
}
