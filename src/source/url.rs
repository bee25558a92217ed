/// A remote's address, as far as it names a host: `https://`, `ssh://`, `git://` and ssh's short form `git@host:path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteUrl<'a> {
    pub(super) scheme: &'a str,
    /// Without the port.
    pub(super) host: &'a str,
    pub(super) path: &'a str,
}

impl<'a> RemoteUrl<'a> {
    pub(super) fn parse(url: &'a str) -> Option<Self> {
        let (scheme, authority, path) = match url.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_once('/')?;
                (scheme, authority, path)
            }
            None => short_form(url)?,
        };
        let host = without_port(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        (!host.is_empty()).then_some(Self { scheme, host, path })
    }

    /// Whether it is reached through TLS at this host: where a token for the host may be sent.
    pub(super) fn is_https_at(&self, host: &str) -> bool {
        self.scheme.eq_ignore_ascii_case("https") && self.host.eq_ignore_ascii_case(host)
    }
}

/// `git@host:path`. A slash before the colon makes it a local path, as for git itself; so does a single letter, a drive.
fn short_form(url: &str) -> Option<(&str, &str, &str)> {
    let (authority, path) = url.split_once(':')?;
    (authority.len() > 1 && !authority.contains('/')).then_some(("ssh", authority, path))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Owner and name of the GitHub repository that a remote's address stands for, on github.com or an Enterprise host.
///
/// ```
/// # use pipeline::source::github_repository;
/// let found = github_repository("git@github.com:octo/hello.git");
/// assert_eq!(found, Some(("octo".to_owned(), "hello".to_owned())));
/// assert_eq!(github_repository("/srv/git/hello.git"), None);
/// ```
#[must_use]
pub fn github_repository(url: &str) -> Option<(String, String)> {
    let url = RemoteUrl::parse(url)?;
    if !["https", "http", "ssh", "git"].iter().any(|scheme| url.scheme.eq_ignore_ascii_case(scheme)) {
        return None;
    }
    let (owner, name) = url.path.trim_matches('/').split_once('/')?;
    let name = name.strip_suffix(".git").unwrap_or(name);
    (is_name(owner) && is_name(name)).then(|| (owner.to_owned(), name.to_owned()))
}

/// Where people look at that repository.
///
/// ```
/// # use pipeline::source::web_address;
/// let address = web_address("git@github.com:octo/hello.git");
/// assert_eq!(address.as_deref(), Some("https://github.com/octo/hello"));
/// ```
#[must_use]
pub fn web_address(url: &str) -> Option<String> {
    let (owner, name) = github_repository(url)?;
    let host = RemoteUrl::parse(url)?.host.to_ascii_lowercase();
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    is_name.then(|| format!("https://{host}/{owner}/{name}"))
}

fn is_name(text: &str) -> bool {
    !matches!(text, "" | "." | "..")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The address without the name and password in it, to be shown.
pub(super) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}/{path}")
}

/// The password in an address, or the token in its place: `https://TOKEN@host/path` too, but not ssh's user.
pub(super) fn password(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (user, _) = rest.split('/').next()?.rsplit_once('@')?;
    match user.split_once(':') {
        Some((_, password)) => Some(decoded(password)),
        None if scheme.eq_ignore_ascii_case("ssh") => None,
        None => Some(decoded(user)),
    }
}

/// Without URL encoding; what is no code stands for itself.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(&part.as_bytes()[2..]);
            }
            None => bytes.extend(format!("%{part}").as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_and_decoded() {
        assert_eq!(password("https://me:p%40ss%zz@host/x").as_deref(), Some("p@ss%zz"));
        assert_eq!(password("https://token@host/x").as_deref(), Some("token"));
        for without in ["https://host/a@b", "ssh://git@host/x", "git@host:x", "/srv/a@b"] {
            assert_eq!(password(without), None, "{without}");
        }
    }
}
