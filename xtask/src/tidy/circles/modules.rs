//! The modules of a crate, and which file defines the name that a path leads to.

use std::collections::BTreeMap;

use super::{
    super::{
        links::resolve,
        rust::{code, without_tests},
        tree::Tree,
    },
    module::{Import, Module},
};

/// The file of a module whose file git does not track.
const NOWHERE: &str = "";

/// A module in its place.
struct Node<'a> {
    file: &'a str,
    parent: Option<usize>,
    children: BTreeMap<&'a str, usize>,
    module: Module<'a>,
}

/// All modules of a crate; the first is its root.
pub(super) struct Modules<'a> {
    nodes: Vec<Node<'a>>,
}

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target<'a> {
    Module(usize),
    /// To something that this module defines.
    Name(usize, &'a str),
}

/// One file needs a name that another one defines.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Need<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) name: &'a str,
    /// Where it is named, in bytes.
    pub(super) at: usize,
}

impl<'a> Modules<'a> {
    /// Reads the modules below the root file of a crate.
    pub(super) fn read(tree: &'a Tree, root: &'a str) -> Self {
        let mut modules = Self { nodes: Vec::new() };
        if let Some(text) = tree.text(root) {
            let folder = root.rfind('/').map_or("", |end| &root[..end]);
            let module = Module::read(&without_tests(&code(text)));
            modules.add(tree, root, folder, None, module);
        }
        modules
    }

    /// Adds a module and those below it, whose files are in `folder`.
    fn add(
        &mut self,
        tree: &'a Tree,
        file: &'a str,
        folder: &str,
        parent: Option<usize>,
        mut module: Module<'a>,
    ) -> usize {
        let here = self.nodes.len();
        let inline = std::mem::take(&mut module.inline);
        let files = module.files.clone();
        self.nodes.push(Node { file, parent, children: BTreeMap::new(), module });
        for (name, module) in inline {
            let child = self.add(tree, file, &format!("{folder}/{name}"), Some(here), module);
            self.nodes[here].children.insert(name, child);
        }
        for (name, path) in files {
            let below = format!("{folder}/{name}");
            let places = match path {
                Some(path) => vec![resolve(file, path).unwrap_or_default()],
                None => vec![format!("{below}.rs"), format!("{below}/mod.rs")],
            };
            let found = places.iter().find_map(|place| tree.files.get(place));
            let text = found.and_then(|found| tree.text(found)).unwrap_or_default();
            let module = Module::read(&without_tests(&code(text)));
            let found = found.map_or(NOWHERE, String::as_str);
            let child = self.add(tree, found, &below, Some(here), module);
            self.nodes[here].children.insert(name, child);
        }
        here
    }

    /// What each file needs of the others. A re-export, and the declaration of a module, need
    /// nothing by themselves.
    pub(super) fn needs(&self) -> Vec<Need<'a>> {
        let mut needs = Vec::new();
        for (here, node) in self.nodes.iter().enumerate() {
            for import in &node.module.imports {
                self.add_import(&mut needs, here, import);
            }
            for mention in &node.module.mentions {
                let target = self.resolve(here, &mention.path, &mut Vec::new());
                self.add_need(&mut needs, here, target, mention.at);
            }
        }
        // The first place of each name is enough.
        needs.sort();
        needs.dedup_by(|a, b| (a.from, a.to, a.name) == (b.from, b.to, b.name));
        needs
    }

    fn add_import(&self, needs: &mut Vec<Need<'a>>, here: usize, import: &Import<'a>) {
        let module = &self.nodes[here].module;
        if let Some(name) = import.name {
            if !import.is_public || module.words.contains_key(name) {
                let target = self.resolve(here, &import.path, &mut Vec::new());
                self.add_need(needs, here, target, import.at);
            }
            return;
        }
        let from = self.resolve_module(here, &import.path, &mut Vec::new());
        let Some(from) = from.filter(|from| *from != here) else { return };
        for (word, at) in &module.words {
            let is_own = module.defined.contains(word)
                || self.nodes[here].children.contains_key(word)
                || module.imports.iter().any(|import| import.name == Some(word));
            if !is_own {
                let target = self.look_up(from, word, true, &mut Vec::new());
                self.add_need(needs, here, target, *at);
            }
        }
    }

    fn add_need(
        &self,
        needs: &mut Vec<Need<'a>>,
        here: usize,
        target: Option<Target<'a>>,
        at: usize,
    ) {
        let Some(Target::Name(there, name)) = target else { return };
        let (from, to) = (self.nodes[here].file, self.nodes[there].file);
        if from != to && to != NOWHERE {
            needs.push(Need { from, to, name, at });
        }
    }

    /// Follows a path from a module. `None` for one that leads out of the crate.
    fn resolve(
        &self,
        here: usize,
        path: &[&'a str],
        seen: &mut Vec<(usize, &'a str)>,
    ) -> Option<Target<'a>> {
        let (first, rest) = path.split_first()?;
        let mut target = match *first {
            "crate" => Target::Module(0),
            "self" => Target::Module(here),
            "super" => Target::Module(self.nodes[here].parent?),
            name => self.look_up(here, name, rest.is_empty(), seen)?,
        };
        for (index, name) in rest.iter().enumerate() {
            let Target::Module(module) = target else { break };
            target = match *name {
                "super" => Target::Module(self.nodes[module].parent?),
                // A name that is not found is one that a macro makes.
                name => self
                    .look_up(module, name, index + 1 == rest.len(), seen)
                    .unwrap_or(Target::Name(module, name)),
            };
        }
        Some(target)
    }

    fn resolve_module(
        &self,
        here: usize,
        path: &[&'a str],
        seen: &mut Vec<(usize, &'a str)>,
    ) -> Option<usize> {
        match self.resolve(here, path, seen)? {
            Target::Module(module) => Some(module),
            Target::Name(..) => None,
        }
    }

    /// Finds a name in a module: its own, or one that it imports. At the end of a path something
    /// with that name comes before a module of that name.
    fn look_up(
        &self,
        module: usize,
        name: &'a str,
        is_last: bool,
        seen: &mut Vec<(usize, &'a str)>,
    ) -> Option<Target<'a>> {
        if seen.contains(&(module, name)) {
            return None;
        }
        seen.push((module, name));
        let node = &self.nodes[module];
        let child = node.children.get(name).copied().map(Target::Module);
        if child.is_some() && !is_last {
            return child;
        }
        if node.module.defined.contains(name) {
            return Some(Target::Name(module, name));
        }
        let imports = &node.module.imports;
        let named = imports.iter().filter(|import| import.name == Some(name));
        let mut found = named.filter_map(|import| self.resolve(module, &import.path, seen));
        if let Some(found) = found.next() {
            return Some(found);
        }
        let globs = imports.iter().filter(|import| import.name.is_none());
        let mut found = globs.filter_map(|import| {
            let from = self.resolve_module(module, &import.path, seen)?;
            self.look_up(from, name, is_last, seen)
        });
        child.or_else(|| found.next())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::tree::tree, Modules};

    fn needs(files: &[(&str, &str)]) -> Vec<String> {
        let tree = tree(files);
        let modules = Modules::read(&tree, "src/lib.rs");
        let shown = |need: &super::Need<'_>| format!("{} {} {}", need.from, need.to, need.name);
        modules.needs().iter().map(shown).collect()
    }

    #[test]
    fn an_import_by_a_re_export_is_one_of_the_file_that_defines_the_name() {
        let files = [
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a/mod.rs", "mod inner; pub use inner::Thing;"),
            ("src/a/inner.rs", "pub struct Thing;"),
            ("src/b.rs", "use crate::a::Thing; fn f(_: Thing) {}"),
        ];
        assert_eq!(needs(&files), ["src/b.rs src/a/inner.rs Thing"]);
    }

    #[test]
    fn a_re_export_that_the_module_uses_itself_is_an_import() {
        let files = [
            ("src/lib.rs", "mod a; pub use a::{Thing, Other}; fn f(_: Thing) {}"),
            ("src/a.rs", "pub struct Thing; pub struct Other;"),
        ];
        assert_eq!(needs(&files), ["src/lib.rs src/a.rs Thing"]);
    }

    #[test]
    fn paths_in_code_and_names_by_a_star_are_imports_too() {
        let files = [
            ("src/lib.rs", "mod a; mod b; mod c; const LIMIT: u8 = 1; mod inner { pub fn g() {} }"),
            ("src/a.rs", "fn f() { super::b::g::new(); crate::inner::g() }"),
            ("src/b.rs", "use super::*; pub fn g() { LIMIT }"),
            ("src/c.rs", "use super::b; fn h() { b::g(); std::mem::drop(1) }"),
        ];
        let wanted = [
            "src/a.rs src/b.rs g",
            "src/a.rs src/lib.rs g",
            "src/b.rs src/lib.rs LIMIT",
            "src/c.rs src/b.rs g",
        ];
        assert_eq!(needs(&files), wanted);
    }

    #[test]
    fn a_module_in_another_folder_is_that_file_and_one_without_a_file_is_none() {
        let files = [
            ("src/lib.rs", "#[path = \"../x/a.rs\"] mod a; mod b; mod gone;"),
            ("x/a.rs", "pub fn f() {}"),
            ("src/b.rs", "use crate::{a::f, gone::g};"),
        ];
        assert_eq!(needs(&files), ["src/b.rs x/a.rs f"]);
    }

    #[test]
    fn test_modules_need_nothing() {
        let files = [
            ("src/lib.rs", "mod a; pub fn f() {}"),
            ("src/a.rs", "#[cfg(test)] mod tests { use crate::f; }"),
        ];
        assert!(needs(&files).is_empty());
    }
}
