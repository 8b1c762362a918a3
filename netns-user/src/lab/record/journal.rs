//! Which namespaces a lab has made: lines in a file that only grows, because a lab may have
//! thousands, and each must be known before it is made.

use std::collections::{HashMap, HashSet};

/// What happened to the namespace of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lab) enum Event {
    /// It is about to be made: it may be there.
    Making(String),
    /// It was made, with this cookie.
    Made(String, u64),
    /// It was not made, because somebody else has the name.
    Foreign(String),
    /// It was half made by somebody who was killed, and is taken away.
    Unmade(String),
}

/// The namespaces that were made, by name, with their cookies
/// ([`netns::own_cookie`](crate::net::netns::own_cookie)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::lab) struct Journal {
    pub(in crate::lab) cookies: HashMap<String, u64>,
    /// Those that are being made: they may be there, but not yet in `cookies`.
    pub(in crate::lab) making: HashSet<String>,
}

impl Event {
    /// Names hold no white space.
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
    /// Reads the file. Its last line may be cut off, when its writer was killed.
    pub(in crate::lab) fn parse(text: &str) -> Self {
        let mut journal = Self::default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for event in whole.lines().filter_map(Event::parse) {
            journal.take_up(event);
        }
        journal
    }

    pub(in crate::lab) fn take_up(&mut self, event: Event) {
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
    fn what_was_written_is_read() {
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
    fn a_line_that_is_cut_off_does_not_count() {
        let journal = Journal::parse("making red\nmade red 17");
        assert_eq!(journal.making, HashSet::from(["red".to_owned()]));
        assert!(journal.cookies.is_empty());
    }
}
