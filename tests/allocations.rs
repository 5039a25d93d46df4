//! Allocations of a cached request, from the event's JSON to the answer's: counted, and held to a bound.

use std::sync::Arc;

use allocation_counter::{AllocationInfo, measure};
use app::metrics::Metrics;
use testkit::hits::{self, Process};
use testkit::servers::Valkey;
use tokio::runtime::Builder;
use tracing::subscriber::NoSubscriber;

/// What a request of the dashboard may take. Measured: 332, 49,355 bytes.
const COUNT_MAX: u64 = 360;
const BYTES_MAX: u64 = 55_000;
const REQUESTS: u32 = 50;

#[test]
fn a_cached_dashboard_takes_few_allocations() {
    // One thread, as in a Lambda environment: it does all that is counted.
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let valkey = Valkey::start();
    let world = runtime.block_on(hits::filled(&valkey));
    // The worlds' watch over logs takes more than the request does.
    let _quiet = tracing::subscriber::set_default(NoSubscriber::new());
    let process = runtime.block_on(Process::start(&valkey.url(), Metrics::to("test", Arc::new(|_| ()))));
    let process = process.expect("the cache answers");
    // What Valkey sends may come in several pieces, and a machine that stands still lets a request go past the cache: the least is the rule.
    let counted = (0..REQUESTS).filter_map(|number| {
        let mut is_hit = false;
        let counted = measure(|| is_hit = runtime.block_on(process.answer(number)).is_ok());
        is_hit.then_some(counted)
    });
    let AllocationInfo { count_total, bytes_total, .. } = counted.min_by_key(|counted| counted.count_total).expect("a hit");
    println!("{count_total} allocations, {bytes_total} bytes");
    assert!(count_total <= COUNT_MAX && bytes_total <= BYTES_MAX, "{count_total} allocations, {bytes_total} bytes");
    runtime.block_on(async { drop(world) });
}
