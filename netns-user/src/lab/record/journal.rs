//! The namespaces that a lab has made, as lines of a file that only grows: a lab may have thousands
//! of namespaces, and each must be recorded before it is made.

use std::collections::{HashMap, HashSet};

/// An event of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lab) enum Event {
    /// It is about to be made, and may exist.
    Making(String),
    /// It was made, with this cookie.
    Made(String, u64),
    /// It was not made, because somebody else has the name.
    Foreign(String),
    /// It was half made by a process that was killed, and has been deleted.
    Unmade(String),
}

/// The namespaces that were made, by name, with their cookies
/// ([`netns::own_cookie`](crate::net::netns::own_cookie)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::lab) struct Journal {
    pub(in crate::lab) cookies: HashMap<String, u64>,
    /// The namespaces that are being made: they may exist, but are not in `cookies` yet.
    pub(in crate::lab) making: HashSet<String>,
}

impl Event {
    /// Names contain no white space.
    pub(in crate::lab) fn line(&self) -> String {
        match self {
            Self::Making(name) => format!("making {name}\n"),
            Self::Made(name, cookie) => format!("made {name} {cookie}\n"),
            Self::Foreign(name) => format!("foreign {name}\n"),
            Self::Unmade(name) => format!("unmade {name}\n"),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["making", name] => Some(Self::Making((*name).to_owned())),
            ["made", name, cookie] => Some(Self::Made((*name).to_owned(), cookie.parse().ok()?)),
            ["foreign", name] => Some(Self::Foreign((*name).to_owned())),
            ["unmade", name] => Some(Self::Unmade((*name).to_owned())),
            _ => None,
        }
    }
}

impl Journal {
    /// Reads the file. Its last line may be cut off, if its writer was killed.
    pub(in crate::lab) fn parse(text: &str) -> Self {
        let mut journal = Self::default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for event in whole.lines().filter_map(Event::parse) {
            journal.note(event);
        }
        journal
    }

    pub(in crate::lab) fn note(&mut self, event: Event) {
        match event {
            Event::Making(name) => {
                self.cookies.remove(&name);
                self.making.insert(name);
            }
            Event::Made(name, cookie) => {
                self.making.remove(&name);
                self.cookies.insert(name, cookie);
            }
            Event::Foreign(name) | Event::Unmade(name) => {
                self.making.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_events_are_read_back() {
        let events = [
            Event::Making("red".into()),
            Event::Made("red".into(), 17),
            Event::Making("blue".into()),
            Event::Foreign("blue".into()),
            Event::Making("grey".into()),
            Event::Unmade("grey".into()),
            Event::Making("green".into()),
            Event::Making("black".into()),
            Event::Made("black".into(), 18),
            Event::Making("white".into()),
        ];
        let text: String = events.iter().map(Event::line).collect();
        let journal = Journal::parse(&text);
        let made = [("red".to_owned(), 17), ("black".to_owned(), 18)];
        assert_eq!(journal.cookies, HashMap::from(made));
        // Several at a time.
        assert_eq!(journal.making, ["green", "white"].map(str::to_owned).into());
    }

    #[test]
    fn an_incomplete_last_line_is_ignored() {
        let journal = Journal::parse("making red\nmade red 17");
        assert_eq!(journal.making, HashSet::from(["red".to_owned()]));
        assert!(journal.cookies.is_empty());
    }
}
