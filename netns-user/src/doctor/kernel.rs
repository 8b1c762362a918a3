//! Checks the features of the kernel. Each feature is tried, since the version alone says little.

use std::{fs::File, io, path::Path};

use nix::{sys::utsname::uname, unistd::geteuid};

use super::{
    finding::{Finding, KERNEL_LOG, Verdict},
    subject::{Subject, Trial},
};
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
        findings.extend(unseen.map(|check| Finding::unseen(check, subject)));
        return findings;
    }
    if trial == Trial::All {
        findings.extend(programs(&probe::programs()));
    }
    findings.extend(match netns::run_in_new(in_new_namespace) {
        Ok(findings) => findings,
        Err(error) => {
            let meaning = "labs need network namespaces: the kernel was built without \
                           CONFIG_NET_NS, or a container forbids them";
            let fault = Finding::new("namespaces", Verdict::Faulty, error.to_string());
            vec![fault.meaning(meaning).command(built_with("CONFIG_NET_NS"))]
        }
    });
    findings
}

/// The command that shows whether this kernel was built with an option.
fn built_with(option: &str) -> String {
    format!("grep {option} /boot/config-$(uname -r)")
}

/// Checks that make interfaces or attach programs: in a temporary namespace.
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
            "the NAT ignores routing rules that match a packet mark (`ip rule … fwmark`): \
             following them needs Linux 6.10 or newer",
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
            "the kernel was built without CONFIG_DEBUG_INFO_BTF: labs work without it if the eBPF \
             programs load; tracing tools do not",
        )
        .command(built_with("CONFIG_DEBUG_INFO_BTF"))
}

fn ports(are_shown: bool) -> Finding {
    if are_shown {
        return Finding::sound(PORTS, "eBPF programs can read the state of bridge ports");
    }
    Finding::new(PORTS, Verdict::Doubtful, "eBPF programs cannot read the state of bridge ports")
        .meaning(
            "all packets of labs pass through the bridges, which is slower: bypassing a bridge \
             needs Linux 6.2 and BTF, also of the module \"bridge\" (CONFIG_DEBUG_INFO_BTF_MODULES)",
        )
        .command("ls /sys/kernel/btf/vmlinux /sys/kernel/btf/bridge")
}

fn programs(loaded: &Result<probe::Programs, DatapathError>) -> Vec<Finding> {
    const JIT: &str = "eBPF JIT";
    match loaded {
        Err(error) => vec![
            Finding::new(PROGRAMS, Verdict::Faulty, error.to_string())
                .meaning(
                    "`netns up` fails without its programs: if \"rights\" shows no fault, the \
                     kernel log may show the reason",
                )
                .command(KERNEL_LOG),
        ],
        Ok(programs) => {
            let count = programs.count;
            let taken = Finding::sound(PROGRAMS, format!("the verifier accepts all {count}"));
            let jit = if programs.compiled {
                Finding::sound(JIT, "on: the programs run as machine code")
            } else {
                Finding::new(JIT, Verdict::Doubtful, "off: the programs are interpreted")
                    .meaning("labs work, but each packet takes several times as long")
                    .command("sysctl -w net.core.bpf_jit_enable=1")
            };
            vec![taken, jit]
        }
    }
}

fn tcx(tried: io::Result<()>) -> Finding {
    match tried {
        Ok(()) => Finding::sound(TCX, "programs can be attached to interfaces"),
        Err(error) => Finding::new(TCX, Verdict::Faulty, format!("attaching fails: {error}"))
            .meaning("labs need tcx hooks, which need Linux 6.6 or newer and CONFIG_NET_XGRESS")
            .command(built_with("CONFIG_NET_XGRESS")),
    }
}

fn source(tried: io::Result<bool>) -> Finding {
    match tried {
        Ok(true) => Finding::sound(SOURCE, "bpf_fib_lookup selects source addresses"),
        Ok(false) => {
            Finding::new(SOURCE, Verdict::Faulty, "bpf_fib_lookup selects no source address")
                .meaning(
                    "masquerade needs it to find the address of an uplink: boot Linux 6.7 or \
                     newer, or a late release of 6.6; this lists the kernels in Debian and Ubuntu",
                )
                .command("apt-cache search '^linux-image-[0-9]'")
        }
        Err(error) => Finding::new(SOURCE, Verdict::Faulty, format!("the test fails: {error}"))
            .meaning("masquerade needs bpf_fib_lookup to find the address of an uplink")
            .command(KERNEL_LOG),
    }
}

fn fragments(tried: io::Result<()>) -> Finding {
    match tried {
        Ok(()) => Finding::sound(FRAGMENTS, "a netfilter link can reassemble fragments"),
        Err(error) => {
            Finding::new(FRAGMENTS, Verdict::Doubtful, format!("no defragmentation: {error}"))
                .meaning(
                    "fragments in order are translated, but those that arrive before the first one \
                     of their packet are dropped: reassembly needs Linux 6.6, \
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
            .meaning("the kernel has no veth or bridge module, or cannot load it")
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
    fn a_missing_feature_is_a_fault_only_if_every_lab_needs_it() {
        for finding in [tcx(Err(unknown())), source(Ok(false)), source(Err(unknown()))] {
            assert_eq!(finding.verdict, Verdict::Faulty, "{finding:?}");
            assert!(finding.command.is_some(), "{finding:?}");
        }
        assert_eq!(fragments(Err(unknown())).verdict, Verdict::Doubtful);
        assert_eq!(btf(false).verdict, Verdict::Doubtful);
        assert_eq!(ports(false).verdict, Verdict::Doubtful);
    }

    #[test]
    fn interpreted_programs_are_a_warning() {
        let findings = programs(&Ok(probe::Programs { count: 3, compiled: false }));
        assert_eq!(findings[0].verdict, Verdict::Sound);
        assert_eq!(findings[1].verdict, Verdict::Doubtful);
        assert!(findings[1].command.as_ref().unwrap().contains("bpf_jit_enable"));
    }
}
