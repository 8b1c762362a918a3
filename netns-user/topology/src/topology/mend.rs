//! Mending a document at a fault, so that the faults behind it can be told of too.

use std::{borrow::Cow, collections::HashSet, mem, ops::Range};

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

/// What the parser complains of, at a range of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Complaint<'a> {
    /// A key that it does not know, and the known one that was most likely meant.
    Unknown { key: &'a str, meant: Option<&'a str> },
    /// A key that a table lacks.
    Missing(&'a str),
    /// A value that it cannot take.
    Value,
}

/// A document that is mended until the parser takes it.
#[derive(Debug)]
pub(super) struct Patient<'t> {
    document: Spanned<DeTable<'t>>,
    /// Keys that were taken away, by the range of their table: that they are missing is no
    /// fault of the file.
    taken: HashSet<(Range<usize>, String)>,
    /// Ranges of values that are not the file's own, or stand under another key than in it.
    made: HashSet<Range<usize>>,
}

impl<'t> Patient<'t> {
    pub(super) fn new(document: Spanned<DeTable<'t>>) -> Self {
        Self { document, taken: HashSet::new(), made: HashSet::new() }
    }

    pub(super) fn document(&self) -> Spanned<DeTable<'t>> {
        self.document.clone()
    }

    /// Whether the complaint is about the file, and not about what was mended.
    pub(super) fn is_of_file(&self, complaint: Complaint<'_>, span: &Range<usize>) -> bool {
        match complaint {
            Complaint::Unknown { .. } => true,
            Complaint::Missing(key) => !self.taken.contains(&(span.clone(), key.to_owned())),
            Complaint::Value => !self.made.contains(span),
        }
    }

    /// Changes the document so that the parser gets past the place. False when it cannot.
    pub(super) fn mend(&mut self, complaint: Complaint<'_>, span: &Range<usize>) -> bool {
        let root = self.document.span();
        let Self { document, taken, made } = self;
        let mut work = |table: &mut DeTable<'t>, at: &Range<usize>| match complaint {
            Complaint::Unknown { key, meant } => rename(table, key, meant, span, made),
            Complaint::Missing(key) if at == span => {
                let name = Spanned::new(span.clone(), Cow::Owned(key.to_owned()));
                let nothing = DeValue::String(Cow::Borrowed(""));
                made.insert(span.clone());
                table.insert(name, Spanned::new(span.clone(), nothing)).is_none()
            }
            Complaint::Missing(_) => false,
            Complaint::Value => take_away(table, at, span, taken),
        };
        visit(document.get_mut(), &root, &mut work)
    }
}

/// Calls `work` for a table and those in it, from the outside, until it says that it is done.
fn visit<'t>(
    table: &mut DeTable<'t>,
    at: &Range<usize>,
    work: &mut dyn FnMut(&mut DeTable<'t>, &Range<usize>) -> bool,
) -> bool {
    work(table, at) || table.iter_mut().any(|(_, value)| visit_value(value, work))
}

fn visit_value<'t>(
    value: &mut Spanned<DeValue<'t>>,
    work: &mut dyn FnMut(&mut DeTable<'t>, &Range<usize>) -> bool,
) -> bool {
    let at = value.span();
    match value.get_mut() {
        DeValue::Table(table) => visit(table, &at, work),
        DeValue::Array(values) => values.iter_mut().any(|value| visit_value(value, work)),
        _ => false,
    }
}

/// Puts the value of an unknown key where it was most likely meant to be, unless there is one.
fn rename(
    table: &mut DeTable<'_>,
    key: &str,
    meant: Option<&str>,
    span: &Range<usize>,
    made: &mut HashSet<Range<usize>>,
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
            made.insert(value.span());
            table.insert(Spanned::new(span.clone(), Cow::Owned(meant.to_owned())), value);
        }
    }
    true
}

/// Takes away the value at `span`: with its key, or out of its list.
fn take_away(
    table: &mut DeTable<'_>,
    at: &Range<usize>,
    span: &Range<usize>,
    taken: &mut HashSet<(Range<usize>, String)>,
) -> bool {
    let its = table.iter().find(|(_, value)| value.span() == *span);
    if let Some(key) = its.map(|(key, _)| key.get_ref().clone().into_owned()) {
        taken.insert((at.clone(), key.clone()));
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
