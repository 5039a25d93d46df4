//! What the table was asked, what it cost and how long it took, counted where the SDK is called.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Kinds of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `GetItem`.
    GetItem,
    /// `Query`, one page.
    Query,
    /// `BatchGetItem`.
    BatchGet,
    /// `TransactGetItems`.
    TransactGet,
    /// `TransactWriteItems`.
    TransactWrite,
    /// `BatchWriteItem`.
    BatchWrite,
    /// Anything else: a single put, a description of the table.
    Other,
}

impl Operation {
    /// Its name in errors and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GetItem => "GetItem",
            Self::Query => "Query",
            Self::BatchGet => "BatchGetItem",
            Self::TransactGet => "TransactGetItems",
            Self::TransactWrite => "TransactWriteItems",
            Self::BatchWrite => "BatchWriteItem",
            Self::Other => "Other",
        }
    }
}

const OPERATIONS: usize = 7;

/// Running counters of one table handle.
#[derive(Debug, Default)]
pub struct Meter {
    calls: [AtomicU64; OPERATIONS],
    milli_units: [AtomicU64; OPERATIONS],
    micros: AtomicU64,
}

/// The counters at one moment, or the difference of two.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    calls: [u64; OPERATIONS],
    milli_units: [u64; OPERATIONS],
    micros: u64,
}

impl Meter {
    pub(crate) fn count(&self, operation: Operation, units: f64, took: Duration) {
        self.calls[operation as usize].fetch_add(1, Ordering::Relaxed);
        self.milli_units[operation as usize].fetch_add((units * 1000.0).round() as u64, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(0), Ordering::Relaxed);
    }

    /// The counters now.
    #[must_use]
    pub fn read(&self) -> Reading {
        let load = |list: &[AtomicU64; OPERATIONS]| std::array::from_fn(|n| list[n].load(Ordering::Relaxed));
        Reading { calls: load(&self.calls), milli_units: load(&self.milli_units), micros: self.micros.load(Ordering::Relaxed) }
    }
}

impl Reading {
    /// What happened since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let minus = |a: [u64; OPERATIONS], b: [u64; OPERATIONS]| std::array::from_fn(|n| a[n] - b[n]);
        Self {
            calls: minus(self.calls, before.calls),
            milli_units: minus(self.milli_units, before.milli_units),
            micros: self.micros - before.micros,
        }
    }

    /// Time that the calls took, the SDK's own retries included; calls side by side count each.
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_micros(self.micros)
    }

    /// Calls of all kinds: round trips.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.iter().sum()
    }

    /// Calls of one kind.
    #[must_use]
    pub fn of(&self, operation: Operation) -> u64 {
        self.calls[operation as usize]
    }

    /// Read capacity units.
    #[must_use]
    pub fn read_units(&self) -> f64 {
        self.units(&[Operation::GetItem, Operation::Query, Operation::BatchGet, Operation::TransactGet])
    }

    /// Write capacity units.
    #[must_use]
    pub fn write_units(&self) -> f64 {
        self.units(&[Operation::TransactWrite, Operation::BatchWrite])
    }

    fn units(&self, operations: &[Operation]) -> f64 {
        operations.iter().map(|operation| self.milli_units[*operation as usize] as f64 / 1000.0).sum()
    }
}
