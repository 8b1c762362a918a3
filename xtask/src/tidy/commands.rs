//! The commands and options of `netns` and `cargo xtask`, read from what clap derives them from.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    lexer::Token,
    rust::{code, group_end, path_at},
    tree::Tree,
};

/// Options that clap gives every command.
const EVERYWHERE: [&str; 2] = ["help", "version"];

/// A command, or the program itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Command {
    pub(super) commands: BTreeMap<String, Command>,
    /// Whether it has no meaning without one of its commands.
    pub(super) needs_command: bool,
    pub(super) options: BTreeSet<String>,
    /// Whether the words behind it are for another program.
    pub(super) passes_on: bool,
}

impl Command {
    pub(super) fn has_option(&self, name: &str) -> bool {
        EVERYWHERE.contains(&name) || self.options.contains(name)
    }

    /// Its options and those of all its commands.
    pub(super) fn all_options(&self) -> BTreeSet<&str> {
        let own = self.options.iter().map(String::as_str);
        own.chain(self.commands.values().flat_map(Self::all_options)).collect()
    }
}

/// What is declared in a file for clap.
#[derive(Default)]
struct Declared<'a> {
    structs: Vec<(&'a str, Struct<'a>)>,
    enums: Vec<(&'a str, Vec<Variant<'a>>)>,
}

/// A struct with arguments.
#[derive(Default)]
struct Struct<'a> {
    options: BTreeSet<String>,
    /// Options that its commands have as well.
    global: BTreeSet<String>,
    flattened: Vec<Vec<&'a str>>,
    commands: Option<Vec<&'a str>>,
    needs_command: bool,
    passes_on: bool,
}

/// A command: its name, and the type of its arguments.
struct Variant<'a> {
    name: String,
    arguments: Option<Vec<&'a str>>,
}

/// The command whose arguments the struct `name` in the file `path` has.
pub(super) fn read(tree: &Tree, path: &str, name: &str) -> Command {
    let folder = path.rfind('/').map_or("", |end| &path[..=end]);
    let sources = tree.sources().filter(|(path, _)| path.starts_with(folder));
    let declared: Vec<_> = sources
        .map(|(path, text)| (module_of(path), Declared::read(&code(text))))
        .filter(|(_, declared)| !declared.structs.is_empty() || !declared.enums.is_empty())
        .collect();
    let mut command = Command::default();
    add(&declared, &mut command, &[module_of(path), name], &BTreeSet::new());
    command
}

/// The name of the module that a file is.
fn module_of(path: &str) -> &str {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.rsplit('/').next().unwrap_or(path)
}

/// Adds to a command what the struct at a path has.
fn add(
    declared: &[(&str, Declared<'_>)],
    command: &mut Command,
    path: &[&str],
    global: &BTreeSet<String>,
) {
    let Some(found) = find(declared, path, |declared| &declared.structs) else { return };
    let global: BTreeSet<_> = global.union(&found.global).cloned().collect();
    command.options.extend(found.options.iter().chain(&global).cloned());
    command.passes_on |= found.passes_on;
    for path in &found.flattened {
        add(declared, command, path, &global);
    }
    let Some(path) = &found.commands else { return };
    command.needs_command = found.needs_command;
    for variant in find(declared, path, |declared| &declared.enums).into_iter().flatten() {
        let mut below = Command::default();
        below.options.extend(global.iter().cloned());
        if let Some(path) = &variant.arguments {
            add(declared, &mut below, path, &global);
        }
        command.commands.insert(variant.name.clone(), below);
    }
}

/// Finds what a path such as `module::Name` or `Name` names.
fn find<'a, 'b, T>(
    declared: &'b [(&str, Declared<'a>)],
    path: &[&str],
    of: impl Fn(&'b Declared<'a>) -> &'b Vec<(&'a str, T)>,
) -> Option<&'b T> {
    let (name, modules) = path.split_last()?;
    let module = modules.last().filter(|module| !["crate", "super", "self"].contains(module));
    let files = declared.iter().filter(|(file, _)| module.is_none_or(|module| module == file));
    let mut found = files.flat_map(|(_, declared)| of(declared)).filter(|(it, _)| it == name);
    found.next().map(|(_, found)| found)
}

impl<'a> Declared<'a> {
    fn read(tokens: &[Token<'a>]) -> Self {
        let mut declared = Self::default();
        let mut derives: Vec<&str> = Vec::new();
        let mut index = 0;
        while index < tokens.len() {
            let token = tokens[index];
            if token.is("#") && tokens.get(index + 1).is_some_and(|next| next.is("[")) {
                let end = group_end(tokens, index + 1);
                if tokens.get(index + 2).is_some_and(|name| name.is("derive")) {
                    derives = tokens[index + 3..end].iter().map(|token| token.text).collect();
                }
                index = end;
                continue;
            }
            index += 1;
            if !token.is("struct") && !token.is("enum") {
                continue;
            }
            let Some(name) = tokens.get(index).map(|name| name.text) else { break };
            let derives = std::mem::take(&mut derives);
            let has = |name: &str| derives.contains(&name);
            if tokens.get(index + 1).is_none_or(|next| !next.is("{")) {
                continue;
            }
            let end = group_end(tokens, index + 1);
            let body = &tokens[index + 2..end - 1];
            if token.is("struct") && (has("Args") || has("Parser")) {
                declared.structs.push((name, Struct::read(body)));
            } else if token.is("enum") && has("Subcommand") {
                declared.enums.push((name, variants(body)));
            }
            index = end;
        }
        declared
    }
}

impl<'a> Struct<'a> {
    fn read(body: &[Token<'a>]) -> Self {
        let mut read = Self::default();
        for (attributes, field) in members(body) {
            let colon = field.iter().position(|token| token.is(":"));
            let Some(colon) = colon.filter(|colon| *colon > 0) else { continue };
            let name = field[colon - 1].text;
            let mut index = colon + 1;
            let is_optional = field.get(index).is_some_and(|token| token.is("Option"));
            if is_optional {
                index += 2;
            }
            let (path, _) = path_at(&field, index);
            let has = |word: &str| attributes.iter().any(|token| token.is(word));
            if has("subcommand") {
                read.commands = Some(path);
                read.needs_command = !is_optional;
            } else if has("flatten") {
                read.flattened.push(path);
            } else if has("long") {
                let option = value_of(&attributes, "long").unwrap_or_else(|| kebab(name));
                if has("global") {
                    read.global.insert(option);
                } else {
                    read.options.insert(option);
                }
            }
            read.passes_on |= has("trailing_var_arg") || has("last");
        }
        read
    }
}

fn variants<'a>(body: &[Token<'a>]) -> Vec<Variant<'a>> {
    let variants = members(body).into_iter().filter_map(|(attributes, variant)| {
        let first = variant.first()?;
        let name = value_of(&attributes, "name").unwrap_or_else(|| kebab(first.text));
        let has_arguments = variant.get(1).is_some_and(|token| token.is("("));
        let arguments = has_arguments.then(|| path_at(&variant, 2).0);
        Some(Variant { name, arguments })
    });
    variants.collect()
}

/// The fields or variants of a body: the attributes of each, and the rest.
fn members<'a>(body: &[Token<'a>]) -> Vec<(Vec<Token<'a>>, Vec<Token<'a>>)> {
    let mut members = Vec::new();
    let mut attributes = Vec::new();
    let mut rest = Vec::new();
    let mut index = 0;
    while let Some(token) = body.get(index) {
        let end = match token.text {
            "#" => {
                let end = group_end(body, index + 1);
                attributes.extend_from_slice(&body[index..end]);
                index = end;
                continue;
            }
            "(" | "[" | "{" if !token.is_word() => group_end(body, index),
            _ => index + 1,
        };
        if token.is(",") {
            members.push((std::mem::take(&mut attributes), std::mem::take(&mut rest)));
        } else {
            rest.extend_from_slice(&body[index..end]);
        }
        index = end;
    }
    members.push((attributes, rest));
    members.retain(|(_, rest)| !rest.is_empty());
    members
}

/// The string behind `name =` in attributes.
fn value_of(attributes: &[Token<'_>], name: &str) -> Option<String> {
    attributes.windows(3).find_map(|window| {
        let is_it = window[0].is(name) && window[1].is("=") && window[2].text.starts_with('"');
        is_it.then(|| window[2].text.trim_matches('"').to_owned())
    })
}

/// A name of Rust as clap writes it.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(character.to_lowercase());
    }
    text.replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, read};

    const CLI: &str = r#"
        #[derive(Debug, Parser)]
        #[command(name = "p")]
        pub struct Cli {
            #[arg(long, global = true)]
            json: bool,
            #[command(subcommand)]
            command: Command,
        }
        #[derive(Debug, Subcommand)]
        enum Command {
            /// Adds
            #[command(after_help = "x, y")]
            Add(add::Args),
            ManPages { folder: PathBuf },
            #[command(name = "ls")]
            List(ListArgs),
        }
        #[derive(Args)]
        struct ListArgs { #[command(subcommand)] what: Option<What> }
        #[derive(Subcommand)]
        enum What { All }
    "#;

    const ADD: &str = r#"
        #[derive(Debug, clap::Args)]
        pub struct Args {
            #[arg(long, value_name = "N")]
            how_many: Option<u8>,
            #[arg(long = "to")]
            target: Vec<(u8, u8)>,
            #[command(flatten)]
            more: More,
            #[arg(trailing_var_arg = true)]
            rest: Vec<String>,
        }
        #[derive(Args)]
        struct More { #[arg(short, long)] force: bool, name: String }
    "#;

    #[test]
    fn commands_and_options_are_read_from_the_declarations() {
        let tree = tree(&[("src/cli/mod.rs", CLI), ("src/cli/add.rs", ADD)]);
        let program = read(&tree, "src/cli/mod.rs", "Cli");
        assert!(program.needs_command);
        assert_eq!(program.commands.keys().collect::<Vec<_>>(), ["add", "ls", "man-pages"]);
        let add = &program.commands["add"];
        assert_eq!(add.options.iter().collect::<Vec<_>>(), ["force", "how-many", "json", "to"]);
        assert!(add.passes_on && add.has_option("help") && !add.has_option("name"));
        let list = &program.commands["ls"];
        assert!(list.commands.contains_key("all") && !list.needs_command);
        assert!(program.all_options().contains("how-many"));
    }
}
