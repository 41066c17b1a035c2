//! Where names lead to: by this host's own resolver, or by DNS servers that
//! the settings name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// DNS says that there is none.
    #[error("{0}")]
    None(String),
    /// Nobody could tell.
    #[error("{0}")]
    Silent(String),
}

/// Whoever knows where names lead to.
pub trait Names: Send + Sync {
    /// The addresses of a name, or why there are none.
    fn lookup(&self, name: &str) -> impl Future<Output = Result<Vec<IpAddr>, NoAddress>> + Send;
}

/// The system's resolver, with patience of its own.
#[derive(Clone, Copy, Debug)]
pub struct SystemNames {
    /// How long one name may take.
    pub patience: Duration,
}

impl Default for SystemNames {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(5),
        }
    }
}

impl Names for SystemNames {
    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, NoAddress> {
        let found = tokio::time::timeout(self.patience, tokio::net::lookup_host((name, 0))).await;
        match found {
            Ok(Ok(addresses)) => Ok(tidy(addresses.map(|address| address.ip()).collect())),
            Ok(Err(error)) => Err(by_words(error.to_string())),
            Err(_) => Err(NoAddress::Silent(format!(
                "no answer within {} s",
                self.patience.as_secs()
            ))),
        }
    }
}

/// The system has no codes for it here, only words: those of "there is none"
/// are the same in glibc and musl but for the last.
fn by_words(said: String) -> NoAddress {
    const NONE: [&str; 3] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
    ];
    if NONE.iter().any(|words| said.contains(words)) {
        NoAddress::None(said)
    } else {
        NoAddress::Silent(said)
    }
}

/// DNS servers by address; the system's resolver where none are named.
#[derive(Clone, Debug, Default)]
pub struct Resolvers(pub Vec<SocketAddr>);

/// One server may take this long for one question.
const SERVER_PATIENCE: Duration = Duration::from_secs(2);

impl Names for Resolvers {
    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, NoAddress> {
        if self.0.is_empty() {
            return SystemNames::default().lookup(name).await;
        }
        let mut last = NoAddress::Silent("no DNS server answers".to_owned());
        for server in &self.0 {
            let (four, six) = tokio::join!(ask(*server, name, A), ask(*server, name, AAAA));
            match (four, six) {
                (Ok(mut found), six) => {
                    found.extend(six.unwrap_or_default());
                    if found.is_empty() {
                        return Err(NoAddress::None(format!("{server} knows no address of it")));
                    }
                    return Ok(tidy(found));
                }
                (Err(error @ NoAddress::None(_)), _) => return Err(error),
                (Err(error), _) => last = error,
            }
        }
        Err(last)
    }
}

fn tidy(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = addresses
        .into_iter()
        .map(|address| address.to_canonical())
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

const A: u16 = 1;
const AAAA: u16 = 28;

/// One question over UDP. Aliases are followed by the server, which is asked
/// to; an answer too long for a packet has more addresses than we need.
async fn ask(server: SocketAddr, name: &str, kind: u16) -> Result<Vec<IpAddr>, NoAddress> {
    let silent = |why: &dyn std::fmt::Display| NoAddress::Silent(format!("{server}: {why}"));
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|error| silent(&error))?;
    let question = question(id, name, kind)
        .ok_or_else(|| NoAddress::None(format!("{name} is no name of the DNS")))?;
    let local: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let exchange = async {
        let socket = UdpSocket::bind(local).await?;
        // Connected: only the server's own packets arrive.
        socket.connect(server).await?;
        socket.send(&question).await?;
        let mut packet = [0; 4096];
        loop {
            let length = socket.recv(&mut packet).await?;
            let packet = packet.get(..length).unwrap_or_default();
            if packet.starts_with(&id) {
                return Ok::<_, std::io::Error>(packet.to_vec());
            }
        }
    };
    let packet = tokio::time::timeout(SERVER_PATIENCE, exchange)
        .await
        .map_err(|_| silent(&format!("no answer within {} s", SERVER_PATIENCE.as_secs())))?
        .map_err(|error| silent(&error))?;
    match answer(&packet, kind) {
        Some(Answer::Addresses(found)) => Ok(found),
        Some(Answer::NoSuchName) => Err(NoAddress::None(format!("{server} knows no such name"))),
        Some(Answer::Refused(code)) => Err(silent(&format!("it answers with error {code}"))),
        None => Err(silent(&"its answer cannot be read")),
    }
}

/// The packet that asks; `None` for what cannot be a name.
fn question(id: [u8; 2], name: &str, kind: u16) -> Option<Vec<u8>> {
    // One question, recursion desired.
    let mut packet = vec![id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok()?;
        if length == 0 || length > 63 {
            return None;
        }
        packet.push(length);
        packet.extend(label.bytes());
    }
    packet.push(0);
    packet.extend(kind.to_be_bytes());
    packet.extend(1_u16.to_be_bytes());
    Some(packet)
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Addresses(Vec<IpAddr>),
    NoSuchName,
    Refused(u8),
}

/// The addresses of this kind in an answer; `None` for a packet that is none.
fn answer(packet: &[u8], kind: u16) -> Option<Answer> {
    match packet.get(3)? & 0x0f {
        0 => {}
        3 => return Some(Answer::NoSuchName),
        code => return Some(Answer::Refused(code)),
    }
    let word = |at: usize| {
        let bytes: [u8; 2] = packet.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes))
    };
    let (questions, answers) = (word(4)?, word(6)?);
    let mut at = 12;
    for _ in 0..questions {
        at = after_name(packet, at)? + 4;
    }
    let mut found = Vec::new();
    for _ in 0..answers {
        at = after_name(packet, at)?;
        let length = usize::from(word(at + 8)?);
        let data = packet.get(at + 10..at + 10 + length)?;
        if word(at)? == kind {
            let four = <[u8; 4]>::try_from(data).map(IpAddr::from);
            found.extend(four.or_else(|_| <[u8; 16]>::try_from(data).map(IpAddr::from)));
        }
        at += 10 + length;
    }
    Some(Answer::Addresses(found))
}

/// Where the name that begins `at` ends. A pointer ends it.
fn after_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *packet.get(at)? {
            0 => return Some(at + 1),
            length if length >= 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer to the question, with these records.
    fn reply(question: &[u8], code: u8, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut packet = question.to_vec();
        packet[2] = 0x81;
        packet[3] = 0x80 | code;
        packet[7] = u8::try_from(records.len()).unwrap();
        for (kind, data) in records {
            packet.extend([0xc0, 12]);
            packet.extend(kind.to_be_bytes());
            packet.extend([0, 1, 0, 0, 0, 60]);
            packet.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            packet.extend(*data);
        }
        packet
    }

    #[test]
    fn an_answer_is_read_past_its_aliases() {
        let asked = question([1, 2], "review.example.com", A).unwrap();
        let alias: &[u8] = &[1, b'x', 0xc0, 12];
        let packet = reply(&asked, 0, &[(5, alias), (A, &[203, 0, 113, 7])]);
        let wanted = vec!["203.0.113.7".parse().unwrap()];
        assert_eq!(answer(&packet, A), Some(Answer::Addresses(wanted)));
        assert_eq!(answer(&packet, AAAA), Some(Answer::Addresses(Vec::new())));
        assert_eq!(answer(&reply(&asked, 3, &[]), A), Some(Answer::NoSuchName));
        assert_eq!(answer(&reply(&asked, 2, &[]), A), Some(Answer::Refused(2)));
        assert_eq!(question([0, 0], "a..b", A), None);
    }

    #[test]
    fn the_systems_words_are_told_apart() {
        let said = |words: &str| by_words(format!("failed to lookup address information: {words}"));
        let none = said("Name or service not known");
        assert!(matches!(none, NoAddress::None(_)), "{none}");
        let silent = said("Temporary failure in name resolution");
        assert!(matches!(silent, NoAddress::Silent(_)), "{silent}");
    }

    #[tokio::test]
    async fn a_server_is_asked_and_one_that_is_silent_passed_over() {
        let deaf = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addresses = vec![deaf.local_addr().unwrap(), server.local_addr().unwrap()];
        tokio::spawn(async move {
            let mut packet = [0; 512];
            loop {
                let (length, from) = server.recv_from(&mut packet).await.unwrap();
                let asked = packet[..length].to_vec();
                let record: (u16, &[u8]) = match asked[length - 3] {
                    1 => (A, &[203, 0, 113, 7]),
                    _ => (
                        AAAA,
                        &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
                    ),
                };
                // A stray packet of another question first.
                server.send_to(&[9, 9, 0, 0], from).await.unwrap();
                let known = asked.windows(6).any(|part| part == b"review");
                let packet = if known {
                    reply(&asked, 0, &[record])
                } else {
                    reply(&asked, 3, &[])
                };
                server.send_to(&packet, from).await.unwrap();
            }
        });
        let names = Resolvers(addresses);
        let found = names.lookup("review.example.com").await.unwrap();
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["203.0.113.7", "2001:db8::7"]);
        let unknown = Resolvers(names.0[1..].to_vec());
        let error = unknown.lookup("gone.example.com").await.unwrap_err();
        assert!(matches!(error, NoAddress::None(_)), "{error}");
        let silent = Resolvers(names.0[..1].to_vec());
        let error = silent.lookup("review.example.com").await.unwrap_err();
        assert!(matches!(error, NoAddress::Silent(_)), "{error}");
    }

    proptest! {
        #[test]
        fn no_packet_is_too_odd(packet in prop::collection::vec(any::<u8>(), 0..600)) {
            let _read = answer(&packet, A);
        }
    }
}
