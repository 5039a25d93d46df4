//! What can go wrong at the table, sorted by what the caller can do about it.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::meter::Operation;

/// Any error behind a store error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A failed table operation.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was first. Read again and decide again.
    #[error("changed by another writer during {operation}")]
    Conflict {
        /// What was tried.
        operation: &'static str,
    },
    /// Throttled, timed out or unreachable. The same call may succeed later.
    #[error("table unavailable during {operation}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// What the client said.
        #[source]
        source: BoxError,
    },
    /// The account was deleted (D14): its owner can change nothing any more.
    #[error("the account was deleted")]
    AccountDeleted,
    /// The stored item does not decode, or the table refuses what we send. Retrying cannot help; see docs/runbook.md.
    #[error("item {key} is malformed")]
    Malformed {
        /// Sort key, or the operation.
        key: String,
        /// What is wrong.
        #[source]
        source: BoxError,
    },
}

impl StoreError {
    pub(crate) fn malformed(key: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Malformed { key: key.into(), source: source.into() }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Unavailable { .. })
    }
}

/// Sorts an SDK error: the only place that looks into one.
pub(crate) fn sort<E, R>(operation: &'static str, error: SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default();
    let message = error.message().unwrap_or_default();
    let says = |reason: &str| code.contains(reason) || message.contains(reason);
    // A write that meets another transaction may be the repetition of one that was applied and whose answer was lost: only a failed
    // condition says that it was not.
    let busy = says("TransactionConflict") && operation != Operation::TransactWrite.name();
    if says("ConditionalCheckFailed") || busy {
        return StoreError::Conflict { operation };
    }
    let refused =
        matches!(code, "ValidationException" | "AccessDeniedException" | "SerializationException" | "IdempotentParameterMismatchException");
    if refused || code == "TransactionCanceledException" && message.contains("ValidationError") {
        return StoreError::malformed(operation, error);
    }
    StoreError::Unavailable { operation, source: Box::new(error) }
}
