//! What the kernel can do: each thing is tried rather than asked for by its version.

use std::{fs::File, io, path::Path};

use nix::{sys::utsname::uname, unistd::geteuid};

use super::{Finding, KERNEL_LOG, Subject, Trial, Verdict};
use crate::{
    datapath::{DatapathError, ROUTE_MARKS, probe, shows_bridge_ports},
    net::{Cable, NetError, Netlink, kernel, netns},
};

const BTF: &str = "/sys/kernel/btf/vmlinux";

const PROGRAMS: &str = "eBPF programs";
const TCX: &str = "tcx";
const SOURCE: &str = "route lookup";
const FRAGMENTS: &str = "fragments";
const LINKS: &str = "cables, bridges";
const PORTS: &str = "bridge ports";

pub(super) fn check(subject: &Subject, trial: Trial) -> Vec<Finding> {
    let mut findings = vec![version(), btf(Path::new(BTF).exists()), ports(shows_bridge_ports())];
    if !geteuid().is_root() {
        let programs = (trial == Trial::All).then_some(PROGRAMS);
        let unseen = programs.into_iter().chain([TCX, SOURCE, FRAGMENTS, LINKS]);
        findings.extend(unseen.map(|check| Finding::unseen(check, "not tried", subject)));
        return findings;
    }
    if trial == Trial::All {
        findings.extend(programs(&probe::programs()));
    }
    findings.extend(match netns::run_in_new(in_new_namespace) {
        Ok(findings) => findings,
        Err(error) => {
            let meaning = "a lab consists of namespaces: the kernel was built without \
                           CONFIG_NET_NS, or a container forbids them";
            let fault = Finding::new("namespaces", Verdict::Faulty, error.to_string());
            vec![fault.meaning(meaning).command(built_with("CONFIG_NET_NS"))]
        }
    });
    findings
}

/// The command that tells whether this kernel was built with an option.
fn built_with(option: &str) -> String {
    format!("grep {option} /boot/config-$(uname -r)")
}

/// What is tried where nobody minds.
fn in_new_namespace() -> Vec<Finding> {
    vec![
        tcx(probe::tcx()),
        source(probe::fib_source()),
        fragments(probe::defragmentation()),
        links(cable_on_a_bridge()),
    ]
}

fn version() -> Finding {
    const CHECK: &str = "kernel";
    let release = uname().map(|names| names.release().to_string_lossy().into_owned());
    let release = release.unwrap_or_else(|_| "of an unknown release".into());
    let found = Finding::sound(CHECK, format!("Linux {release}"));
    if kernel::numbers(&release).is_some_and(|numbers| numbers < ROUTE_MARKS) {
        return found.meaning(
            "routing rules that go by a packet's mark are not followed: Linux 6.10 and newer \
             tell programs of them",
        );
    }
    found
}

fn btf(there: bool) -> Finding {
    const CHECK: &str = "BTF";
    if there {
        return Finding::sound(CHECK, format!("{BTF} describes the kernel's types"));
    }
    Finding::new(CHECK, Verdict::Doubtful, format!("there is no {BTF}"))
        .meaning(
            "the kernel was built without CONFIG_DEBUG_INFO_BTF: labs do without it as long as \
             the eBPF programs load, tools that look into the kernel do not",
        )
        .command(built_with("CONFIG_DEBUG_INFO_BTF"))
}

fn ports(are_shown: bool) -> Finding {
    if are_shown {
        return Finding::sound(PORTS, "programs see what a bridge does with its ports");
    }
    Finding::new(PORTS, Verdict::Doubtful, "programs do not see what a bridge does with its ports")
        .meaning(
            "packets of labs all go by the bridges, which is slower: the short ways past a bridge need \
             Linux 6.2 and the kernel's types, those of the module \"bridge\" too \
             (CONFIG_DEBUG_INFO_BTF_MODULES)",
        )
        .command("ls /sys/kernel/btf/vmlinux /sys/kernel/btf/bridge")
}

fn programs(loaded: &Result<probe::Programs, DatapathError>) -> Vec<Finding> {
    const JIT: &str = "eBPF JIT";
    match loaded {
        Err(error) => vec![
            Finding::new(PROGRAMS, Verdict::Faulty, error.to_string())
                .meaning(
                    "without its programs no lab comes up: where rights are no fault, the kernel \
                     may say more",
                )
                .command(KERNEL_LOG),
        ],
        Ok(programs) => {
            let count = programs.count;
            let taken = Finding::sound(PROGRAMS, format!("the verifier takes all {count}"));
            let jit = if programs.compiled {
                Finding::sound(JIT, "on: the programs run as machine code")
            } else {
                Finding::new(JIT, Verdict::Doubtful, "off: the programs are interpreted")
                    .meaning("labs work, but each packet costs several times as much")
                    .command("sysctl -w net.core.bpf_jit_enable=1")
            };
            vec![taken, jit]
        }
    }
}

fn tcx(tried: io::Result<()>) -> Finding {
    match tried {
        Ok(()) => Finding::sound(TCX, "programs hang on interfaces by links"),
        Err(error) => Finding::new(TCX, Verdict::Faulty, format!("cannot be attached: {error}"))
            .meaning("the programs of a lab hang there: this needs Linux 6.6 and CONFIG_NET_XGRESS")
            .command(built_with("CONFIG_NET_XGRESS")),
    }
}

fn source(tried: io::Result<bool>) -> Finding {
    match tried {
        Ok(true) => Finding::sound(SOURCE, "bpf_fib_lookup selects source addresses"),
        Ok(false) => {
            Finding::new(SOURCE, Verdict::Faulty, "bpf_fib_lookup selects no source address")
                .meaning(
                    "masquerade would not know which address to take: Linux 6.7 and newer and the \
                     later releases of 6.6 select it; this shows the kernels of Debian and its like",
                )
                .command("apt-cache search '^linux-image-[0-9]'")
        }
        Err(error) => Finding::new(SOURCE, Verdict::Faulty, format!("cannot be tried: {error}"))
            .meaning("masquerade asks the kernel's routes for the address to take")
            .command(KERNEL_LOG),
    }
}

fn fragments(tried: io::Result<()>) -> Finding {
    match tried {
        Ok(()) => Finding::sound(FRAGMENTS, "a netfilter link can put fragments together"),
        Err(error) => {
            Finding::new(FRAGMENTS, Verdict::Doubtful, format!("no defragmentation: {error}"))
                .meaning(
                    "fragments that arrive before the first one of their packet are dropped; \
                     fragments in order are translated: putting them together needs Linux 6.6, \
                     CONFIG_NETFILTER_BPF_LINK and CONFIG_NF_DEFRAG_IPV4",
                )
                .command(built_with("-E 'NETFILTER_BPF_LINK|NF_DEFRAG_IPV4'"))
        }
    }
}

fn links(tried: Result<(), NetError>) -> Finding {
    match tried {
        Ok(()) => Finding::sound(LINKS, "veth pairs and bridges can be made"),
        Err(error) => Finding::new(LINKS, Verdict::Faulty, error.to_string())
            .meaning("the kernel has no module for them, or cannot load it")
            .command("modprobe -a veth bridge"),
    }
}

/// Makes a bridge and a cable on it, as a lab does.
fn cable_on_a_bridge() -> Result<(), NetError> {
    let netlink = Netlink::open()?;
    netlink.add_bridge("bridge", None, None, true)?;
    let here = File::open("/proc/thread-self/ns/net")
        .map_err(|error| NetError::refused("open the namespace", error))?;
    let bridge = Some(netlink.link("bridge")?.index);
    netlink.add_cable(&Cable {
        here: "port",
        bridge,
        there: "end",
        namespace: &here,
        mac: None,
        mtu: None,
        up: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown() -> io::Error {
        io::Error::from_raw_os_error(libc::EINVAL)
    }

    #[test]
    fn what_labs_cannot_do_without_is_a_fault() {
        for finding in [tcx(Err(unknown())), source(Ok(false)), source(Err(unknown()))] {
            assert_eq!(finding.verdict, Verdict::Faulty, "{finding:?}");
            assert!(finding.command.is_some(), "{finding:?}");
        }
        assert_eq!(fragments(Err(unknown())).verdict, Verdict::Doubtful);
        assert_eq!(btf(false).verdict, Verdict::Doubtful);
        assert_eq!(ports(false).verdict, Verdict::Doubtful);
    }

    #[test]
    fn interpreted_programs_are_told_of() {
        let findings = programs(&Ok(probe::Programs { count: 3, compiled: false }));
        assert_eq!(findings[0].verdict, Verdict::Sound);
        assert_eq!(findings[1].verdict, Verdict::Doubtful);
        assert!(findings[1].command.as_ref().unwrap().contains("bpf_jit_enable"));
    }
}
