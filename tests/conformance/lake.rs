//! Fixtures of Delta Lake, on the local disk and in an object store.

use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use goe::backend::Backend;
use goe::testing::BackendFixture;
use goe::{Error, Result};
use tempfile::TempDir;

use super::{backend_of, connection};

/// A lake in a temporary folder.
pub struct LocalLake {
    folder: TempDir,
    backend: Arc<dyn Backend>,
}

impl LocalLake {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let url = format!("delta:{}", folder.path().display());
        let backend = backend_of(&connection("lake", &url, &[]));
        Self { folder, backend }
    }

    /// The same tried through another backend.
    pub fn with(self, backend: Arc<dyn Backend>) -> Self {
        Self { backend, ..self }
    }

    fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.folder.path().join(path);
        let folder = path.parent().ok_or_else(|| Error::internal("no folder"))?;
        fs::create_dir_all(folder)?;
        Ok(fs::write(path, text)?)
    }
}

#[async_trait]
impl BackendFixture for LocalLake {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    fn schema(&self) -> &str {
        "dw"
    }

    async fn occupy(&self, table: &str) -> Result<()> {
        self.write(&format!("dw/{table}/letter.txt"), "not a table")
    }

    async fn estrange(&self, table: &str) -> Result<String> {
        let features = r#"["deletionVectors"]"#;
        let entry = format!(
            "{{\"protocol\":{{\"minReaderVersion\":3,\"minWriterVersion\":7,\
             \"readerFeatures\":{features},\"writerFeatures\":{features}}}}}\n"
        );
        self.write(
            &format!("dw/{table}/_delta_log/00000000000000000001.json"),
            &entry,
        )?;
        Ok("deletionVectors".to_owned())
    }
}

/// A lake in an object store of the tests.
#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
pub struct StoredLake {
    backend: Arc<dyn Backend>,
}

#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
impl StoredLake {
    pub fn new(bucket: &crate::store::Bucket) -> Self {
        let url = format!("delta:{}", bucket.url());
        let backend = backend_of(&connection("lake", &url, &bucket.options()));
        Self { backend }
    }
}

#[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
#[async_trait]
impl BackendFixture for StoredLake {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    fn schema(&self) -> &str {
        "dw"
    }
}
