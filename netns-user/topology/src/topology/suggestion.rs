//! For a name that is not known: which known name was probably meant.

use super::foreign;

/// The similarity (0 to 1, Jaro-Winkler) from which a known name counts as the one that was meant.
const SIMILAR: f64 = 0.7;

/// How many names an error lists.
const LISTED: usize = 8;

/// The name of `known` that is most similar to `wanted`, if one is similar enough.
pub(super) fn nearest<'k>(wanted: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|name| (similarity(wanted, name), name))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        // The first one of several that are equally similar.
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, name)| name)
}

/// The key of a table that a person meant by an unknown one: it has the same meaning, or a similar
/// name.
pub(super) fn meant<'k>(
    key: &str,
    known: impl Iterator<Item = &'k str> + Clone,
) -> Option<&'k str> {
    let synonym = foreign::synonym(key);
    known.clone().find(|known| synonym == Some(*known)).or_else(|| nearest(key, known))
}

/// The similarity of two names, from 0 to 1. Jaro-Winkler finds short names with two letters
/// exchanged not similar at all, so a single slip counts as similar in any case.
fn similarity(wanted: &str, name: &str) -> f64 {
    let similarity = strsim::jaro_winkler(wanted, name);
    let is_slip = wanted.len() > 2 && strsim::damerau_levenshtein(wanted, name) == 1;
    if is_slip { similarity.max(SIMILAR) } else { similarity }
}

/// A hint for `wanted`, which is not among `known`.
pub(super) fn hint<'k>(wanted: &str, known: impl Iterator<Item = &'k str>) -> String {
    let mut known: Vec<&str> = known.collect();
    match known.as_slice() {
        [] => "the file has none: add it".into(),
        [only] => format!("did you mean \"{only}\"?"),
        several => match nearest(wanted, several.iter().copied()) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => {
                let more = if known.len() > LISTED { " and more" } else { "" };
                known.truncate(LISTED);
                format!("there are {}{more}", known.join(", "))
            }
        },
    }
}
