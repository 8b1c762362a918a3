//! Recovery from a fault: the document is changed at the fault, so that the parser gets past it and
//! finds the faults behind it too.

use std::{borrow::Cow, collections::HashSet, mem, ops::Range};

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::{foreign, suggestion::meant};

/// An error of the parser at a range of bytes.
#[derive(Clone, Debug)]
pub(super) enum ParserError<'a> {
    /// A key that the parser does not know, and the keys that it knows there.
    UnknownKey { key: &'a str, known: Vec<&'a str> },
    /// A key that a table lacks.
    MissingKey(&'a str),
    /// A value that the parser cannot accept.
    WrongValue,
}

/// A document that is changed until the parser accepts it.
#[derive(Debug)]
pub(super) struct Recovery<'t> {
    document: Spanned<DeTable<'t>>,
    /// Keys that were removed, or that other programs have others for, each with the range of its
    /// table. The file does not lack them.
    removed: HashSet<(Range<usize>, String)>,
    /// Ranges of values that were added, or moved to another key. The file does not have them so.
    changed: HashSet<Range<usize>>,
}

impl<'t> Recovery<'t> {
    pub(super) fn new(document: Spanned<DeTable<'t>>) -> Self {
        Self { document, removed: HashSet::new(), changed: HashSet::new() }
    }

    pub(super) fn document(&self) -> Spanned<DeTable<'t>> {
        self.document.clone()
    }

    /// Whether the file itself has the error, and not what an earlier recovery changed.
    pub(super) fn is_of_file(&self, error: &ParserError<'_>, span: &Range<usize>) -> bool {
        match error {
            ParserError::UnknownKey { .. } => true,
            ParserError::MissingKey(key) => {
                !self.removed.contains(&(span.clone(), (*key).to_owned()))
            }
            ParserError::WrongValue => !self.changed.contains(span),
        }
    }

    /// Changes the document so that the parser gets past the error. False when that is not
    /// possible.
    pub(super) fn recover(&mut self, error: &ParserError<'_>, span: &Range<usize>) -> bool {
        let root = self.document.span();
        let Self { document, removed, changed } = self;
        let mut change = |table: &mut DeTable<'t>, at: &Range<usize>| match error {
            ParserError::UnknownKey { key, known } => {
                let is_foreign = foreign::is_key(key);
                let meant = meant(key, known.iter().copied()).filter(|_| !is_foreign);
                let is_done = rename_key(table, key, meant, span, changed);
                if is_done {
                    let replaced = foreign::replaced(key).iter();
                    removed.extend(replaced.map(|key| (at.clone(), (*key).to_owned())));
                }
                is_done
            }
            ParserError::MissingKey(key) if at == span => {
                let name = Spanned::new(span.clone(), Cow::Owned((*key).to_owned()));
                let empty = DeValue::String(Cow::Borrowed(""));
                changed.insert(span.clone());
                table.insert(name, Spanned::new(span.clone(), empty)).is_none()
            }
            ParserError::MissingKey(_) => false,
            ParserError::WrongValue => remove_value(table, at, span, removed),
        };
        visit(document.get_mut(), &root, &mut change)
    }
}

/// Calls `change` for a table and the tables in it, from the outside, until it returns true.
fn visit<'t>(
    table: &mut DeTable<'t>,
    at: &Range<usize>,
    change: &mut dyn FnMut(&mut DeTable<'t>, &Range<usize>) -> bool,
) -> bool {
    change(table, at) || table.iter_mut().any(|(_, value)| visit_value(value, change))
}

fn visit_value<'t>(
    value: &mut Spanned<DeValue<'t>>,
    change: &mut dyn FnMut(&mut DeTable<'t>, &Range<usize>) -> bool,
) -> bool {
    let at = value.span();
    match value.get_mut() {
        DeValue::Table(table) => visit(table, &at, change),
        DeValue::Array(values) => values.iter_mut().any(|value| visit_value(value, change)),
        _ => false,
    }
}

/// Moves the value of an unknown key to the key that was probably meant, unless that has a value.
fn rename_key(
    table: &mut DeTable<'_>,
    key: &str,
    meant: Option<&str>,
    span: &Range<usize>,
    changed: &mut HashSet<Range<usize>>,
) -> bool {
    if table.get_key_value(key).is_none_or(|(name, _)| name.span() != *span) {
        return false;
    }
    let Some(mut value) = table.remove(key) else { return false };
    let Some(meant) = meant else { return true };
    match (table.get_mut(meant).map(Spanned::get_mut), value.get_mut()) {
        (Some(DeValue::Array(there)), DeValue::Array(more)) => {
            *there = mem::replace(there, DeArray::new())
                .into_iter()
                .chain(mem::replace(more, DeArray::new()))
                .collect();
        }
        (Some(_), _) => {}
        (None, _) => {
            changed.insert(value.span());
            table.insert(Spanned::new(span.clone(), Cow::Owned(meant.to_owned())), value);
        }
    }
    true
}

/// Removes the value at `span`, with its key or from its list.
fn remove_value(
    table: &mut DeTable<'_>,
    at: &Range<usize>,
    span: &Range<usize>,
    removed: &mut HashSet<(Range<usize>, String)>,
) -> bool {
    let found = table.iter().find(|(_, value)| value.span() == *span);
    if let Some(key) = found.map(|(key, _)| key.get_ref().clone().into_owned()) {
        removed.insert((at.clone(), key.clone()));
        return table.remove(key.as_str()).is_some();
    }
    table.iter_mut().any(|(_, value)| match value.get_mut() {
        DeValue::Array(values) => {
            let before = values.len();
            *values = mem::replace(values, DeArray::new())
                .into_iter()
                .filter(|value| value.span() != *span)
                .collect();
            values.len() < before
        }
        _ => false,
    })
}
