use std::collections::BTreeMap;
use std::io;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ImageInspect;
use bollard::query_parameters::ImportImageOptions;
use bytes::Bytes;
use futures::{TryStreamExt as _, stream};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Builder, Header};

use super::Built;

/// When every image was made, as far as it says: not when it was built, which differs each time.
const CREATED: &str = "1980-01-01T00:00:00Z";

/// Gives an image a configuration with these labels, and without what differs from one build to the next: the time, and
/// the container that the engine built it in. So the same layers make the same image, digest for digest. It is quicker
/// than labels in the build, which are an instruction of their own.
///
/// The engine is handed the new configuration alone, as it has the layers already.
///
/// # Errors
/// If the engine does not take a configuration without its layers. Engines that keep images in containerd want both.
pub(super) async fn settle(
    docker: &Docker,
    built: &Built,
    labels: &BTreeMap<String, String>,
) -> Result<Built, Error> {
    let inspected = docker.inspect_image(&built.image_id).await?;
    let layers = layers(&inspected);
    let configuration = configuration(&inspected, labels, &layers).to_string();
    let digest = hex::encode(Sha256::digest(&configuration));
    let archive = archive(&digest, &configuration, layers.len())?;
    let body = stream::iter([Ok::<_, io::Error>(Bytes::from(archive))]);
    let loaded = docker.import_image_stream(ImportImageOptions::default(), body, None);
    loaded.try_for_each(|_| std::future::ready(Ok(()))).await?;
    // It is there under its own digest, or it was not taken for what it is.
    let image_id = format!("sha256:{digest}");
    docker.inspect_image(&image_id).await?;
    Ok(Built { image_id })
}

fn layers(inspected: &ImageInspect) -> Vec<String> {
    inspected.root_fs.clone().and_then(|root| root.layers).unwrap_or_default()
}

/// As <https://github.com/opencontainers/image-spec/blob/main/config.md> has it, its keys in alphabetical order.
fn configuration(inspected: &ImageInspect, labels: &BTreeMap<String, String>, layers: &[String]) -> Value {
    let mut config = inspected.config.clone().unwrap_or_default();
    let own = config.labels.unwrap_or_default();
    let labels = own.into_iter().chain(labels.clone()).collect();
    config.labels = Some(labels);
    let mut configuration = json!({
        "architecture": inspected.architecture,
        "config": config,
        "created": CREATED,
        "os": inspected.os,
        "rootfs": { "type": "layers", "diff_ids": layers },
    });
    if let Some(variant) = inspected.variant.as_ref().filter(|variant| !variant.is_empty()) {
        configuration["variant"] = variant.as_str().into();
    }
    configuration.sort_all_objects();
    configuration
}

/// What `docker load` reads, with the layers named and left out.
fn archive(digest: &str, configuration: &str, layers: usize) -> io::Result<Vec<u8>> {
    let name = format!("{digest}.json");
    let layers: Vec<String> = (0..layers).map(|index| format!("{index}.tar")).collect();
    let manifest = json!([{ "Config": name, "RepoTags": null, "Layers": layers }]).to_string();
    let mut archive = Builder::new(Vec::new());
    for (name, text) in [(name.as_str(), configuration), ("manifest.json", &manifest)] {
        let mut header = Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, text.as_bytes())?;
    }
    archive.into_inner()
}
