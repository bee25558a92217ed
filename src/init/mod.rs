//! A first `pipeline.yaml` for a repository that has templates and Dockerfiles.
//!
//! What can be told from them is filled in; what only a person knows is a comment in the place where it belongs.

mod find;
mod wire;
mod write;

use crate::failure::Failure;
use crate::project::Files;

/// The text of a `pipeline.yaml`; `project` is a name to begin with, such as the repository's.
///
/// # Errors
/// If there is a `pipeline.yaml` already, if there is nothing to deploy, or if the files can't be read.
pub fn pipeline_yaml(project: &str, files: &dyn Files) -> Result<String, Failure> {
    let unreadable = |error: anyhow::Error| Failure::new(format!("reading the repository: {error:#}"));
    if files.exists("pipeline.yaml").map_err(unreadable)? {
        let failure = Failure::new("there is a pipeline.yaml already, and it is left as it is");
        return Err(
            failure.hint("`pipeline validate` checks it; `pipeline init` writes one where there is none")
        );
    }
    let found = find::find(project, files).map_err(unreadable)?;
    if found.modules.is_empty() && found.workloads.is_empty() {
        let failure = Failure::new("there is no CloudFormation template and no Dockerfile in the repository");
        return Err(failure.hint("write stacks/NAME/template.yaml first; a new file has to be known to git"));
    }
    let wires = wire::wire(&found);
    Ok(write::write(&found, &wires))
}
