//! Reads the output of the program that verifies and plays.

use crate::virtual_machine::number_of;

/// The results of one kernel.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// The kernel's release, as uname(2) has it; empty before the program has begun.
    pub(super) release: String,
    /// The programs that the verifier accepted, in the order of their names.
    pub(super) programs: Vec<Program>,
    pub(super) plays: Vec<Play>,
    /// Whether every program is accepted and every play succeeds.
    pub(super) is_well: bool,
    table: Table,
}

/// One eBPF program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: String,
    /// How many instructions the verifier looked at.
    pub(super) instructions: u64,
}

/// One play.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Play {
    pub(super) name: String,
    pub(super) succeeded: bool,
}

/// The table that is being read.
#[derive(Debug, Default, PartialEq, Eq)]
enum Table {
    #[default]
    None,
    Programs,
    Plays,
}

/// Its last line if all is well.
const ALL_WELL: &str = "verify: every program is accepted, and every play succeeds";

impl Report {
    /// Reads the next line. Lines between the rows of a table, such as error messages, say nothing.
    pub(super) fn read(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("Linux"), Some(release)) if self.release.is_empty() => {
                release.clone_into(&mut self.release);
            }
            (Some("program"), Some("instructions")) => self.table = Table::Programs,
            (Some("play"), Some("seconds")) => self.table = Table::Plays,
            _ if line == ALL_WELL => self.is_well = true,
            (Some(name), Some(number)) => match self.table {
                Table::None => {}
                Table::Programs => self.programs.extend(program(name, number)),
                Table::Plays => self.plays.extend(play(line)),
            },
            _ => {}
        }
    }

    /// The kernel's number without the rest of its release.
    pub(super) fn name(&self) -> &str {
        number_of(&self.release)
    }
}

fn program(name: &str, number: &str) -> Option<Program> {
    Some(Program { name: name.to_owned(), instructions: number.parse().ok()? })
}

/// A row has the play's name, the seconds, and "ok" or what failed, with spaces between.
fn play(line: &str) -> Option<Play> {
    let mut cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    let (name, seconds, result) = (cells.next()?, cells.next()?, cells.next()?);
    seconds.parse::<f32>().ok()?;
    Some(Play { name: name.to_owned(), succeeded: result == "ok" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Report {
        let mut report = Report::default();
        text.lines().for_each(|line| report.read(line));
        report
    }

    #[test]
    fn programs_and_plays_are_read_from_their_tables() {
        let report = read(
            "claim  31877\n\
             Linux 6.12.117+deb13-cloud-amd64\n\
             program            instructions   budget      ms  ns/run\n\
             claim                     31877   250000     120       -\n\
             evict                    251000   250000     120       -  over its budget\n\
             the kernel refuses dnat\n\
             \n\
             play                          seconds  result\n\
             thread 'main' panicked at paths.rs:3:1:\n\
             netns demo                       12.1  ok\n\
             lab of 200 namespaces             3.0  failed: no  datagram\n\
             verify: not everything is as it should be\n",
        );
        assert_eq!(report.name(), "6.12.117");
        let programs: Vec<_> =
            report.programs.iter().map(|one| (one.name.as_str(), one.instructions)).collect();
        assert_eq!(programs, [("claim", 31_877), ("evict", 251_000)]);
        let plays: Vec<_> =
            report.plays.iter().map(|one| (one.name.as_str(), one.succeeded)).collect();
        assert_eq!(plays, [("netns demo", true), ("lab of 200 namespaces", false)]);
        assert!(!report.is_well);
    }

    #[test]
    fn all_is_well_only_when_the_last_line_says_so() {
        assert!(!read("Linux 7.3.4\n").is_well);
        assert!(read(&format!("Linux 7.3.4\n{ALL_WELL}\n")).is_well);
    }
}
