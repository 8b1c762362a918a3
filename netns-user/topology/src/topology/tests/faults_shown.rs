//! How the faults of a file are shown: with their lines, and not too many at once.

use std::fmt::Write as _;

use super::{GOOD, Topology, problems};

fn shown(text: &str) -> String {
    Topology::parse(text, "lab.toml").unwrap_err().to_string()
}

#[test]
fn each_fault_has_its_line_of_the_file_below_it() {
    let text = GOOD.replacen("answers", "awnsers", 1).replacen("port = 80", "port = 0", 1);
    let outside = "outside = { namespace = \"lan\", interface = \"eth0\", address = \
                   \"192.168.1.1/24\", awnsers = [\"8.8.8.8\"] }";
    let expected = format!(
        "lab.toml:10:80: unknown key \"awnsers\": did you mean \"answers\"?\n  10 | {outside}\n     | \
         {}^^^^^^^\nlab.toml:37:8: forward: the port 0 does not exist: use 1 to 65535\n  37 | port \
         = 0\n     |        ^",
        " ".repeat(79)
    );
    assert_eq!(shown(&text), expected);
}

#[test]
fn a_styled_error_has_the_same_text_in_colours() {
    let error = Topology::parse("name = 7\n", "lab.toml").unwrap_err();
    let styled = error.styled();
    assert!(styled.contains("\u{1b}["), "{styled:?}");
    let plain: String = styled
        .split('\u{1b}')
        .map(|part| match part.strip_prefix('[') {
            Some(style) => style.split_once('m').unwrap().1,
            None => part,
        })
        .collect();
    assert_eq!(plain, error.to_string());
    assert!(!error.to_string().contains('\u{1b}'));
}

#[test]
fn where_values_could_not_be_checked_there_may_be_more_faults() {
    let rest = "\nand perhaps more, once these are mended";
    let text = |line: &str| format!("{GOOD}\n[[namespace]]\nname = \"n\"\n{line}\n");
    assert!(!shown(&text("zzz = 1")).contains(rest));
    for line in ["forwarding = 7", "dns = ["] {
        assert!(shown(&text(line)).ends_with(rest), "{line}: {}", shown(&text(line)));
    }
}

#[test]
fn of_more_than_a_hundred_faults_the_others_are_counted() {
    let faulty = |count: usize, line: &str| {
        let mut text = GOOD.to_owned();
        for number in 0..count {
            let _ = write!(text, "\n[[namespace]]\nname = \"n{number}\"\n{line}");
        }
        text
    };
    // Unknown keys, values that mean nothing, values of the wrong type, and no TOML.
    for line in ["zzz = 1\n", "dns = [\"9.9\"]\n", "forwarding = 7\n", "dns = [\n"] {
        let text = faulty(100, line);
        assert!(!shown(&text).contains(" more\n"), "{line}");
        let text = faulty(123, line);
        let told = shown(&text);
        let heads: Vec<&str> = told.lines().filter(|line| !line.starts_with(' ')).collect();
        assert_eq!(heads.len(), 101, "{line}");
        assert!(heads[100].starts_with("and 23 more"), "{line}: {}", heads[100]);
        assert_eq!(problems(&text).len(), 123, "{line}");
    }
}
