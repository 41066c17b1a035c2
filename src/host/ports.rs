//! Who listens on a port of this host.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use serde::Serialize;

use crate::desired::Protocol;

/// A socket that waits for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listener {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where it is bound; unspecified is everywhere.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
    /// The kernel's number of the socket.
    pub inode: u64,
    /// Whose it is, where we may see that.
    pub process: Option<Process>,
}

/// A process, as people know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its short name.
    pub command: String,
}

impl Listener {
    /// Who it is, for people.
    pub fn who(&self) -> String {
        match &self.process {
            Some(process) => format!("`{}` (process {})", process.command, process.pid),
            None => "a process of another user".to_owned(),
        }
    }
}

/// The listeners of a file like `/proc/net/tcp` or `/proc/net/udp6`.
pub fn listeners(protocol: Protocol, text: &str) -> Vec<Listener> {
    text.lines()
        .skip(1)
        .filter_map(|line| listener(protocol, line))
        .collect()
}

fn listener(protocol: Protocol, line: &str) -> Option<Listener> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = columns.get(1)?.split_once(':')?;
    // TCP: LISTEN. UDP: bound and not connected to one other end.
    let waiting = match protocol {
        Protocol::Tcp => "0A",
        Protocol::Udp => "07",
    };
    if *columns.get(3)? != waiting {
        return None;
    }
    Some(Listener {
        protocol,
        address: ip(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        inode: columns.get(9)?.parse().ok()?,
        process: None,
    })
}

/// An address as the kernel writes it: words of its own byte order.
fn ip(hex: &str) -> Option<IpAddr> {
    let words: Vec<[u8; 4]> = hex
        .as_bytes()
        .chunks(8)
        .map(|word| {
            let word = std::str::from_utf8(word).ok()?;
            u32::from_str_radix(word, 16).ok().map(u32::to_ne_bytes)
        })
        .collect::<Option<_>>()?;
    match words.as_slice() {
        [word] => Some(Ipv4Addr::from(*word).into()),
        [_, _, _, _] => {
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

/// Every listener of this host (of our own network namespace, to be exact: in
/// a container these are not the host's) and, where we may see it, whose it
/// is. `proc` is `/proc`.
pub fn read_listeners(proc: &Path) -> Vec<Listener> {
    let mut found: Vec<Listener> = [
        (Protocol::Tcp, "tcp"),
        (Protocol::Tcp, "tcp6"),
        (Protocol::Udp, "udp"),
        (Protocol::Udp, "udp6"),
    ]
    .into_iter()
    .flat_map(|(protocol, name)| {
        let text = std::fs::read_to_string(proc.join("net").join(name)).unwrap_or_default();
        listeners(protocol, &text)
    })
    .collect();
    let owners = owners(proc);
    for listener in &mut found {
        listener.process = owners.get(&listener.inode).cloned();
    }
    found
}

/// Processes by the sockets they hold. Those of other users are only seen by
/// root.
fn owners(proc: &Path) -> BTreeMap<u64, Process> {
    let mut owners = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(proc) else {
        return owners;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(files) = std::fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        let inodes: Vec<u64> = files
            .flatten()
            .filter_map(|file| std::fs::read_link(file.path()).ok())
            .filter_map(|link| socket(link.to_str()?))
            .collect();
        if inodes.is_empty() {
            continue;
        }
        let command = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        for inode in inodes {
            // Parent and child may share a socket: the older one is named.
            owners.entry(inode).or_insert_with(|| Process {
                pid,
                command: command.trim().to_owned(),
            });
        }
    }
    owners
}

/// The number in `socket:[1213]`.
fn socket(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_the_kernel_are_read() {
        let text = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1213 1 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1214 1 0
   2: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 1215 1 0
 nonsense
";
        let found = listeners(Protocol::Tcp, text);
        let shown: Vec<String> = found
            .iter()
            .map(|one| format!("{}:{} {}", one.address, one.port, one.inode))
            .collect();
        assert_eq!(shown, ["127.0.0.1:8080 1213", "0.0.0.0:80 1214"]);
    }

    #[test]
    fn both_families_are_read() {
        assert_eq!(
            ip("00000000000000000000000001000000"),
            Some("::1".parse().unwrap())
        );
        assert_eq!(
            ip("0000000000000000FFFF00000100007F"),
            Some("127.0.0.1".parse().unwrap())
        );
        assert_eq!(ip("12"), Some("18.0.0.0".parse().unwrap()));
        assert_eq!(ip(""), None);
        assert_eq!(ip("zz"), None);
    }

    #[test]
    fn our_own_listener_is_found_with_our_own_name() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let all = read_listeners(Path::new("/proc"));
        let ours = all
            .iter()
            .find(|one| one.port == port && one.protocol == Protocol::Tcp)
            .unwrap();
        assert_eq!(ours.process.as_ref().unwrap().pid, std::process::id());
    }
}
