//! Making the network of a plan.
//!
//! In a large lab nearly all is namespaces that know only their own link and the bridge at its
//! other end: those are made on all CPUs at once. The kernel makes links one after another, and
//! everything else of a namespace side by side.

use std::{
    collections::{HashMap, HashSet},
    convert::identity,
    slice,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{
    LabError, LabRecord, Progress,
    diff::{Difference, Fate},
    perform::go_on,
    pieces::{CablePiece, Piece},
    plan::Plan,
};
use crate::{
    net::{
        NetError, Netlink, PortState,
        netns::{self, Maker},
        sysctl::Settings,
    },
    step::{Hands, Place, Step},
    threads::{cpus, on_threads},
};

/// How long the bridge ports may take to open, and old links to go. The kernel does it in the
/// background, usually within a millisecond.
const DEADLINE: Duration = Duration::from_secs(5);

/// How often to look whether they have.
const POLL: Duration = Duration::from_millis(1);

/// Makes, changes and removes what a plan says, in its order wherever that matters.
pub(super) fn make_network(
    plan: &Plan,
    record: &mut LabRecord,
    progress: &dyn Progress,
) -> Result<(), LabError> {
    let mut worker = Worker::default();
    let all = plan.differences.len();
    let work = Work { record: Mutex::new(record), done: Mutex::new(0), all, progress };
    let mut rest = plan.differences.as_slice();
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
    wait_until_open(plan, &mut worker.hands)
}

/// New namespaces from the beginning of a plan, each with all that stands in it, as long as none of
/// them needs another.
fn independent_groups(differences: &[Difference]) -> Vec<&[Difference]> {
    let mut groups = Vec::new();
    let mut names = HashSet::new();
    let mut rest = differences;
    while let Some((name, _)) = rest.first().and_then(new_namespace) {
        let inside = rest[1..].iter().take_while(|it| is_inside(it, name));
        let (group, others) = rest.split_at(1 + inside.count());
        let needs_another = |difference: &Difference| match &difference.piece {
            Piece::Cable(cable) => {
                cable.near.place.name().is_some_and(|place| names.contains(place))
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

/// The name of the namespace that is made there, and the steps in it that come at once.
fn new_namespace(difference: &Difference) -> Option<(&str, &[Step])> {
    match difference.steps.as_slice() {
        [Step::AddNamespace { name }, inside @ ..] => Some((name.as_str(), inside)),
        _ => None,
    }
}

/// Whether all of it is in that namespace, but for the near end of a cable.
fn is_inside(difference: &Difference, namespace: &str) -> bool {
    let place = match &difference.piece {
        Piece::Cable(cable) => &cable.far.place,
        Piece::Address { end, .. } => &end.place,
        Piece::Route { place, .. } => place,
        Piece::Resolver { namespace: name, .. } => return name == namespace,
        Piece::Namespace { .. } | Piece::Bridge { .. } => return false,
    };
    place.name() == Some(namespace)
}

/// What one thread works with.
#[derive(Debug, Default)]
struct Worker {
    hands: Hands,
    settings: Settings,
    /// Only of a thread that ends with its work.
    maker: Option<Maker>,
}

/// The work on one network, whoever does it.
struct Work<'a> {
    record: Mutex<&'a mut LabRecord>,
    /// How many differences there are no more, of how many.
    done: Mutex<usize>,
    all: usize,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    /// Makes groups on all CPUs, in no order. After an error none is begun.
    fn at_once(&self, groups: &[&[Difference]]) -> Result<(), LabError> {
        let waiting = Mutex::new(groups.iter());
        let work = || {
            let mut worker = Worker { maker: Some(Maker::new()?), ..Worker::default() };
            loop {
                let Some(group) = locked(&waiting).next() else { return Ok(()) };
                self.one_by_one(group, &mut worker).inspect_err(|_| {
                    locked(&waiting).by_ref().for_each(drop);
                })?;
            }
        };
        on_threads(cpus().min(groups.len()), work).into_iter().fold(Ok(()), Result::and)
    }

    fn one_by_one(&self, differences: &[Difference], worker: &mut Worker) -> Result<(), LabError> {
        differences.iter().try_for_each(|difference| {
            self.advance()?;
            match new_namespace(difference) {
                Some((name, inside)) => self.make_namespace(name, inside, worker),
                None => do_steps(difference, &mut worker.hands),
            }
        })
    }

    /// Tells that one more is begun, unless that is no longer wanted.
    fn advance(&self) -> Result<(), LabError> {
        let mut done = locked(&self.done);
        go_on(self.progress.advanced("network", *done, self.all))?;
        *done += 1;
        Ok(())
    }

    /// Makes a namespace and does the settings in it on the thread that is in there anyway.
    fn make_namespace(
        &self,
        name: &str,
        steps: &[Step],
        worker: &mut Worker,
    ) -> Result<(), LabError> {
        let Worker { hands, settings: view, maker } = worker;
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
        hands.keep(&Place::namespace(name), netlink);
        others.into_iter().try_for_each(|step| hands.apply(step))
    }
}

/// What a thread that panicked has left is not looked at: its panic goes on.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
