//! Makes the network of a plan.
//!
//! In a large lab, most namespaces need only their own link and the bridge at its other end: these
//! are made on all CPUs at once. The kernel makes links one after another, and does everything else
//! in a namespace in parallel.

use std::{
    collections::{HashMap, HashSet},
    convert::identity,
    slice,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    lab::{
        changes::{Change, ChangeKind},
        error::LabError,
        plan::Plan,
        progress::{Progress, check_goes_on},
        record::LabRecord,
        resources::{CableResource, Resource},
    },
    net::{
        LinkEvents, NetError, Netlink, Netns, PortState,
        netns::{self, Maker},
        sysctl::Settings,
    },
    step::{NetlinkPool, Step},
    threads::{WorkQueue, cpus, on_threads},
};

/// How long bridge ports may take to open, and deleted links to disappear. The kernel does both in
/// the background, usually within a millisecond.
const DEADLINE: Duration = Duration::from_secs(5);

/// Makes, changes and removes the resources of a plan, in its order where the order matters.
pub(in crate::lab) fn make_network(
    plan: &Plan,
    record: &mut LabRecord,
    progress: &dyn Progress,
) -> Result<(), LabError> {
    let mut worker = Worker::default();
    let all = plan.changes.len();
    let work = Work { record: Mutex::new(record), done: Mutex::new(0), all, progress };
    let mut rest = plan.changes.as_slice();
    while let Some((first, others)) = rest.split_first() {
        let groups = independent_groups(rest);
        if groups.len() > 1 {
            rest = &rest[groups.iter().map(|group| group.len()).sum()..];
            work.at_once(&groups)?;
        } else {
            rest = others;
            work.one_by_one(slice::from_ref(first), &mut worker)?;
        }
    }
    wait_until_open(plan, &mut worker.pool)
}

/// The new namespaces at the beginning of a plan, each with all changes inside it, up to the first
/// that needs another of them.
fn independent_groups(changes: &[Change]) -> Vec<&[Change]> {
    let mut groups = Vec::new();
    let mut names = HashSet::new();
    let mut rest = changes;
    while let Some((name, _)) = rest.first().and_then(new_namespace) {
        let inside = rest[1..].iter().take_while(|it| is_inside(it, name));
        let (group, others) = rest.split_at(1 + inside.count());
        let needs_another = |change: &Change| match &change.resource {
            Resource::Cable(cable) => {
                cable.near.netns.name().is_some_and(|netns| names.contains(netns))
            }
            _ => false,
        };
        if group.iter().any(needs_another) {
            break;
        }
        names.insert(name);
        groups.push(group);
        rest = others;
    }
    groups
}

/// The name of the namespace that a change makes, and the further steps of the change.
fn new_namespace(change: &Change) -> Option<(&str, &[Step])> {
    match change.steps.as_slice() {
        [Step::AddNamespace { name }, inside @ ..] => Some((name.as_str(), inside)),
        _ => None,
    }
}

/// Whether a change affects only that namespace, apart from the near end of a cable.
fn is_inside(change: &Change, namespace: &str) -> bool {
    let netns = match &change.resource {
        Resource::Cable(cable) => &cable.far.netns,
        Resource::Address { interface, .. } => &interface.netns,
        Resource::Route { netns, .. } => netns,
        Resource::Resolver { namespace: name, .. }
        | Resource::HostsLink { namespace: name, .. } => {
            return name == namespace;
        }
        Resource::Namespace { .. } | Resource::Bridge { .. } | Resource::Hosts { .. } => {
            return false;
        }
    };
    netns.name() == Some(namespace)
}

/// The tools of one thread.
#[derive(Debug, Default)]
struct Worker {
    pool: NetlinkPool,
    settings: Settings,
    /// Only for threads that end with their work.
    maker: Option<Maker>,
}

/// The work on one network, shared by all threads.
struct Work<'a> {
    record: Mutex<&'a mut LabRecord>,
    /// How many changes are done, of `all`.
    done: Mutex<usize>,
    all: usize,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    /// Makes groups on all CPUs, in any order. After an error no further group is begun.
    fn at_once(&self, groups: &[&[Change]]) -> Result<(), LabError> {
        let queue = WorkQueue::new(groups);
        let work = || {
            let mut worker = Worker { maker: Some(Maker::new()?), ..Worker::default() };
            loop {
                let Some(group) = queue.take() else { return Ok(()) };
                self.one_by_one(group, &mut worker).inspect_err(|_| queue.abandon())?;
            }
        };
        on_threads(cpus().min(groups.len()), work).into_iter().fold(Ok(()), Result::and)
    }

    fn one_by_one(&self, changes: &[Change], worker: &mut Worker) -> Result<(), LabError> {
        changes.iter().try_for_each(|change| {
            self.advance()?;
            match new_namespace(change) {
                Some((name, inside)) => self.make_namespace(name, inside, worker),
                None => do_steps(change, &mut worker.pool),
            }
        })
    }

    /// Reports that another change begins. An error, if the work should stop.
    fn advance(&self) -> Result<(), LabError> {
        let mut done = locked(&self.done);
        check_goes_on(self.progress.advanced("network", *done, self.all))?;
        *done += 1;
        Ok(())
    }

    /// Makes a namespace, and writes the settings in it on the thread that has just entered it.
    fn make_namespace(
        &self,
        name: &str,
        steps: &[Step],
        worker: &mut Worker,
    ) -> Result<(), LabError> {
        let Worker { pool, settings: view, maker } = worker;
        let (settings, others): (Vec<_>, Vec<_>) =
            steps.iter().partition(|step| matches!(step, Step::Set { .. }));
        let inside = || {
            let cookie = netns::own_cookie()?;
            for step in settings {
                if let Step::Set { key, value, .. } = step {
                    view.write_if_there(key, value)?;
                }
            }
            Ok((cookie, Netlink::open()?))
        };
        locked(&self.record).begin_making(name)?;
        let made = match maker {
            Some(maker) => maker.create_and(name, inside),
            None => netns::create_and(name, inside),
        };
        let made = made.map_err(LabError::from).and_then(identity);
        let netlink = locked(&self.record).end_making(name, made)?;
        pool.keep(&Netns::named(name), netlink);
        Ok(others.into_iter().try_for_each(|step| pool.apply(step))?)
    }
}

/// A thread that panicked may have left the value half changed. Nobody reads it then: the panic is
/// passed on.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn do_steps(change: &Change, pool: &mut NetlinkPool) -> Result<(), LabError> {
    change.steps.iter().try_for_each(|step| match apply_with_retry(pool, step) {
        // The kernel has already deleted it, together with its parent or peer.
        Err(error) if change.kind == ChangeKind::Remove && error.is_absence() => Ok(()),
        done => Ok(done?),
    })
}

/// Applies a step. The kernel may still be deleting a link of the same name in the background, with
/// the namespace of its far end: a new cable waits until the name is free.
fn apply_with_retry(pool: &mut NetlinkPool, step: &Step) -> Result<(), NetError> {
    let is_taken = |done: &Result<(), NetError>| match done {
        Err(NetError::Refused { cause, .. }) => cause.raw_os_error() == Some(libc::EEXIST),
        _ => false,
    };
    let first = pool.apply(step);
    let Step::AddCable { near, far, .. } = step else { return first };
    if !is_taken(&first) {
        return first;
    }
    let deadline = Instant::now() + DEADLINE;
    // The kernel does not say which of the two names is taken.
    let events = near.netns.run(LinkEvents::open)??.and(far.netns.run(LinkEvents::open)??);
    loop {
        let done = pool.apply(step);
        if !is_taken(&done) || !events.wait(deadline)? {
            return done;
        }
    }
}

/// Waits until bridge ports forward. The kernel opens a port a short time after both ends of its
/// cable are up, and drops packets until then: the first packet after `up` would be lost.
fn wait_until_open(plan: &Plan, pool: &mut NetlinkPool) -> Result<(), LabError> {
    let ports = plan.changes.iter().filter_map(|change| match &change.resource {
        Resource::Cable(CableResource { near, bridge: Some(_), .. }) => Some(near),
        _ => None,
    });
    let mut namespaces: HashMap<&Netns, HashSet<&str>> = HashMap::new();
    for port in ports {
        namespaces.entry(&port.netns).or_default().insert(&port.name);
    }
    let deadline = Instant::now() + DEADLINE;
    for (netns, ports) in namespaces {
        let events = netns.run(LinkEvents::open)??;
        loop {
            let links = pool.at(netns)?.links()?;
            let closed = links.iter().find(|link| {
                ports.contains(link.name.as_str())
                    && link.bridge.is_some()
                    && link.port_state != Some(PortState::Forwarding)
            });
            let Some(closed) = closed else { break };
            if !events.wait(deadline)? {
                return Err(LabError::DeadCable(closed.name.clone()));
            }
        }
    }
    Ok(())
}
