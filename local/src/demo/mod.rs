//! The demo account: half a year of a production company that is not there, as lines of the import format.
//!
//! The same month gives the same file, up to what lies after `now`. People, companies, addresses and numbers are invented: addresses end in
//! `.example`, numbers are those that Ofcom keeps for drama.

mod people;

use std::io::{self, Write};

use domain::Timestamp;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use uuid::Uuid;

use people::Person;

/// The demo account's user.
pub const USER: &str = "demo";
/// Its address.
pub const EMAIL: &str = "ines@halyard-pictures.example";
/// The user's name.
pub const NAME: &str = "Ines Halyard";
/// The account's customer at Stripe.
pub const CUSTOMER: &str = "cus_DemoHalyard";
/// Its subscription.
pub const SUBSCRIPTION: &str = "sub_DemoHalyard";
/// What it is for.
pub const PRICE: &str = "price_starter_monthly";

const MINUTE_MS: i64 = 60_000;
const MONTHS: u64 = 6;
/// Distinct people in the company's address book.
const CREW: usize = 170;

/// Name and description of each production, in the order in which they are shot.
const PRODUCTIONS: [(&str, &str); 5] = [
    ("The Lantern Keepers", "Feature film, Bristol and the Severn estuary"),
    ("Brewster Oats: Early Shift", "Two spots for television, 30 s and 10 s"),
    ("Salt & Slate", "Mini-series, four episodes of 50 minutes"),
    ("Ridgeway Outdoor, spring", "Photo shoot for a catalogue"),
    ("A Quiet Frequency", "Short film"),
];

/// What a call sheet is called.
const SHEETS: [&str; 6] = [
    "Callsheet day {n}.pdf",
    "Unit list day {n}.pdf",
    "Callsheet {n} rev B.pdf",
    "Crew list wk {n}.xlsx",
    "Call day {n}.docx",
    "Day {n} - FINAL.pdf",
];

/// A call sheet before it is written.
struct Sheet {
    production: usize,
    file: String,
    status: &'static str,
    created: Timestamp,
    contacts: usize,
}

/// Writes the account as it stands at `now`.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut impl Write, now: Timestamp) -> io::Result<()> {
    let month = start_of_month(now);
    let mut rng = SmallRng::seed_from_u64(u64::from_be_bytes(*b"callshee"));
    line(out, &json!({"type": "user", "id": USER, "stripeCustomerId": CUSTOMER}))?;
    line(out, &subscription(month, now, &mut rng))?;
    let productions: Vec<Uuid> = PRODUCTIONS.iter().map(|_| id(&mut rng)).collect();
    for ((name, about), id) in PRODUCTIONS.iter().zip(&productions) {
        let created = start_of_month_before(month, MONTHS);
        line(out, &json!({"type": "production", "id": id, "userId": USER, "name": name, "description": about, "createdAt": created}))?;
    }
    let crew = people::crew(CREW, &mut rng);
    let sheets = sheets(month, now, &mut rng);
    for sheet in &sheets {
        job(out, sheet, productions[sheet.production], &crew, &mut rng)?;
    }
    for back in 0..=MONTHS {
        usage(out, &sheets, start_of_month_before(month, back))?;
    }
    Ok(())
}

/// Paid from the tenth to the tenth.
fn subscription(month: Timestamp, now: Timestamp, rng: &mut SmallRng) -> Value {
    let tenth = |first: Timestamp| first.plus_days(9);
    let first = if tenth(month) <= now { month } else { start_of_month_before(month, 1) };
    let next = start_of_month(first.plus_days(31));
    json!({
        "type": "subscription", "id": id(rng), "userId": USER, "status": "active", "priceId": PRICE,
        "stripeCustomerId": CUSTOMER, "stripeSubscriptionId": SUBSCRIPTION,
        "currentPeriodStart": tenth(first), "currentPeriodEnd": tenth(next), "cancelAtPeriodEnd": false,
        "createdAt": start_of_month_before(month, MONTHS), "customer": {"email": EMAIL, "name": NAME},
    })
}

/// Six call sheets a month, as far as they lie before `now`, and one that is being read right now.
fn sheets(month: Timestamp, now: Timestamp, rng: &mut SmallRng) -> Vec<Sheet> {
    let mut sheets = Vec::new();
    for back in (0..MONTHS).rev() {
        let (first, number) = (start_of_month_before(month, back), usize::try_from(MONTHS - back).unwrap_or_default());
        for (day, nth) in [1, 6, 8, 13, 20, 26].into_iter().zip(1..) {
            let created = first.plus_days(day).plus_ms(rng.random_range(6 * 60..19 * 60) * MINUTE_MS);
            let status = match (number * 6 + nth) % 17 {
                3 => "FAILED",
                9 => "CANCELLED",
                _ => "COMPLETED",
            };
            let found = if (number * 6 + nth) % 13 == 5 { 0 } else { rng.random_range(10..=20) };
            let file = SHEETS.choose(rng).expect("there are names").replace("{n}", &(number * 6 + nth - 6).to_string());
            let contacts = if status == "COMPLETED" { found } else { 0 };
            sheets.push(Sheet { production: (number - 1) * PRODUCTIONS.len() / 6, file, status, created, contacts });
        }
    }
    sheets.retain(|sheet| sheet.created.plus_ms(10 * MINUTE_MS) < now);
    let created = now.plus_ms(-3 * MINUTE_MS);
    sheets.push(Sheet {
        production: PRODUCTIONS.len() - 1,
        file: "Callsheet tomorrow.pdf".to_owned(),
        status: "PROCESSING",
        created,
        contacts: 0,
    });
    sheets
}

fn job(out: &mut impl Write, sheet: &Sheet, production: Uuid, crew: &[Person], rng: &mut SmallRng) -> io::Result<()> {
    let job = id(rng);
    let done = sheet.created.plus_ms(rng.random_range(25_000..140_000));
    let mut fields = json!({
        "type": "job", "id": job, "userId": USER, "status": sheet.status, "productionId": production, "fileName": sheet.file,
        "fileSize": rng.random_range(60_000..2_400_000), "createdAt": sheet.created, "updatedAt": done,
    });
    if sheet.status == "COMPLETED" {
        fields["completedAt"] = json!(done);
    }
    line(out, &fields)?;
    // The heads of departments come often, others now and then.
    let mut present: Vec<&Person> = crew.iter().filter(|_| rng.random_bool(0.5)).collect();
    present.shuffle(rng);
    for (row, person) in present.into_iter().take(sheet.contacts).enumerate() {
        let created = done.plus_ms(i64::try_from(row).unwrap_or_default());
        line(
            out,
            &json!({
                "type": "contact", "id": id(rng), "userId": USER, "jobId": job, "name": person.name, "email": person.email, "phone": person.phone,
                "role": person.role, "company": person.company, "isSelected": true, "createdAt": created, "updatedAt": created,
            }),
        )?;
    }
    Ok(())
}

/// What the sheets of a month count: uploads that were read or failed, and their contacts.
fn usage(out: &mut impl Write, sheets: &[Sheet], first: Timestamp) -> io::Result<()> {
    let of_month: Vec<&Sheet> = sheets.iter().filter(|sheet| sheet.created.month() == first.month()).collect();
    let jobs = of_month.iter().filter(|sheet| ["COMPLETED", "FAILED"].contains(&sheet.status)).count();
    let contacts: usize = of_month.iter().map(|sheet| sheet.contacts).sum();
    if jobs == 0 {
        return Ok(());
    }
    let month = first.month().to_string();
    line(
        out,
        &json!({"type": "usage", "userId": USER, "month": month, "jobsProcessed": jobs, "contactsExtracted": contacts, "apiCalls": jobs * 9}),
    )
}

fn line(out: &mut impl Write, value: &Value) -> io::Result<()> {
    writeln!(out, "{value}")
}

fn start_of_month(at: Timestamp) -> Timestamp {
    let mut day = at.start_of_day();
    while day.ms() > 0 && day.minus_days(1).month() == at.month() {
        day = day.minus_days(1);
    }
    day
}

fn start_of_month_before(month: Timestamp, back: u64) -> Timestamp {
    (0..back).fold(month, |first, _| start_of_month(first.plus_ms(-1)))
}

/// A version 4 id, as the old product's database made them.
fn id(rng: &mut SmallRng) -> Uuid {
    let mut bytes: [u8; 16] = rng.random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn lines(now: &str) -> Vec<Value> {
        let mut out = Vec::new();
        write(&mut out, now.parse().unwrap()).unwrap();
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn the_account_is_believable_on_every_day_of_a_month() {
        for now in ["2026-03-01T00:00:00.000Z", "2026-03-16T12:00:00.000Z", "2026-03-31T23:59:59.999Z", "2024-02-29T08:00:00.000Z"] {
            let lines = lines(now);
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for line in &lines {
                *counts.entry(line["type"].as_str().unwrap()).or_default() += 1;
                assert!(line["createdAt"].as_str().is_none_or(|created| created <= now), "{line}");
                assert!(line["currentPeriodStart"].as_str().is_none_or(|start| start <= now), "{line}");
                assert!(line["currentPeriodEnd"].as_str().is_none_or(|end| end > now), "{line}");
            }
            assert!((320..=460).contains(&counts["contact"]), "{now}: {counts:?}");
            assert_eq!((counts["production"], counts["subscription"], counts["user"]), (5, 1, 1));
            assert!(counts["usage"] >= 5, "{counts:?}");
            let distinct = |kind: &str, key: &str| {
                lines.iter().filter(|line| line["type"] == kind).map(|line| line[key].to_string()).collect::<BTreeSet<_>>()
            };
            assert_eq!(distinct("job", "status").len(), 4, "{now}");
            assert!(distinct("contact", "role").len() >= 30);
            assert!(distinct("contact", "name").len() >= 100);
            assert_eq!(distinct("contact", "id").len(), counts["contact"]);
        }
    }

    #[test]
    fn the_same_moment_gives_the_same_account() {
        assert_eq!(lines("2026-03-16T12:00:00.000Z"), lines("2026-03-16T12:00:00.000Z"));
    }

    #[test]
    fn nobody_real_can_be_reached() {
        for line in lines("2026-03-16T12:00:00.000Z").iter().filter(|line| line["type"] == "contact") {
            assert!(line["email"].as_str().is_none_or(|email| email.ends_with(".example")), "{line}");
            assert!(line["phone"].as_str().is_none_or(|phone| phone.starts_with("+44 7700 900") && phone.len() == 15), "{line}");
        }
    }
}
