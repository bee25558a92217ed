use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::Cloud;

/// A request through the load balancer of a project's own system: the status, 0 without an answer, and the body.
/// `headers` are whole lines.
pub(crate) fn request(
    project: &str,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> (u16, String) {
    let answer = ask(project, method, path, headers, body).unwrap_or_default();
    let code = answer.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (code, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

fn ask(project: &str, method: &str, path: &str, headers: &[&str], body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(Cloud::endpoint().trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    write!(
        stream,
        "{method} /_alb/{project}-local{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    )?;
    for header in headers {
        write!(stream, "{header}\r\n")?;
    }
    write!(stream, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
