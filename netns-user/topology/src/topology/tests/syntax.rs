//! Files that the parser does not accept.

use super::{GOOD, problems, spoiled};

#[test]
fn an_unknown_key_is_answered_with_a_similar_key() {
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
fn an_unknown_key_without_a_similar_one_is_answered_with_all_keys() {
    spoiled(
        "protocol = ",
        "xyz = 1\nprotocol = ",
        "lab.toml:35:1: unknown key \"xyz\": the keys here are protocol, address, port, target, \
         from",
    );
}

#[test]
fn a_missing_key_is_reported() {
    spoiled("name = \"v-net-0\"\n", "", "lab.toml:12:1: the key \"name\" is missing here: add it");
}

#[test]
fn a_syntax_error_is_reported_at_its_line() {
    let found = problems(&GOOD.replacen("port = 80", "port = ", 1));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("lab.toml:37:"), "{found:?}");
}

#[test]
fn a_value_of_the_wrong_type_is_reported_with_the_type_to_write() {
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
        ("dns = [\"9.9.9.9\"]", "dns = true", "true is a boolean: write a list, in [ ]"),
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

/// The problems of the good file with these changes.
fn spoiled_by(changes: &[(&str, &str)]) -> Vec<String> {
    let spoil = |text: String, (from, to): &(&str, &str)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    problems(&changes.iter().fold(GOOD.to_owned(), spoil))
}

#[test]
fn faults_behind_an_unknown_key_are_reported_too() {
    let found = spoiled_by(&[
        ("answers", "awnsers"),
        ("[[bridge]]", "[[bridges]]"),
        ("protocol = ", "xyz = 1\nprotocol = "),
        ("port = 80", "port = 99999"),
        ("dns = [\"9.9.9.9\"]", "dns = [\"9.9.9\"]"),
    ]);
    for part in ["\"awnsers\"", "\"bridges\"", "\"xyz\"", "99999", "\"9.9.9\""] {
        assert_eq!(
            found.iter().filter(|line| line.contains(part)).count(),
            1,
            "{part}: {found:#?}"
        );
    }
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn faults_behind_a_wrong_value_and_a_missing_key_are_reported_too() {
    let found = spoiled_by(&[
        ("name = \"v-net-0\"\n", ""),
        ("name = \"red\"", "name = 7\nmtu = \"big\""),
        ("port = 80", "prot = true"),
        ("dns = [\"9.9.9.9\"]", "dns = [\"9.9.9.9\", 5]\ncolour = 1"),
    ]);
    for part in [
        "\"name\" is missing",
        ": 7 is a number",
        "\"big\" is text",
        "\"prot\"",
        ": 5 is a number",
        "\"colour\"",
    ] {
        assert_eq!(
            found.iter().filter(|line| line.contains(part)).count(),
            1,
            "{part}: {found:#?}"
        );
    }
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn recovery_ends_in_a_file_of_wrong_types_only() {
    let found = problems("name = 7\nbridge = 5\nuplink = { name = 3 }\ncable = [1, 2]\n");
    assert_eq!(found.len(), 6, "{found:#?}");
}
