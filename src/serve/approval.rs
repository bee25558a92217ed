use super::Server;
use super::origin::Origin;
use crate::config::Approval;
use crate::failure::Failure;
use crate::store::Run;

/// Whether somebody has to approve the plan before a commit is deployed: if the commit's configuration says so, or that of
/// what was deployed there last. So a commit that does away with approval needs one itself.
///
/// # Errors
/// If the commit's configuration can't be read: nothing is deployed that might need approval.
pub(super) async fn is_required(
    server: &Server,
    origin: &Origin,
    run: &Run,
    commit: &str,
) -> Result<bool, Failure> {
    let asks = async |commit: &str| {
        let config = origin.config(commit, &server.options.config).await?;
        let environment = config.environments.get(&run.environment);
        anyhow::Ok(environment.and_then(|it| it.approval) == Some(Approval::Required))
    };
    if asks(commit).await.map_err(|error| Failure::new(format!("{error:#}")))? {
        return Ok(true);
    }
    let deployed = server.store.deployed(&run.repository, &run.environment).await?;
    let Some(deployed) = deployed.filter(|deployed| deployed != commit) else { return Ok(false) };
    // It may be gone from the remote, or be written for another version.
    Ok(asks(&deployed).await.unwrap_or(false))
}
