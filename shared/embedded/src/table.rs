//! The table: requests of the DynamoDB client, answered by dynoxide.
//!
//! Streams are never switched on here: the database would scan all stream records at each write. Expired
//! items stay until they are deleted, so readers filter them, as they must on AWS.

use std::path::{Path, absolute};

use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use dynoxide::Database;
use dynoxide::errors::DynoxideError;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// What the database's request types put before the text of a validation error, so that it can be told from a
/// request that cannot be read at all.
const VALIDATION: &str = "VALIDATION:";

/// An embedded DynamoDB. Clones share the same data.
#[derive(Clone)]
pub(crate) struct Table {
    database: Database,
}

impl Table {
    /// Opens, or makes, the table in the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Table, Error> {
        // SQLite gives relative names such as ":memory:" and "file:" a meaning of their own.
        let absolute = absolute(path).map_err(|_| Error::TablePath(path.to_owned()))?;
        let name = absolute.to_str().ok_or_else(|| Error::TablePath(path.to_owned()))?;
        let database = Database::new(name)
            .map_err(|source| Error::OpenTable { path: path.to_owned(), source: Box::new(source) })?;
        Ok(Table { database })
    }

    /// Makes an empty table in memory.
    pub(crate) fn in_memory() -> Result<Table, Error> {
        let database = Database::memory().map_err(|error| Error::OpenMemory(Box::new(error)))?;
        Ok(Table { database })
    }

    /// Answers one request of the DynamoDB client.
    pub(crate) async fn answer(
        &self,
        operation: &str,
        body: SdkBody,
    ) -> Result<http::Response<SdkBody>, ConnectorError> {
        let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
        let (status, json) = match self.run(operation, &body) {
            Some(Ok(json)) => (StatusCode::OK, json),
            Some(Err(error)) => (
                StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                error.to_json(),
            ),
            None => (StatusCode::BAD_REQUEST, unknown_operation(operation)),
        };
        http::Response::builder()
            .status(status)
            .header(CONTENT_TYPE, "application/x-amz-json-1.0")
            .body(SdkBody::from(json))
            .map_err(|error| ConnectorError::other(error.into(), None))
    }

    /// Runs one operation; `None` if the table does not know it.
    fn run(&self, operation: &str, body: &[u8]) -> Option<Result<String, DynoxideError>> {
        let database = &self.database;
        Some(match operation {
            "CreateTable" => run(body, |request| database.create_table(request)),
            "DescribeTable" => run(body, |request| database.describe_table(request)),
            "ListTables" => run(body, |request| database.list_tables(request)),
            "DeleteTable" => run(body, |request| database.delete_table(request)),
            "PutItem" => run(body, |request| database.put_item(request)),
            "GetItem" => run(body, |request| database.get_item(request)),
            "UpdateItem" => run(body, |request| database.update_item(request)),
            "DeleteItem" => run(body, |request| database.delete_item(request)),
            "Query" => run(body, |request| database.query(request)),
            "Scan" => run(body, |request| database.scan(request)),
            "BatchGetItem" => run(body, |request| database.batch_get_item(request)),
            "BatchWriteItem" => run(body, |request| database.batch_write_item(request)),
            "TransactWriteItems" => run(body, |request| database.transact_write_items(request)),
            "TransactGetItems" => run(body, |request| database.transact_get_items(request)),
            "UpdateTimeToLive" => run(body, |request| database.update_time_to_live(request)),
            "DescribeTimeToLive" => run(body, |request| database.describe_time_to_live(request)),
            _ => return None,
        })
    }
}

fn run<Request: DeserializeOwned, Response: Serialize>(
    body: &[u8],
    method: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let response = method(request)?;
    serde_json::to_string(&response).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// Turns the reason why a request could not be read into DynamoDB's error for it.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let message = error.to_string();
    match message.strip_prefix(VALIDATION) {
        Some(message) => {
            // serde_json adds the place, which the client did not choose and cannot use.
            let end = message.rfind(" at line ").unwrap_or(message.len());
            DynoxideError::ValidationException(message[..end].to_owned())
        }
        None => DynoxideError::SerializationException(message),
    }
}

fn unknown_operation(operation: &str) -> String {
    serde_json::json!({
        "__type": "com.amazon.coral.service#UnknownOperationException",
        "message": format!("the table on this machine does not know the operation {operation}"),
    })
    .to_string()
}
