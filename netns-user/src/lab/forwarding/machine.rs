//! Makes the machine a router, and undoes it. When `ip_forward` is switched on or off, the kernel
//! also changes the forwarding of each link, and whether redirects are accepted
//! (Documentation/networking/ip-sysctl.rst): all of these are restored.

use std::fs;

use crate::{
    lab::{error::LabError, record::LabRecord},
    net::{NetError, sysctl},
};

const REDIRECTS: &str = "ipv4/conf/all/accept_redirects";
const LINKS: &str = "/proc/sys/net/ipv4/conf";

/// The side effects of switching forwarding on, which `down` undoes.
pub(in crate::lab) const EFFECTS: [&str; 2] = [
    "the kernel then also sets net.ipv4.conf.all.accept_redirects to 0",
    "the kernel then also sets net.ipv4.conf.*.forwarding to 1",
];

/// A change of the machine's forwarding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lab) enum ForwardingChange {
    /// The machine becomes a router.
    SwitchOn,
    /// The machine was a router only for this lab: these settings are restored.
    Restore(Vec<(String, String)>),
}

/// Switches forwarding on. The settings from before are recorded first.
pub(in crate::lab) fn switch_on(record: &mut LabRecord) -> Result<(), LabError> {
    if sysctl::read(sysctl::IP_FORWARD)? == "1" {
        return Ok(());
    }
    // Settings that are recorded already are those from before the lab.
    if record.settings.is_empty() {
        record.settings = before()?;
        record.write_state()?;
    }
    Ok(sysctl::write(sysctl::IP_FORWARD, "1")?)
}

/// The settings from before. `ip_forward` comes first, since setting it changes the others.
fn before() -> Result<Vec<(String, String)>, LabError> {
    let mut keys = vec![sysctl::IP_FORWARD.to_owned(), REDIRECTS.to_owned()];
    let links =
        fs::read_dir(LINKS).map_err(|error| LabError::file(format!("list {LINKS}"), error))?;
    for link in links {
        let link = link.map_err(|error| LabError::file(format!("list {LINKS}"), error))?;
        if let Some(name) = link.file_name().to_str().filter(|name| *name != "all") {
            keys.push(format!("ipv4/conf/{name}/forwarding"));
        }
    }
    let value = |key: String| Ok((sysctl::read(&key)?, key)).map(|(value, key)| (key, value));
    let all = keys.into_iter().map(value).collect::<Result<Vec<_>, NetError>>()?;
    // Restoring ip_forward leaves the others off.
    let (first, rest) = all.split_at(2);
    let on = rest.iter().filter(|(_, value)| value != "0");
    Ok(first.iter().chain(on).cloned().collect())
}

/// Restores the settings for a lab that no longer uses the machine's own namespace.
pub(in crate::lab) fn switch_back(record: &mut LabRecord) -> Result<(), LabError> {
    restore(record)?;
    record.settings.clear();
    record.write_state()
}

/// Restores the settings, unless another lab still needs them: then they become that lab's to
/// restore.
pub(in crate::lab) fn restore(record: &LabRecord) -> Result<(), LabError> {
    if let Some(mut successor) = successor(record)? {
        successor.settings.clone_from(&record.settings);
        return successor.write_state();
    }
    for (key, before) in &record.settings {
        // An interface that is gone has no settings.
        sysctl::write_if_there(key, before)?;
    }
    Ok(())
}

/// The settings that [`restore`] would write.
pub(in crate::lab) fn to_restore(record: &LabRecord) -> Result<Vec<(String, String)>, LabError> {
    if successor(record)?.is_some() {
        return Ok(Vec::new());
    }
    let is_there = |key: &str| sysctl::read(key).is_ok();
    Ok(record.settings.iter().filter(|(key, _)| is_there(key)).cloned().collect())
}

/// Another lab that needs the settings of this one.
fn successor(record: &LabRecord) -> Result<Option<LabRecord>, LabError> {
    if record.settings.is_empty() {
        return Ok(None);
    }
    let others = LabRecord::list()?.into_iter();
    Ok(others.filter(|other| other.name() != record.name()).find(LabRecord::uses_machine))
}
