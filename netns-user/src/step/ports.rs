//! Waiting for ports of bridges.

use std::time::Duration;

use super::{End, Hands, Step};
use crate::net::{BRIDGE, Link, NetError};

/// How long a port may take to open; usually it is within a millisecond.
const LIMIT: Duration = Duration::from_secs(5);

impl Hands {
    /// Waits until the ports that the steps completed forward, so that the first packet after
    /// them is not lost. One that has no carrier yet, or that a spanning tree keeps closed, is
    /// not waited for.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn await_ports(&mut self, steps: &[Step]) -> Result<(), NetError> {
        for step in steps {
            match step {
                Step::AddCable { near: end, .. }
                | Step::Attach { end, .. }
                | Step::SetLink { end, up: true } => self.await_ports_of(end)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn await_ports_of(&mut self, end: &End) -> Result<(), NetError> {
        let link = self.at(&end.place)?.link(&end.interface)?;
        if link.is(BRIDGE) {
            let ports = self.at(&end.place)?.links()?;
            let mut ports = ports.into_iter().filter(|port| port.bridge == Some(link.index));
            return ports.try_for_each(|port| self.await_port(end, &port));
        }
        let far = self.far_end(end, &link)?;
        self.await_port(end, &link)?;
        far.map_or(Ok(()), |(end, link)| self.await_port(&end, &link))
    }

    /// Waits for one port, which is in the same place as `end`.
    fn await_port(&mut self, end: &End, port: &Link) -> Result<(), NetError> {
        let here = self.at(&end.place)?;
        let Some(index) = port.bridge else { return Ok(()) };
        let bridge = here.links()?.into_iter().find(|link| link.index == index);
        if bridge.is_some_and(|bridge| bridge.up && bridge.is(BRIDGE) && !bridge.spanning_tree) {
            here.wait_until_open(port, LIMIT)?;
        }
        Ok(())
    }
}
