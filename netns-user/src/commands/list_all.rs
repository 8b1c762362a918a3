//! `netns addr list`, `netns link list`, `netns route list`: one kind of object in all namespaces.

use std::process::ExitCode;

use anyhow::bail;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    list::is_private_to_link,
    lookup::{Lookup, require_namespace},
    print,
    show::{AddressView, LINK_HEADERS, LinkView, ROUTE_HEADERS, RouteView, View, reassemblers},
};
use crate::{
    cli::NetnsArgs,
    net::{Interface, Netns},
    output::table,
    step::NetlinkPool,
};

/// A listed object, and the namespace that has it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Row<T> {
    /// The namespace that has it; `None`: this machine.
    namespace: Option<String>,
    #[serde(flatten)]
    view: T,
}

impl<T> Row<T> {
    fn netns(&self) -> Netns {
        Netns::of(self.namespace.as_deref())
    }
}

/// Lists addresses, without loopback and link-local ones.
///
/// # Errors
/// When there is no such namespace, or the kernel refuses.
pub(super) fn list_addresses(args: &NetnsArgs, json: bool) -> anyhow::Result<ExitCode> {
    let rows = rows(args, |view| view.addresses)?;
    let rows: Vec<Row<AddressView>> =
        rows.into_iter().filter(|row| !is_private_to_link(row.view.address)).collect();
    let rows = of_interface(args, rows, |row| Some(&row.view.interface))?;
    print(json, &rows, |rows| {
        let cells = rows.iter().map(|row| {
            let interface = Interface::new(row.netns(), &row.view.interface);
            [interface.to_string(), row.view.address.to_string()]
        });
        table(&["INTERFACE", "ADDRESS"], cells)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Lists interfaces.
///
/// # Errors
/// When there is no such namespace, or the kernel refuses.
pub(super) fn list_links(args: &NetnsArgs, json: bool) -> anyhow::Result<ExitCode> {
    let rows: Vec<Row<LinkView>> = rows(args, |view| view.links)?;
    let rows = of_interface(args, rows, |row| Some(row.view.name()))?;
    print(json, &rows, |rows| {
        let cells = rows.iter().map(|row| {
            let [name, others @ ..] = row.view.cells();
            let interface = Interface::new(row.netns(), &name).to_string();
            std::iter::once(interface).chain(others)
        });
        let mut headers = LINK_HEADERS;
        headers[0] = "INTERFACE";
        table(&headers, cells) + &reassemblers(rows.iter().map(|row| &row.view))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Lists routes, with destinations as the user types them.
///
/// # Errors
/// When there is no such namespace, or the kernel refuses.
pub(super) fn list_routes(args: &NetnsArgs, json: bool) -> anyhow::Result<ExitCode> {
    let rows: Vec<Row<RouteView>> = rows(args, |view| view.routes)?;
    let rows = of_interface(args, rows, |row| row.view.interface())?;
    print(json, &rows, |rows| {
        let cells = rows.iter().map(|row| {
            let [to, others @ ..] = row.view.cells();
            let interface = Interface::new(row.netns(), &to).to_string();
            std::iter::once(interface).chain(others)
        });
        table(&ROUTE_HEADERS, cells)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The rows of the interface that is asked for; all, if none is.
///
/// # Errors
/// When no namespace that is listed has such an interface with something to list.
fn of_interface<T>(
    args: &NetnsArgs,
    rows: Vec<Row<T>>,
    name: impl Fn(&Row<T>) -> Option<&str>,
) -> anyhow::Result<Vec<Row<T>>> {
    let Some(dev) = args.dev.as_deref() else { return Ok(rows) };
    let rows: Vec<Row<T>> = rows.into_iter().filter(|row| name(row) == Some(dev)).collect();
    if rows.is_empty() {
        match &args.namespace {
            Some(namespace) => {
                Lookup::default().link(&Interface::new(Netns::named(namespace), dev))?;
            }
            None => bail!(
                "there is nothing to list of an interface \"{dev}\": `netns link list` lists all"
            ),
        }
    }
    Ok(rows)
}

/// The rows of one namespace, or of the machine and all named namespaces. A namespace that was
/// deleted in the meantime, and a file that is no namespace, are left out.
fn rows<T>(args: &NetnsArgs, part: impl Fn(View) -> Vec<T>) -> anyhow::Result<Vec<Row<T>>> {
    let namespaces = match &args.namespace {
        Some(name) => {
            require_namespace(name)?;
            vec![Netns::named(name)]
        }
        None => Netns::all()?,
    };
    let mut pool = NetlinkPool::new();
    let mut rows = Vec::new();
    for netns in namespaces {
        let namespace = netns.name().map(str::to_owned);
        match pool.at(&netns).and_then(|here| View::of(namespace.clone(), here)) {
            Ok(view) => {
                let here = part(view).into_iter();
                rows.extend(here.map(|view| Row { namespace: namespace.clone(), view }));
            }
            Err(error) if error.is_absence() && args.namespace.is_none() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(rows)
}
