use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks the API on this machine whether it is healthy: the container's health check, as its image has no other program.
///
/// # Errors
/// If it is not.
pub fn run(port: &str) -> anyhow::Result<()> {
    let port = port.parse().with_context(|| format!("PORT is `{port}`, which is not a port"))?;
    let answer = ask(port).with_context(|| format!("asking http://127.0.0.1:{port}/healthz"))?;
    let status = answer.lines().next().unwrap_or_default();
    ensure!(status.starts_with("HTTP/1.1 200 "), "http://127.0.0.1:{port}/healthz answers `{status}`");
    Ok(())
}

fn ask(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
