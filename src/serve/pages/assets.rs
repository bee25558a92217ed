//! What pages load: files in the program, under names that hold a digest of their content, so that they can be kept for
//! ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

use super::mark::Mark;

const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// A file that pages load.
#[derive(Debug)]
pub(super) struct Asset {
    name: String,
    kind: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, content: &'static str) -> Self {
        let mut digest = hex::encode(Sha256::digest(content));
        digest.truncate(12);
        Self { name: format!("{stem}.{digest}.{ending}"), kind, content }
    }

    /// Where it is to be had.
    pub(super) fn address(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

macro_rules! assets {
    ($($asset:ident = $stem:literal, $ending:literal, $kind:literal;)*) => {
        $(pub(super) static $asset: LazyLock<Asset> = LazyLock::new(|| {
            Asset::new($stem, $ending, $kind, include_str!(concat!("assets/", $stem, ".", $ending)))
        });)*
        fn all() -> impl Iterator<Item = &'static Asset> {
            [$(&*$asset),*].into_iter()
        }
    };
}

assets! {
    STYLE = "style", "css", "text/css; charset=utf-8";
    SCRIPT = "live", "js", "text/javascript; charset=utf-8";
    ICON_GOOD = "icon-good", "svg", "image/svg+xml";
    ICON_BAD = "icon-bad", "svg", "image/svg+xml";
    ICON_BUSY = "icon-busy", "svg", "image/svg+xml";
    ICON_IDLE = "icon-idle", "svg", "image/svg+xml";
}

/// The icon of a page about something that stands so.
pub(super) fn icon(mark: Mark) -> &'static Asset {
    match mark {
        Mark::Good | Mark::Same => &ICON_GOOD,
        Mark::Bad => &ICON_BAD,
        Mark::Busy => &ICON_BUSY,
        Mark::Waiting | Mark::Asks | Mark::Stopped => &ICON_IDLE,
    }
}

pub(super) async fn asset(Path(name): Path<String>) -> (StatusCode, HeaderMap, &'static str) {
    let headers = |entries: &[(HeaderName, &'static str)]| {
        entries.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    };
    match all().find(|asset| asset.name == name) {
        Some(asset) => {
            (StatusCode::OK, headers(&[(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, FOR_EVER)]), asset.content)
        }
        None => (StatusCode::NOT_FOUND, headers(&[]), "there is no such file\n"),
    }
}
