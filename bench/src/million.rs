//! One large account: imported to disk, then read and changed, beside a small one.

use std::time::Instant;

use domain::{Contact, ContactId, JobId, Timestamp, UserId};
use local::embedded::Embedded;
use store::meter::Reading;
use store::{Edit, Record, Slice, Table, TableConfig};
use uuid::Uuid;

use crate::figures::{Result, Targets, memory_peak_mb};
use crate::generate::Generated;
use crate::load::load;

/// Contacts of the small account: its jobs fill the feed, as those of the large one do.
const SMALL: u64 = 100;
/// Rows of a page.
const PAGE: u32 = 100;
/// Targets of the design and of the import.
const CONTACTS_PER_SECOND_MIN: f64 = 2_500.0;
const SECOND_HALF_MAX: f64 = 1.2;
const MEMORY_MB_MAX: f64 = 500.0;
const WRITE_GROWTH_MAX: f64 = 1.2;

/// Measures and prints; fails when a target is missed.
///
/// # Errors
/// When something cannot be done, or a figure is worse than its target.
pub async fn run(contacts: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let embedded = Embedded::open(folder.path())?;
    let table = Table::connect(&TableConfig::local("bench", embedded.endpoint()));
    table.create_if_absent().await?;
    let mut targets = Targets::default();

    let small = load(&table, folder.path(), "small", SMALL).await?.account;
    let large = load(&table, folder.path(), "large", contacts).await?;
    println!("import: {contacts} contacts in {:.0} s, {:.0} contacts a second", large.seconds, large.per_second);
    let (first, second) = (large.first, large.second);
    println!("  first half {:.0} s, second half {:.0} s, ratio {:.2}", first.wall, second.wall, second.wall / first.wall);
    println!("  CPU time {:.0} s + {:.0} s, ratio {:.2}: client and embedded server", first.cpu, second.cpu, second.cpu / first.cpu);
    let memory = memory_peak_mb()?;
    println!("  peak memory with the embedded server {memory:.0} MB");
    targets.at_least("contacts a second", large.per_second, CONTACTS_PER_SECOND_MIN);
    targets.at_most("second half to first half", second.wall / first.wall, SECOND_HALF_MAX);
    targets.at_most("memory in MB", memory, MEMORY_MB_MAX);
    let large = large.account;

    let dashboard = dashboard_units(&table, &large.user).await?;
    println!("dashboard: {dashboard} read units (small account: {})", dashboard_units(&table, &small.user).await?);
    targets.at_most("read units of the dashboard", dashboard, 1.0);
    let pages = contacts.div_ceil(u64::from(PAGE));
    for (name, page) in [("first", 1), ("middle", pages / 2), ("last", pages)] {
        let (cost, ms) = page_cost(&table, &large.user, page).await?;
        println!("{name} page ({page}): {} trips, {} read units, {ms:.1} ms", cost.calls(), cost.read_units());
        targets.at_most("trips of a page", cost.calls() as f64, 4.0);
    }
    let (before, after) = (added_units(&table, &small).await?, added_units(&table, &large).await?);
    println!("adding a contact: {before} write units at {SMALL} contacts, {after} at {contacts}");
    targets.at_most("growth of a write", after / before, WRITE_GROWTH_MAX);
    targets.result()
}

async fn dashboard_units(table: &Table, user: &UserId) -> Result<f64> {
    let before = table.meter().read();
    table.root(user).await?.ok_or("there is no root")?;
    Ok(table.meter().read().since(&before).read_units())
}

async fn page_cost(table: &Table, user: &UserId, page: u64) -> Result<(Reading, f64)> {
    let (before, started) = (table.meter().read(), Instant::now());
    let found = table.contact_page(user, None, Slice::Page(page), PAGE).await?;
    let (cost, ms) = (table.meter().read().since(&before), started.elapsed().as_secs_f64() * 1000.0);
    if found.value.is_none_or(|page| page.contacts.is_empty()) {
        return Err(format!("page {page} is empty").into());
    }
    Ok((cost, ms))
}

/// Write units of a transaction that adds one contact to the newest job.
async fn added_units(table: &Table, account: &Generated) -> Result<f64> {
    let root = table.root(&account.user).await?.ok_or("there is no root")?;
    let job = root.feed.first().ok_or("there is no job")?.key.1;
    let at = account.last.plus_ms(1);
    let contact = contact(job, at);
    let before = table.meter().read();
    table.apply(&account.user, &[Edit::Put(Record::Contact(contact))], at).await?;
    Ok(table.meter().read().since(&before).write_units())
}

fn contact(job_id: JobId, at: Timestamp) -> Contact {
    Contact {
        id: ContactId(Uuid::from_u128(0xadd)),
        job_id,
        name: "Mara Quill".into(),
        email: Some("mara.quill@example.test".into()),
        phone: Some("+49 170 0000000".into()),
        role: Some("Gaffer".into()),
        company: None,
        is_selected: true,
        created_at: at,
        updated_at: at,
        cv: 1,
    }
}
