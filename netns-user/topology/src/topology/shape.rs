//! Tables and lists of tables in the places of each other: `[bridge]` for `[[bridge]]`, `[[nat]]`
//! for `[nat]`. They are reported and put right, so that the faults in them are found too.

use std::mem;

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::error::Fault;

/// The keys of a file that are lists of tables.
pub(super) const LISTS: [&str; 6] =
    ["uplink", "bridge", "namespace", "cable", "masquerade", "forward"];

/// Checks all tables of a document.
pub(super) fn check(document: &mut DeTable<'_>, faults: &mut Vec<Fault>) {
    for (key, value) in document.iter_mut() {
        let (name, span) = (key.get_ref().as_ref(), key.span());
        match name {
            _ if LISTS.contains(&name) && into_list(value) => {
                let message = format!(
                    "\"{name}\" is a list, since a lab can have several: write [[{name}]] above \
                     its keys"
                );
                faults.push(Fault::new(span, message));
            }
            "nat" if into_table(value) => {
                let message = "\"nat\" is one table for the whole lab: write [nat] above its keys";
                faults.push(Fault::new(span, message));
            }
            _ => {}
        }
        match name {
            "nat" => tables(value, &["timeouts"], &[], faults),
            "uplink" => tables(value, &["outside", "plug"], &[], faults),
            "cable" => tables(value, &["a", "b"], &[], faults),
            "namespace" | "router" => tables(value, &[], &["routes"], faults),
            "template" => templates(value, faults),
            _ => {}
        }
    }
}

/// Checks the keys of a table, or of each in a list: `single` are tables, `several` are lists.
fn tables(
    value: &mut Spanned<DeValue<'_>>,
    single: &[&str],
    several: &[&str],
    faults: &mut Vec<Fault>,
) {
    let table = match value.get_mut() {
        DeValue::Table(table) => table,
        DeValue::Array(elements) => {
            return elements.iter_mut().for_each(|it| tables(it, single, several, faults));
        }
        _ => return,
    };
    for (key, value) in table.iter_mut() {
        let (name, span) = (key.get_ref().as_ref(), key.span());
        if single.contains(&name) && into_table(value) {
            let message = format!("\"{name}\" is one table: write {name} = {{ … }}");
            faults.push(Fault::new(span, message));
        } else if several.contains(&name) && into_list(value) {
            let message = format!("\"{name}\" is a list: write {name} = [{{ … }}]");
            faults.push(Fault::new(span, message));
        }
    }
}

/// Checks each template, which has a name of its own.
fn templates(value: &mut Spanned<DeValue<'_>>, faults: &mut Vec<Fault>) {
    let DeValue::Table(all) = value.get_mut() else { return };
    for (key, value) in all.iter_mut() {
        if into_table(value) {
            let name = key.get_ref();
            let message = format!("a template is one table: write [template.{name}]");
            faults.push(Fault::new(key.span(), message));
        }
        tables(value, &[], &["routes"], faults);
    }
}

/// Puts a table into a list. False where it is none.
fn into_list(value: &mut Spanned<DeValue<'_>>) -> bool {
    if !value.get_ref().is_table() {
        return false;
    }
    let span = value.span();
    let list = DeValue::Array(DeArray::new());
    let table = mem::replace(value, Spanned::new(span.clone(), list));
    *value.get_mut() = DeValue::Array(std::iter::once(table).collect());
    true
}

/// Takes the first table out of a list of tables. False where it is none.
fn into_table(value: &mut Spanned<DeValue<'_>>) -> bool {
    let DeValue::Array(elements) = value.get_mut() else { return false };
    let are_tables = elements.iter().all(|element| element.get_ref().is_table());
    let elements = mem::replace(elements, DeArray::new());
    let mut elements = elements.into_iter();
    match elements.next() {
        Some(first) if are_tables => {
            *value = first;
            true
        }
        first => {
            *value.get_mut() = DeValue::Array(first.into_iter().chain(elements).collect());
            false
        }
    }
}
