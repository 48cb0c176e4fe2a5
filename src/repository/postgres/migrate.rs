//! The tables of a server made, and migrated by one process at a time.

use tokio_postgres::{Client, GenericClient};

use super::Failure;
use crate::error::{Error, ErrorKind};
use crate::repository::dialect::translate;
use crate::repository::migrate::next;

/// One process migrates at a time: the lock that they all ask for, "goe" in ASCII.
const MIGRATING: &str = "SELECT pg_advisory_xact_lock(6778725)";

/// Where the tables are.
const PLACED: &str = include_str!("../../../sql/repository/version.sql");

/// Makes the tables what they are now. One look is enough where they are, and no right is needed.
pub(super) async fn migrate(
    client: &mut Client,
    migrations: &[&'static str],
    place: &str,
) -> Result<(), Failure> {
    let (mut placed, mut done) = (false, None);
    if let Some(row) = client.query_typed(PLACED, &[]).await?.first() {
        placed = row.try_get("placed")?;
        if row.try_get("known")? {
            done = Some(version(client).await?);
        }
    }
    if let Some(done) = done
        && next(migrations, done, place)?.is_none()
    {
        return Ok(());
    }
    if !placed {
        make_schema(client).await?;
    }
    while migrate_once(client, migrations, place).await? {}
    Ok(())
}

async fn version(client: &impl GenericClient) -> Result<i64, Failure> {
    let rows = client
        .query_typed("SELECT migrations FROM goe.version", &[])
        .await?;
    let row = rows.first().ok_or_else(|| {
        Error::new(ErrorKind::Config, "The table goe.version is empty")
            .hint("it counts the migrations; DROP SCHEMA goe CASCADE begins a new history")
    })?;
    Ok(row.try_get(0)?)
}

async fn make_schema(client: &mut Client) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(MIGRATING).await?;
    transaction
        .batch_execute("CREATE SCHEMA IF NOT EXISTS goe")
        .await?;
    transaction.commit().await
}

/// Applies the next migration; `false` when there is none.
async fn migrate_once(
    client: &mut Client,
    migrations: &[&'static str],
    place: &str,
) -> Result<bool, Failure> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(MIGRATING).await?;
    let placed = transaction.query_typed(PLACED, &[]).await?;
    if !placed
        .first()
        .map_or(Ok(false), |row| row.try_get("known"))?
    {
        let sql = include_str!("../../../sql/repository/version_table.sql");
        transaction.batch_execute(&translate(sql)).await?;
    }
    let done = version(&transaction).await?;
    let Some(migration) = next(migrations, done, place)? else {
        return Ok(false);
    };
    transaction.batch_execute(&translate(migration)).await?;
    let count = "UPDATE goe.version SET migrations = migrations + 1";
    transaction.batch_execute(count).await?;
    transaction.commit().await?;
    Ok(true)
}
