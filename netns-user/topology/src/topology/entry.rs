//! An entry of the file for one or more namespaces, together with its template. Its members are the
//! namespaces that it declares.

use toml::Spanned;

use super::{
    file::{NamespaceFile, NamespaceKeys, Number, RouteFile, TemplateFile, Text},
    limits::COUNT,
};

/// Stands for the number of a member in names.
const NUMBER: &str = "{}";

/// An entry with the keys of its template.
#[derive(Debug)]
pub(super) struct Entry<'f> {
    pub(super) name: &'f Text,
    pub(super) count: Option<&'f Number>,
    pub(super) keys: NamespaceKeys<'f>,
}

impl<'f> Entry<'f> {
    pub(super) fn new(file: &'f NamespaceFile, template: Option<&'f TemplateFile>) -> Self {
        Self {
            name: &file.name,
            count: file.count.as_ref(),
            keys: NamespaceKeys::new(file, template),
        }
    }

    /// The entry's name in errors.
    pub(super) fn owner(&self) -> String {
        format!("namespace \"{}\"", self.name.get_ref())
    }

    /// The position of what says how many members there are.
    pub(super) fn count_span(&self) -> std::ops::Range<usize> {
        self.count.map_or(self.name.span(), Spanned::span)
    }

    pub(super) fn routes(&self) -> &'f [Spanned<RouteFile>] {
        self.keys.routes.map(Vec::as_slice).unwrap_or_default()
    }

    /// The name of a member. Members are numbered from 1.
    pub(super) fn member_name(&self, member: u32) -> String {
        let name = self.name.get_ref();
        if self.count.is_some() && !name.contains(NUMBER) {
            return format!("{name}-{member}");
        }
        self.with_number(name, member)
    }

    /// The number of the last member, whose name is the longest.
    pub(super) fn last_member(&self) -> u32 {
        let count = self.count.map_or(1, |count| *count.get_ref());
        u32::try_from(count).ok().filter(|count| COUNT.contains(count)).unwrap_or(1)
    }

    /// A text of the file with the number of a member in the place of {}.
    pub(super) fn with_number(&self, text: &str, member: u32) -> String {
        if self.count.is_none() || !text.contains(NUMBER) {
            return text.to_owned();
        }
        text.replace(NUMBER, &member.to_string())
    }

    /// The texts in which {} can stand.
    pub(super) fn names(&self) -> impl Iterator<Item = &'f Text> + use<'f> {
        [Some(self.name), self.keys.interface, self.keys.port].into_iter().flatten()
    }

    /// The texts with {} of an entry without `count`, whose member has no number.
    pub(super) fn names_without_number(&self) -> impl Iterator<Item = &'f Text> + use<'f> {
        let has_no_number = self.count.is_none();
        self.names().filter(move |text| has_no_number && text.get_ref().contains(NUMBER))
    }
}
