//! What is no topology file at all.

use super::{GOOD, problems, spoiled};

#[test]
fn unknown_key_that_looks_like_another() {
    spoiled(
        "answers",
        "awnsers",
        "lab.toml:10:80: unknown key \"awnsers\": did you mean \"answers\"?",
    );
    spoiled(
        "[[bridge]]",
        "[[bridges]]",
        "lab.toml:12:3: unknown key \"bridges\": did you mean \"bridge\"?",
    );
}

#[test]
fn unknown_key_that_looks_like_none() {
    spoiled(
        "protocol = ",
        "xyz = 1\nprotocol = ",
        "lab.toml:35:1: unknown key \"xyz\": known here are protocol, address, port, target, \
         from",
    );
}

#[test]
fn missing_key() {
    spoiled("name = \"v-net-0\"\n", "", "lab.toml:12:1: the key \"name\" is missing here: add it");
}

#[test]
fn syntax_error() {
    let found = problems(&GOOD.replacen("port = 80", "port = ", 1));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("lab.toml:37:"), "{found:?}");
}

#[test]
fn wrong_type() {
    let cases = [
        (
            "[router]",
            "[nat]\nflow_table = \"80\"\n[router]",
            "\"80\" is text: write a number without quotes",
        ),
        (
            "[router]",
            "[nat]\nflow_table = 8.5\n[router]",
            "8.5 is a fraction: write a number without quotes",
        ),
        (
            "port = 80",
            "port = 8.5",
            "8.5 is a fraction: write a port, or several in quotes, as \"8000-8099\"",
        ),
        ("name = \"red\"", "name = 7", "7 is a number: write text in quotes"),
        ("dns = [\"9.9.9.9\"]", "dns = true", "true is true or false: write a list, in [ ]"),
    ];
    for (from, to, message) in cases {
        let found = problems(&GOOD.replacen(from, to, 1));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with(&format!(": {message}")), "{found:?}");
    }
    let found = problems(&GOOD.replacen("port = 80", "port = true", 1));
    assert!(found[0].starts_with("lab.toml:37:8: "), "{found:?}");
    let found = problems(&format!("{GOOD}[nat]\nsource_check = \"yes\"\n"));
    assert!(
        found[0].ends_with(": \"yes\" is text: write true or false, without quotes"),
        "{found:?}"
    );
}
