//! The loaded datapath of a lab: programs, maps and links, pinned in bpffs.
//! All calls of aya are in this folder.

mod spec;

pub use spec::{CableSpec, DatapathSpec};

/// What can go wrong with the datapath.
#[derive(Debug, thiserror::Error)]
pub enum DatapathError {
    /// No lab of that name has a datapath.
    #[error("lab {0:?} has no datapath: is it up? `netns status` lists the labs")]
    NotUp(String),
}

/// The datapath of one living lab.
#[derive(Debug)]
pub struct Datapath {
    lab: String,
}

impl Datapath {
    /// Loads, configures, attaches and pins the datapath of a lab. Must run on a thread
    /// that is inside the router's namespace. On error nothing stays behind.
    pub fn install(spec: &DatapathSpec) -> Result<Self, DatapathError> {
        Err(DatapathError::NotUp(spec.lab.clone()))
    }

    /// Opens the datapath of a living lab by its pins.
    pub fn open(lab: &str) -> Result<Self, DatapathError> {
        Err(DatapathError::NotUp(lab.to_owned()))
    }

    /// Detaches and unpins whatever of the lab's datapath is there; nothing there is no error.
    pub fn remove(lab: &str) -> Result<(), DatapathError> {
        let _ = lab;
        Ok(())
    }

    /// The lab's name.
    pub fn lab(&self) -> &str {
        &self.lab
    }
}
