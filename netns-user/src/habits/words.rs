//! The words of a command line.

use std::{collections::VecDeque, ffi::OsString};

/// The words that are still to be read. A word may be any bytes.
#[derive(Debug)]
pub(super) struct Words {
    left: VecDeque<OsString>,
}

impl Words {
    pub(super) fn new(words: Vec<OsString>) -> Self {
        Self { left: words.into() }
    }

    /// The next word, if it is text.
    pub(super) fn peek(&self) -> Option<&str> {
        self.left.front()?.to_str()
    }

    /// Takes the next word, if it is text.
    pub(super) fn take(&mut self) -> Option<String> {
        let word = self.peek()?.to_owned();
        self.left.pop_front();
        Some(word)
    }

    /// Whether a word follows the next one.
    pub(super) fn has_more(&self) -> bool {
        self.left.len() > 1
    }

    /// The other words.
    pub(super) fn rest(self) -> Vec<OsString> {
        self.left.into()
    }

    /// Translates the command `name` and the other words. If one of them is no text, all stay as
    /// they are.
    ///
    /// # Errors
    /// Those of `translate`.
    pub(super) fn translated(
        self,
        name: &str,
        translate: impl FnOnce(Vec<String>) -> Result<Vec<String>, String>,
    ) -> Result<Vec<OsString>, String> {
        let texts = self.left.iter().map(|word| word.to_str().map(str::to_owned));
        let Some(texts) = texts.collect() else {
            return Ok(std::iter::once(name.into()).chain(self.left).collect());
        };
        Ok(translate(texts)?.into_iter().map(OsString::from).collect())
    }
}

/// Words of `ip`: keywords with values, and others.
#[derive(Debug, Default)]
pub(super) struct Keywords {
    /// The words before the first keyword, and those that are neither keyword nor value.
    pub(super) others: Vec<String>,
    /// Keywords with their values, in their order.
    pub(super) pairs: Vec<(String, String)>,
}

impl Keywords {
    /// Reads words of which `keywords` have a value. Options of ours, which begin with two dashes,
    /// are kept with the others, and so is a keyword without a value: it may be a name.
    pub(super) fn read(words: &[String], keywords: &[&str]) -> Self {
        let mut read = Self::default();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let is_value = |next: &&String| !next.starts_with("--");
            if keywords.contains(&word.as_str())
                && let Some(value) = words.next_if(is_value)
            {
                read.pairs.push((word.clone(), value.clone()));
            } else {
                read.others.push(word.clone());
            }
        }
        read
    }

    /// The value of a keyword.
    pub(super) fn value(&self, keyword: &str) -> Option<&str> {
        let pair = self.pairs.iter().find(|(name, _)| name == keyword);
        pair.map(|(_, value)| value.as_str())
    }
}

/// A name in a namespace, as it is typed here: `red:veth-red`. A name that has a namespace keeps
/// it.
pub(super) fn in_namespace(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) if !name.contains(':') => format!("{namespace}:{name}"),
        _ => name.to_owned(),
    }
}

/// Appends words to a line.
pub(super) fn line<const N: usize>(first: [&str; N], rest: Vec<String>) -> Vec<String> {
    first.into_iter().map(str::to_owned).chain(rest).collect()
}
