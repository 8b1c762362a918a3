//! Makes a datapath. Its programs are loaded first, which takes a good part of a second and needs
//! nothing of the lab; then it is configured and attached.

use aya::Ebpf;

use super::{
    Datapath, DatapathSpec, attach,
    configure::{self, Interfaces},
    error::DatapathError,
    object,
    pins::Pins,
    reassembler,
};

/// A datapath that is loaded and pinned, but neither configured nor attached. Unless it is
/// installed, it is removed when this is dropped.
#[derive(Debug)]
pub struct PreparedDatapath {
    pinned: Pinned,
    object: Ebpf,
}

/// Pins that are removed when this is dropped.
#[derive(Debug)]
struct Pinned {
    datapath: Datapath,
    stays: bool,
}

impl PreparedDatapath {
    /// Configures and attaches it. Must run on a thread inside the router's namespace. On error
    /// nothing stays behind. `advanced` receives the number of attached programs and of all, and
    /// says whether to go on.
    pub fn install(
        mut self,
        spec: &DatapathSpec,
        advanced: &dyn Fn(usize, usize) -> bool,
    ) -> Result<Datapath, DatapathError> {
        let interfaces = Interfaces::read()?;
        // Everything is configured before the first program is attached.
        self.pinned.datapath.configure(spec, &interfaces)?;
        self.pinned.datapath.attach(spec, &interfaces, &mut self.object, advanced)?;
        Ok(self.pinned.keep())
    }
}

impl Datapath {
    /// Detaches and unpins everything that exists of the lab's datapath. Nothing to remove is no
    /// error.
    pub fn remove(lab: &str) -> Result<(), DatapathError> {
        Pins::of(lab).remove()?;
        reassembler::remove_link(lab)
    }

    /// Loads and pins the datapath of a lab, in any namespace. Existing pins of a lab of that name
    /// are an error, and stay unchanged.
    pub fn prepare(spec: &DatapathSpec) -> Result<PreparedDatapath, DatapathError> {
        let pins = Pins::of(&spec.lab);
        pins.create()?;
        let datapath = Self { lab: spec.lab.clone(), pins };
        let pinned = Pinned { datapath, stays: false };
        let mut object = object::load(&pinned.datapath.pins, spec.flow_capacity)?;
        object::fill_stages(&mut object, &pinned.datapath.pins)?;
        object::pin_forgetter(&mut object, &pinned.datapath.pins)?;
        Ok(PreparedDatapath { pinned, object })
    }

    /// Loads, configures and pins the datapath of a lab without attaching it: all its programs can
    /// then be run over single packets (`BPF_PROG_TEST_RUN`). No timer sweeps the flows. Must run
    /// inside the router's namespace; on error nothing stays behind.
    pub fn install_unattached(spec: &DatapathSpec) -> Result<(Self, Ebpf), DatapathError> {
        let PreparedDatapath { pinned, object } = Self::prepare(spec)?;
        pinned.datapath.configure(spec, &Interfaces::read()?)?;
        Ok((pinned.keep(), object))
    }

    fn configure(&self, spec: &DatapathSpec, interfaces: &Interfaces) -> Result<(), DatapathError> {
        configure::write_flow_layout(self, spec.flow_capacity)?;
        configure::write_settings(self, spec, interfaces)?;
        configure::write_host_addresses(self, interfaces)?;
        configure::write_links(self, &configure::links(spec, interfaces)?)?;
        configure::write_externals(self, &spec.uplinks, interfaces)?;
        configure::write_routed(self, spec, interfaces)?;
        for cable in &spec.cables {
            configure::write_cable(self, cable, interfaces)?;
        }
        self.add_masquerades(&spec.masquerades)?;
        self.add_forwards(&spec.forwards)
    }

    fn attach(
        &self,
        spec: &DatapathSpec,
        interfaces: &Interfaces,
        object: &mut Ebpf,
        advanced: &dyn Fn(usize, usize) -> bool,
    ) -> Result<(), DatapathError> {
        object::start_sweeper(object)?;
        self.make_reassembler(object)?;
        self.make_forward_guard()?;
        for uplink in &spec.uplinks {
            let index = interfaces.index(uplink)?;
            for hook in attach::UPLINK {
                attach::attach(object, &self.pins, hook, uplink, index)?;
            }
        }
        // Each takes an RCU grace period, which adds up.
        for (done, cable) in spec.cables.iter().enumerate() {
            if !advanced(done, spec.cables.len()) {
                return Err(DatapathError::Interrupted);
            }
            let index = interfaces.index(&cable.port)?;
            attach::attach(object, &self.pins, attach::CABLE, &cable.port, index)?;
        }
        attach::attach_socket_hooks(object, &self.pins)
    }
}

impl Pinned {
    fn keep(mut self) -> Datapath {
        self.stays = true;
        self.datapath.clone()
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if !self.stays {
            // The first error is the one to report; a second would only repeat it.
            let _ = self.datapath.pins.remove_version();
            let _ = reassembler::remove_link(&self.datapath.lab);
        }
    }
}
