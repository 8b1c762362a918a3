//! Waits for ports of bridges.

use std::time::{Duration, Instant};

use super::{NetlinkPool, Step};
use crate::net::{BRIDGE, Interface, Link, LinkEvents, NetError, PortState};

/// How long a port may take to open; usually it is within a millisecond.
const LIMIT: Duration = Duration::from_secs(5);

impl NetlinkPool {
    /// Waits until the ports that the steps have completed forward packets, so that the first
    /// packet after them is not lost. A port that has no carrier yet, or that a spanning tree keeps
    /// closed, is not waited for.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn await_ports(&mut self, steps: &[Step]) -> Result<(), NetError> {
        for step in steps {
            match step {
                Step::AddCable { near: interface, .. }
                | Step::Attach { interface, .. }
                | Step::SetLink { interface, up: true } => self.await_ports_of(interface)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn await_ports_of(&mut self, interface: &Interface) -> Result<(), NetError> {
        let link = self.at(&interface.netns)?.link(&interface.name)?;
        if link.is(BRIDGE) {
            let ports = self.at(&interface.netns)?.links()?;
            let mut ports = ports.into_iter().filter(|port| port.bridge == Some(link.index));
            return ports.try_for_each(|port| self.await_port(interface, &port));
        }
        let far = self.far_end(interface, &link)?;
        self.await_port(interface, &link)?;
        far.map_or(Ok(()), |(interface, link)| self.await_port(&interface, &link))
    }

    /// Waits for one port, which is in the same namespace as `interface`.
    fn await_port(&mut self, interface: &Interface, port: &Link) -> Result<(), NetError> {
        let here = self.at(&interface.netns)?;
        let Some(index) = port.bridge else { return Ok(()) };
        let bridge = here.links()?.into_iter().find(|link| link.index == index);
        if bridge.is_some_and(|bridge| bridge.up && bridge.is(BRIDGE) && !bridge.spanning_tree) {
            let events = interface.netns.run(LinkEvents::open)??;
            let deadline = Instant::now() + LIMIT;
            while opens_soon(&here.link(&port.name)?) && events.wait(deadline)? {}
        }
        Ok(())
    }
}

/// Whether a port is closed though it has a carrier: the kernel opens it some time after both ends
/// of its cable are up, and drops packets until then.
fn opens_soon(port: &Link) -> bool {
    port.port_state == Some(PortState::Closed) && port.up && port.carrier
}
