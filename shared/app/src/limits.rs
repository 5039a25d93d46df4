//! Where requests are counted: in the cache, so that all processes count together. Without it nobody counts, and requests go on.

use std::pin::Pin;

use cache::{Coherent, Counter, Trouble};
use web::limits::{Charge, Count, Counters};

/// Counts that travel with no read.
pub(crate) struct InCache<'a>(pub(crate) &'a Coherent);

impl Counters for InCache<'_> {
    fn count<'a>(&'a self, charges: &'a [Charge]) -> Pin<Box<dyn Future<Output = Option<Vec<Count>>> + Send + 'a>> {
        Box::pin(async move { said(self.0.count(&counters(charges)).await) })
    }
}

/// The cache's counters of a request's windows.
pub(crate) fn counters(charges: &[Charge]) -> Vec<Counter<'_>> {
    charges.iter().map(|charge| Counter { name: charge.rule.name, subject: &charge.subject, window: charge.rule.window }).collect()
}

/// What the cache counted; nothing when it could not.
pub(crate) fn said(counted: Result<Vec<cache::Count>, Trouble>) -> Option<Vec<Count>> {
    let counted = counted.ok()?;
    Some(counted.into_iter().map(|cache::Count { count, left }| Count { count, left }).collect())
}
