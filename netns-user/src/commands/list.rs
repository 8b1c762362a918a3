//! `netns list`

use std::process::ExitCode;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Serialize;

use super::print;
use crate::{
    lab::{self, LabRecord},
    net::{NetError, Netlink, netns},
    output::table,
};

/// A namespace in the list.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Row {
    /// Its name.
    name: String,
    /// The lab that it belongs to; `None`: it belongs to none.
    lab: Option<String>,
    /// Its addresses with their prefix lengths, without loopback and link-local ones.
    #[schemars(with = "Vec<String>")]
    addresses: Vec<IpNet>,
    /// The number of its links; `None`: the namespace cannot be entered.
    links: Option<usize>,
}

/// Lists all named namespaces.
///
/// # Errors
/// When they or the labs cannot be read.
pub fn run(json: bool) -> anyhow::Result<ExitCode> {
    let labs = readable_records()?;
    let mut rows = Vec::new();
    for name in netns::list()? {
        let lab = labs.iter().find(|lab| lab.owns(&name));
        let lab = lab.map(|lab| lab.name().to_owned());
        // A namespace that cannot be entered, and a file that is none, are listed too.
        let (addresses, links) = match inside(&name) {
            Ok((addresses, links)) => (addresses, Some(links)),
            Err(_) => (Vec::new(), None),
        };
        rows.push(Row { name, lab, addresses, links });
    }
    if rows.iter().any(|row| row.links.is_none()) && lab::require_root().is_err() {
        crate::tell!("note: only root sees addresses and links (`sudo netns list`)");
    }
    print(json, &rows, |rows| render(rows))?;
    Ok(ExitCode::SUCCESS)
}

/// The labs whose records can be read, with a warning for each of the others.
pub(super) fn readable_records() -> anyhow::Result<Vec<LabRecord>> {
    let (records, faults) = LabRecord::survey()?;
    for fault in faults {
        crate::tell!("warning: {fault}");
    }
    Ok(records)
}

fn inside(name: &str) -> Result<(Vec<IpNet>, usize), NetError> {
    let netlink = Netlink::open_in(name)?;
    let addresses = netlink.addresses()?.into_iter().map(|held| held.address);
    let addresses = addresses.filter(|net| !is_private_to_link(*net)).collect();
    Ok((addresses, netlink.links()?.len()))
}

pub(super) fn is_private_to_link(net: IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.addr().is_loopback(),
        IpNet::V6(net) => net.addr().is_loopback() || net.addr().is_unicast_link_local(),
    }
}

fn render(rows: &[Row]) -> String {
    let cells = rows.iter().map(|row| {
        let addresses: Vec<String> = row.addresses.iter().map(ToString::to_string).collect();
        [
            row.name.clone(),
            row.lab.clone().unwrap_or_else(|| "-".into()),
            if row.links.is_some() { addresses.join(", ") } else { "?".into() },
            row.links.map_or_else(|| "?".into(), |links| links.to_string()),
        ]
    });
    table(&["NAME", "LAB", "ADDRESSES", "LINKS"], cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_cannot_be_entered_is_listed_with_question_marks() {
        let row = |name: &str, lab: Option<&str>, addresses: &[&str], links| Row {
            name: name.into(),
            lab: lab.map(Into::into),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            links,
        };
        let rows =
            [row("red", Some("lecture"), &["10.0.0.1/24"], Some(2)), row("x", None, &[], None)];
        assert_eq!(
            render(&rows),
            "\
NAME  LAB      ADDRESSES    LINKS
red   lecture  10.0.0.1/24  2
x     -        ?            ?
"
        );
    }
}
