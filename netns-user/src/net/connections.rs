//! The TCP connections of a namespace, from /proc/net/tcp and tcp6 (proc_net(5)).

use std::{
    fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddrV4},
};

use super::error::NetError;

/// `TCP_ESTABLISHED` (include/net/tcp_states.h).
const ESTABLISHED: &str = "01";

/// The established IPv4 connections of the calling thread's namespace, including those of IPv6
/// sockets: local end, remote end. Those between loopback addresses are left out.
///
/// # Errors
/// When /proc is not there.
pub fn established() -> Result<Vec<(SocketAddrV4, SocketAddrV4)>, NetError> {
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let path = format!("/proc/thread-self/net/{table}");
        match fs::read_to_string(&path) {
            Ok(text) => found.extend(text.lines().skip(1).filter_map(connection)),
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(NetError::refused(format!("read {path}"), error)),
        }
    }
    found.retain(|(local, _)| !local.ip().is_loopback());
    Ok(found)
}

/// `sl local_address rem_address st …`
fn connection(line: &str) -> Option<(SocketAddrV4, SocketAddrV4)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
    (state == ESTABLISHED).then_some((end(local)?, end(remote)?))
}

/// `ADDRESS:PORT` in hexadecimal; the address is in words of 32 bits in the byte order of the
/// machine.
fn end(text: &str) -> Option<SocketAddrV4> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |digits: &str| u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes);
    let address = match address.len() {
        8 => Ipv4Addr::from(word(address)?),
        32 => {
            let mut bytes = [0; 16];
            for (part, at) in bytes.chunks_exact_mut(4).zip((0..32).step_by(8)) {
                part.copy_from_slice(&word(address.get(at..at + 8)?)?);
            }
            Ipv6Addr::from(bytes).to_ipv4_mapped()?
        }
        _ => return None,
    };
    Some(SocketAddrV4::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_both_tables_are_read() {
        let v4 = "   1: 0A01A8C0:0016 0101A8C0:C350 01 00000000:00000000 02:0009 00000000 0 0 1";
        let ends = ("192.168.1.10:22".parse().unwrap(), "192.168.1.1:50000".parse().unwrap());
        assert_eq!(connection(v4), Some(ends));
        let v6 = "   0: 0000000000000000FFFF00000A01A8C0:0016 \
                  0000000000000000FFFF00000101A8C0:C350 01 00000000:00000000 00:00000000";
        assert_eq!(connection(v6), Some(ends));
    }

    #[test]
    fn listening_sockets_are_no_connections() {
        assert_eq!(connection("   0: 00000000:0016 00000000:0000 0A 00000000:00000000"), None);
    }
}
