//! `netns man-pages`: writes a manual page for the program and one for each command, with the text
//! of `--help`. It is for packagers.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

use crate::{
    cli::{Cli, ManPagesArgs},
    files::write_output,
};

/// Writes the pages into a folder, which is created if it does not exist.
///
/// # Errors
/// When a file cannot be written.
pub fn run(args: &ManPagesArgs) -> anyhow::Result<ExitCode> {
    let folder = &args.folder;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut command = Cli::command().disable_help_subcommand(true);
    // Gives each command its full name and the global options.
    command.build();
    write_pages(&command, None, folder)?;
    Ok(ExitCode::SUCCESS)
}

fn write_pages(command: &Command, parent: Option<&str>, folder: &Path) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let mut page = Vec::new();
    render(command, parent, &mut page)?;
    let path = folder.join(format!("{name}.1"));
    write_output(&path, &page).with_context(|| format!("cannot write {}", path.display()))?;
    for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        write_pages(subcommand, Some(name), folder)?;
    }
    Ok(())
}

fn render(command: &Command, parent: Option<&str>, page: &mut dyn Write) -> io::Result<()> {
    let man = Man::new(command.clone())
        // An empty date would be left out, and the next field would take its place.
        .date(" ")
        .source(concat!("netns ", env!("CARGO_PKG_VERSION")))
        .manual("Network labs");
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if command.get_subcommands().any(|command| !command.is_hide_set()) {
        man.render_subcommands_section(page)?;
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut rest = Roff::new();
    for (heading, lines) in sections(&after) {
        rest.control("SH", [heading.to_uppercase().as_str()]);
        let is_example = heading.starts_with("Example");
        if is_example {
            // Keeps columns and line breaks.
            rest.control("nf", []);
        }
        for line in lines {
            rest.text([roman(line)]);
        }
        if is_example {
            rest.control("fi", []);
        }
    }
    if let Some(parent) = parent {
        rest.control("SH", ["SEE ALSO"]);
        rest.text([roman(format!("{parent}(1)"))]);
    }
    rest.to_writer(page)
}

/// Splits the end of a help text at its headings, which begin a line and end in a colon.
fn sections(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let heading = line.split_once(':').filter(|_| !line.starts_with(' '));
        match (heading, sections.last_mut()) {
            (Some(("Exit codes", codes)), _) => sections.push(("Exit status", vec![codes.trim()])),
            (Some((heading, rest)), _) => sections.push((heading, rest.trim().lines().collect())),
            (None, Some((_, lines))) => lines.push(line.strip_prefix("  ").unwrap_or(line)),
            (None, None) => sections.push(("Notes", vec![line])),
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(path: &[&str]) -> String {
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        let mut command = &command;
        for name in path {
            command = command.find_subcommand(name).expect("a command");
        }
        let mut page = Vec::new();
        render(command, Some("netns"), &mut page).unwrap();
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn the_end_of_a_help_text_becomes_sections() {
        let text = "Examples:\n  netns up    it\n  netns down\n\nExit codes: 0 or 1.";
        let expected =
            [("Examples", vec!["netns up    it", "netns down"]), ("Exit status", vec!["0 or 1."])];
        assert_eq!(sections(text), expected);
        assert_eq!(sections(""), []);
    }

    #[test]
    fn a_page_has_the_full_name_and_the_example() {
        let page = page_of(&["forward", "add"]);
        assert!(page.contains("netns\\-forward\\-add \\- Add a port forward"), "{page}");
        assert!(page.contains(".SH EXAMPLES\n.nf\nnetns forward add tcp 80"), "{page}");
    }
}
