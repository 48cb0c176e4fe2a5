//! A fixture of Snowflake, before its double.

use std::sync::Arc;

use async_trait::async_trait;
use goe::backend::Backend;
use goe::testing::BackendFixture;
use tempfile::TempDir;

use super::{backend_of, connection};

/// A database of its own, and the folder that files are staged in.
pub struct Snowflake {
    _stage: TempDir,
    backend: Arc<dyn Backend>,
}

impl Snowflake {
    pub fn new() -> Option<Self> {
        let address = crate::snowflake::address()?;
        let stage = TempDir::new().expect("a temporary folder");
        let url = format!(
            "snowflake://goe@acme/SUITE_{}?warehouse=load_wh",
            std::process::id()
        );
        let staging = format!("file://{}", stage.path().display());
        let options = [
            ("base_url", address.as_str()),
            ("staging", staging.as_str()),
            ("password", "goe-password"),
        ];
        Some(Self {
            backend: backend_of(&connection("sf", &url, &options)),
            _stage: stage,
        })
    }
}

#[async_trait]
impl BackendFixture for Snowflake {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    fn schema(&self) -> &str {
        "dw"
    }
}
