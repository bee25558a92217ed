use anyhow::{Context as _, Result, anyhow, bail};
use git2::{AutotagOption, Branch, FetchOptions, ProxyOptions, Remote, RemoteCallbacks, RemoteRedirect};

use super::credentials::Credentials;
use super::repository::Repository;
use super::url::{password, without_credentials};
use crate::redact::keep_secret;

/// Fits no reference of a remote, so that nothing is downloaded.
const NOTHING: &str = "refs/pipeline/nothing";

impl Repository {
    /// The address of the remote: the one that the current branch follows, else `origin`, else the only one there is.
    /// A name and password in it are left out: it is shown, and put on images.
    #[must_use]
    pub fn remote_url(&self) -> Option<String> {
        let git = self.handle.lock();
        let remote = remote(&git).ok()?;
        remote.url().ok().map(without_credentials)
    }

    /// The commit that a branch of the remote is at, or `None` if the remote has no such branch. Nothing is fetched.
    ///
    /// # Errors
    /// If there is no remote to choose, or it does not answer.
    pub fn remote_head(&self, branch: &str) -> Result<Option<String>> {
        let git = self.handle.reopen()?;
        self.ask(&git, branch, NOTHING).map(|head| head.map(|head| head.to_string()))
    }

    /// The branch that the remote calls its default, or `None` if it has no commit yet. Nothing is fetched.
    ///
    /// # Errors
    /// If there is no remote to choose, or it does not answer.
    pub fn default_branch(&self) -> Result<Option<String>> {
        let git = self.handle.reopen()?;
        let mut remote = remote(&git)?;
        self.download(&git, &mut remote, NOTHING)
            .with_context(|| format!("asking the remote {} for its default branch", shown(&remote)))?;
        let heads = remote.list()?;
        let head = heads.iter().find(|head| head.name() == "HEAD");
        let branch = head.and_then(|head| head.symref_target()?.strip_prefix("refs/heads/"));
        Ok(branch.map(str::to_owned))
    }

    /// Fetches a branch of the remote to `refs/pipeline/<branch>`, wherever it was before, and returns the commit it
    /// is at. None of the user's references is changed.
    ///
    /// # Errors
    /// If there is no remote to choose, it does not answer, or it has no such branch.
    pub fn fetch(&self, branch: &str) -> Result<String> {
        let Some(head) = self.fetch_if_there(branch)? else {
            bail!("the remote {} has no branch `{branch}`", shown(&remote(&self.handle.reopen()?)?));
        };
        Ok(head)
    }

    /// The same, and `None` if the remote has no such branch.
    ///
    /// # Errors
    /// If there is no remote to choose, or it does not answer.
    pub fn fetch_if_there(&self, branch: &str) -> Result<Option<String>> {
        let git = self.handle.reopen()?;
        let Some(head) = self.ask(&git, branch, &head_of(branch))? else { return Ok(None) };
        let reference = format!("refs/pipeline/{branch}");
        git.reference(&reference, head, true, "pipeline: fetch")
            .with_context(|| format!("setting {reference} to {head}"))?;
        Ok(Some(head.to_string()))
    }

    /// Connects once, downloads what `wanted` names, and tells what the branch is at.
    ///
    /// A mere connection follows redirects to other hosts and can't be told not to; a download can.
    fn ask(&self, git: &git2::Repository, branch: &str, wanted: &str) -> Result<Option<git2::Oid>> {
        if !is_branch_name(branch) {
            bail!("`{branch}` is not a valid name of a branch");
        }
        let mut remote = remote(git)?;
        self.download(git, &mut remote, wanted)
            .with_context(|| format!("asking the remote {} for the branch `{branch}`", shown(&remote)))?;
        let head =
            remote.list()?.iter().find(|head| head.name() == head_of(branch)).map(git2::RemoteHead::oid);
        remote.disconnect()?;
        Ok(head)
    }

    fn download(&self, git: &git2::Repository, remote: &mut Remote<'_>, wanted: &str) -> Result<()> {
        let url = remote.url()?.to_owned();
        let mut credentials = Credentials::new(&url, self.token.as_ref(), git.config()?);
        let mut callbacks = RemoteCallbacks::new();
        callbacks.credentials(move |url, user, allowed| credentials.answer(url, user, allowed));
        let mut options = FetchOptions::new();
        options.remote_callbacks(callbacks).proxy_options(proxy());
        options.follow_redirects(RemoteRedirect::None).download_tags(AutotagOption::None);
        Ok(remote.download(&[wanted], Some(&mut options))?)
    }
}

/// Whether git takes this as a branch's name.
#[must_use]
pub fn is_branch_name(text: &str) -> bool {
    Branch::name_is_valid(text).unwrap_or(false)
}

/// The proxy that git's configuration or the environment names.
fn proxy() -> ProxyOptions<'static> {
    let mut proxy = ProxyOptions::new();
    proxy.auto();
    proxy
}

fn head_of(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

fn remote(git: &git2::Repository) -> Result<Remote<'_>> {
    let names = git.remotes()?;
    let names: Vec<&str> = names.iter().flatten().flatten().collect();
    let followed = upstream(git).filter(|name| names.contains(&name.as_str()));
    let name =
        followed.or_else(|| choose(&names).map(str::to_owned)).ok_or_else(|| match names.as_slice() {
            [] => anyhow!("the repository has no remote; add one with `git remote add origin URL`"),
            _ => anyhow!(
                "it is not clear which remote to use ({}); name one of them `origin`",
                names.join(", ")
            ),
        })?;
    let remote = git.find_remote(&name).with_context(|| format!("reading the remote `{name}`"))?;
    remote.url().ok().and_then(password).iter().for_each(|password| keep_secret(password));
    Ok(remote)
}

/// What the current branch follows: a remote's name, but also `.` for a local branch, or an address.
fn upstream(git: &git2::Repository) -> Option<String> {
    let head = git.find_reference("HEAD").ok()?;
    let remote = git.branch_upstream_remote(head.symbolic_target().ok()??).ok()?;
    remote.as_str().ok().map(str::to_owned)
}

fn choose<'a>(names: &[&'a str]) -> Option<&'a str> {
    match names {
        [only] => Some(only),
        _ => names.iter().find(|name| **name == "origin").copied(),
    }
}

fn shown(remote: &Remote<'_>) -> String {
    without_credentials(remote.url().unwrap_or_default())
}
