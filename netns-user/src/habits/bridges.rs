//! `brctl`, and the program `bridge` of iproute2.

use super::{
    answers::by_exec,
    ip::list,
    words::{in_namespace, line},
};

/// `brctl addbr B`, `bridge link` and our own actions.
///
/// # Errors
/// The words to type, where there is no such action here.
pub(super) fn bridge(
    mut words: Vec<String>,
    namespace: Option<&str>,
) -> Result<Vec<String>, String> {
    if words.is_empty() {
        return Ok(list("bridge", namespace, None));
    }
    let first = words.remove(0);
    let action = match first.as_str() {
        "addbr" | "create" | "add" => "add",
        "delbr" | "delete" | "rm" | "del" => "del",
        "addif" | "attach" => "attach",
        "delif" | "detach" => "detach",
        "ls" | "list" => {
            let mut listed = list("bridge", namespace, None);
            listed.extend(words);
            return Ok(listed);
        }
        "link" | "show" => {
            let is_action = words.first().is_some_and(|word| word == "show" || word == "list");
            let options = &words[usize::from(is_action)..];
            if options.iter().any(|word| !word.starts_with('-')) {
                let program = if first == "link" { "bridge" } else { "brctl" };
                return Err(by_exec(namespace, program, &first, &words));
            }
            let mut listed = list("bridge", namespace, None);
            listed.extend_from_slice(options);
            return Ok(listed);
        }
        "fdb" | "mdb" | "vlan" | "vni" | "monitor" => {
            return Err(by_exec(namespace, "bridge", &first, &words));
        }
        "stp" | "setageing" | "setfd" | "sethello" | "setmaxage" | "setbridgeprio" => {
            return Err(by_exec(namespace, "brctl", &first, &words));
        }
        _ => return Ok(line(["bridge", &first], words)),
    };
    Ok(line(["bridge", action], all_in(namespace, words)))
}

/// Our own actions on cables, under the names that other tools have for them.
pub(super) fn cable(mut words: Vec<String>, namespace: Option<&str>) -> Vec<String> {
    if words.is_empty() {
        return list("cable", namespace, None);
    }
    let first = words.remove(0);
    let action = match first.as_str() {
        "create" | "add" => "add",
        "delete" | "rm" | "del" => "del",
        "show" | "ls" | "list" => {
            let mut listed = list("cable", namespace, None);
            listed.extend(words);
            return listed;
        }
        _ => return line(["cable", &first], words),
    };
    line(["cable", action], all_in(namespace, words))
}

/// The words with the namespace before each name.
fn all_in(namespace: Option<&str>, mut words: Vec<String>) -> Vec<String> {
    let mut is_value = false;
    for word in &mut words {
        if !is_value && !word.starts_with('-') {
            *word = in_namespace(namespace, word);
        }
        is_value = word == "--mtu";
    }
    words
}
