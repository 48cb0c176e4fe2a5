//! Rows read back from files: for queries, and for the proof.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use goe::schema::{PartitionHashes, RowHasher};
use goe::staging::{StagedFile, partition_path};
use goe::{Error, Result};
use url::Url;

/// The rows of some files of a folder. A column that a file lacks is NULL in its rows.
pub fn rows(
    folder: &Path,
    files: &[StagedFile],
    schema: SchemaRef,
) -> Result<Arc<dyn TableProvider>> {
    if files.is_empty() {
        return Ok(Arc::new(EmptyTable::new(schema)));
    }
    // In a path the engine would take brackets and stars for a pattern.
    let url = |file: &StagedFile| {
        let path = folder.join(&file.path);
        let wrong = |()| Error::internal(format!("File {} has no absolute path", path.display()));
        let url = Url::from_file_path(&path).map_err(wrong)?;
        Ok(ListingTableUrl::parse(url)?)
    };
    let urls = files.iter().map(url).collect::<Result<Vec<_>>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default()));
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(options)
        .with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}

/// The sums of each partition, file by file.
pub async fn hashes(
    folder: &Path,
    files: &[StagedFile],
    schema: &SchemaRef,
) -> Result<PartitionHashes> {
    let (engine, mut hasher) = (SessionContext::new(), RowHasher::default());
    let mut sums = PartitionHashes::new();
    for file in files {
        let table = rows(folder, std::slice::from_ref(file), Arc::clone(schema))?;
        let mut stream = engine.read_table(table)?.execute_stream().await?;
        let sum = sums.entry(partition_path(&file.partition)).or_default();
        while let Some(batch) = stream.next().await {
            let batch = RecordBatch::try_new(Arc::clone(schema), batch?.columns().to_vec())?;
            sum.add_batch(&mut hasher, &batch)?;
        }
    }
    Ok(sums)
}
