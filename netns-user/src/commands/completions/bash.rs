//! The script for bash. Unlike the one of `clap_complete`, it completes `NAMESPACE:INTERFACE`: bash
//! takes the colon for a word of its own.

use std::{ffi::OsString, io, path::Path};

use clap_complete::env::{Bash as Plain, EnvCompleter};

#[derive(Clone, Copy, Debug)]
pub(super) struct Bash;

/// The words around a colon are joined before the program is asked. Bash replaces only what is
/// behind the colon, so the part before it is taken off the answers. They are quoted, since bash
/// puts them into the command line, and they may be names that others chose.
const SCRIPT: &str = r#"
_netns_complete() {
    local words=() index=0 joined= i word
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 1)) && [[ $joined || $word == :* ]]; then
            words[${#words[@]}-1]+=$word
        else
            words+=("$word")
        fi
        joined=
        [[ $word == *: ]] && joined=1
        ((i == COMP_CWORD)) && index=$((${#words[@]} - 1))
    done
    if [[ $joined ]] && ((COMP_CWORD >= ${#COMP_WORDS[@]})); then index=$((${#words[@]} - 1)); fi
    local typed=${words[index]} found=() prefix=
    mapfile -d $'\013' -t found < <(_CLAP_IFS=$'\013' _CLAP_COMPLETE_INDEX="$index" \
        VARIABLE=bash PROGRAM -- "${words[@]}" 2> /dev/null)
    [[ $typed == *:* && $COMP_WORDBREAKS == *:* ]] && prefix=${typed%:*}:
    COMPREPLY=()
    for word in "${found[@]}"; do
        printf -v word %q "${word#"$prefix"}"
        COMPREPLY+=("$word")
    done
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/:] ]] && compopt -o nospace 2> /dev/null
    return 0
}
complete -o bashdefault -o default -F _netns_complete PROGRAM
"#;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        Plain.name()
    }

    fn is(&self, name: &str) -> bool {
        Plain.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        _name: &str,
        bin: &str,
        _completer: &str,
        buf: &mut dyn io::Write,
    ) -> io::Result<()> {
        let script = SCRIPT.trim_start().replace("VARIABLE", var).replace("PROGRAM", bin);
        buf.write_all(script.as_bytes())
    }

    fn write_complete(
        &self,
        cmd: &mut clap::Command,
        args: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn io::Write,
    ) -> io::Result<()> {
        Plain.write_complete(cmd, args, current_dir, buf)
    }
}
