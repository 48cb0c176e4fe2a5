//! Statements as people mean them: a name without quotes is a column exactly, or else the only one
//! that differs in case alone, and a timestamp has the digits that it shows.

use std::collections::BTreeSet;

use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;

use crate::error::Result;
use crate::offload::statement::refuse_chains;
use crate::offload::{name_columns, timestamps_in_microseconds};

/// Plans a statement. Column names are taken as they are meant where they are not there as they
/// are written: most statements ask each system once only.
pub(crate) async fn plan_statement(
    engine: &SessionContext,
    statement: &str,
) -> Result<LogicalPlan> {
    refuse_chains(statement)?;
    let state = engine.state();
    let dialect = state.config().options().sql_parser.dialect;
    let mut parsed = state.sql_to_statement(statement, &dialect)?;
    if let Statement::Statement(inner) = &mut parsed {
        timestamps_in_microseconds(inner);
    }
    let failed = match state.statement_to_plan(parsed.clone()).await {
        Ok(plan) => return Ok(plan),
        // What a system says is no matter of names, and it is not asked twice.
        Err(failed) if matches!(failed.find_root(), DataFusionError::External(_)) => {
            return Err(failed.into());
        }
        Err(failed) => failed,
    };
    let columns = columns_of(engine, &parsed).await?;
    let written = parsed.clone();
    if let Statement::Statement(inner) = &mut parsed {
        name_columns(inner, &columns);
    }
    if parsed == written {
        return Err(failed.into());
    }
    Ok(state.statement_to_plan(parsed).await?)
}

/// The names of all columns of all tables that a statement names.
async fn columns_of(engine: &SessionContext, statement: &Statement) -> Result<BTreeSet<String>> {
    let state = engine.state();
    let options = &state.config().options().catalog;
    let mut columns = BTreeSet::new();
    for reference in state.resolve_table_references(statement)? {
        let name = reference.resolve(&options.default_catalog, &options.default_schema);
        let catalog = state.catalog_list().catalog(&name.catalog);
        let Some(schema) = catalog.and_then(|catalog| catalog.schema(&name.schema)) else {
            continue;
        };
        // What is not there will be said by the planner, with the statement at hand.
        if let Ok(Some(table)) = schema.table(&name.table).await {
            columns.extend(
                table
                    .schema()
                    .fields()
                    .iter()
                    .map(|field| field.name().clone()),
            );
        }
    }
    Ok(columns)
}
