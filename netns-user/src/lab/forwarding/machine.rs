//! Making the machine a router, and back. Switching `ip_forward` on or off switches the
//! forwarding of each link too, and whether redirects are accepted
//! (Documentation/networking/ip-sysctl.rst): all of that is set back.

use std::fs;

use crate::{
    lab::{LabError, record::LabRecord},
    net::{NetError, sysctl},
};

const REDIRECTS: &str = "ipv4/conf/all/accept_redirects";
const LINKS: &str = "/proc/sys/net/ipv4/conf";

/// What the kernel sets by itself when forwarding is switched on, and `down` sets back.
pub(in crate::lab) const EFFECTS: [&str; 2] = [
    "with it the kernel sets net.ipv4.conf.all.accept_redirects to 0",
    "with it the kernel sets net.ipv4.conf.*.forwarding to 1",
];

/// Switches forwarding on. What the settings were is recorded first.
pub(in crate::lab) fn switch_on(record: &mut LabRecord) -> Result<(), LabError> {
    if sysctl::read(sysctl::IP_FORWARD)? == "1" {
        return Ok(());
    }
    // What is recorded already is what was before the lab, whatever came since.
    if record.settings.is_empty() {
        record.settings = before()?;
        record.write_state()?;
    }
    Ok(sysctl::write(sysctl::IP_FORWARD, "1")?)
}

/// `ip_forward` first, since setting it sets the others.
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
    // Off is what setting ip_forward back leaves anyway.
    let (first, rest) = all.split_at(2);
    let on = rest.iter().filter(|(_, value)| value != "0");
    Ok(first.iter().chain(on).cloned().collect())
}

/// Sets everything back of a lab that has left the machine's own namespace.
pub(in crate::lab) fn switch_back(record: &mut LabRecord) -> Result<(), LabError> {
    restore(record)?;
    record.settings.clear();
    record.write_state()
}

/// Sets everything back, unless another lab still needs it: that one is then to do it.
pub(in crate::lab) fn restore(record: &LabRecord) -> Result<(), LabError> {
    if let Some(mut heir) = heir(record)? {
        heir.settings.clone_from(&record.settings);
        return heir.write_state();
    }
    for (key, before) in &record.settings {
        // An interface that is gone has no settings.
        sysctl::write_if_there(key, before)?;
    }
    Ok(())
}

/// What [`restore`] writes.
pub(in crate::lab) fn to_restore(record: &LabRecord) -> Result<Vec<(String, String)>, LabError> {
    if heir(record)?.is_some() {
        return Ok(Vec::new());
    }
    let is_there = |key: &str| sysctl::read(key).is_ok();
    Ok(record.settings.iter().filter(|(key, _)| is_there(key)).cloned().collect())
}

/// Another lab that needs what this one has set.
fn heir(record: &LabRecord) -> Result<Option<LabRecord>, LabError> {
    if record.settings.is_empty() {
        return Ok(None);
    }
    let others = LabRecord::list()?.into_iter();
    Ok(others.filter(|other| other.name() != record.name()).find(LabRecord::uses_machine))
}
