//! Which name servers a domain has, asked of the resolver of this machine.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use tokio::net::UdpSocket;

/// Names another resolver than that of `/etc/resolv.conf`, as `ADDRESS:PORT`.
const RESOLVER: &str = "PIPELINE_RESOLVER";

/// How long an answer is waited for before the question is sent once more.
const PATIENCE: Duration = Duration::from_secs(2);

/// Larger answers don't come over UDP without being asked for.
const MAX_ANSWER: usize = 4096;

/// The name servers of a domain, in lower case without the dot at the end; none if the domain has none or is not known.
///
/// # Errors
/// Why it can't be told.
pub async fn name_servers(domain: &str) -> Result<BTreeSet<String>, String> {
    let resolver = resolver()?;
    let question = question(domain).map_err(|error| format!("`{domain}`: {error}"))?;
    for _ in 0..2 {
        match tokio::time::timeout(PATIENCE, ask(resolver, &question)).await {
            Ok(Ok(answer)) => return read(&answer),
            Ok(Err(error)) => return Err(format!("the resolver {resolver}: {error}")),
            Err(_) => {}
        }
    }
    Err(format!("the resolver {resolver} does not answer"))
}

fn resolver() -> Result<SocketAddr, String> {
    if let Ok(configured) = std::env::var(RESOLVER) {
        return configured.parse().map_err(|_| format!("{RESOLVER} is `{configured}`, not ADDRESS:PORT"));
    }
    let path = "/etc/resolv.conf";
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let server = servers.find_map(|server| server.trim().parse::<IpAddr>().ok());
    server.map(|server| SocketAddr::new(server, 53)).ok_or_else(|| format!("{path} names no server"))
}

fn question(domain: &str) -> Result<Vec<u8>, simple_dns::SimpleDnsError> {
    // The socket takes answers of one address only, and asks one question: the number need not be a secret.
    let mut packet = Packet::new_query(1);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(Name::new(domain)?, TYPE::NS.into(), CLASS::IN.into(), false));
    packet.build_bytes_vec()
}

async fn ask(resolver: SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let any = if resolver.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(resolver).await?;
    socket.send(question).await?;
    let mut answer = vec![0; MAX_ANSWER];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

fn read(answer: &[u8]) -> Result<BTreeSet<String>, String> {
    let packet = Packet::parse(answer).map_err(|error| format!("the resolver's answer: {error}"))?;
    match packet.rcode() {
        RCODE::NoError | RCODE::NameError => {}
        code => return Err(format!("the resolver answers {code:?}")),
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Err("the resolver's answer is too long".to_owned());
    }
    let servers = packet.answers.iter().filter_map(|record| match &record.rdata {
        RData::NS(server) => Some(server.0.to_string().trim_end_matches('.').to_lowercase()),
        _ => None,
    });
    Ok(servers.collect())
}
