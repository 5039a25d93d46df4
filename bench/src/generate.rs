//! An import file of one busy production office: several years of call sheets, about 60 contacts each.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use domain::{Timestamp, UserId};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use uuid::Uuid;

/// Contacts of a call sheet, on average; fewer in a small account, so that its jobs fill the activity feed too.
const CONTACTS_PER_JOB: u64 = 60;
const JOBS_MIN: u64 = 10;
/// 2020-01-06T07:00:00Z, the first call sheet.
const FIRST_JOB_MS: i64 = 1_578_294_000_000;
/// The call sheets are spread over this time.
const SPAN_MS: i64 = 6 * 365 * 24 * 3_600_000;
const PRODUCTIONS: usize = 12;
const ROLES: [&str; 40] = [
    "Director",
    "Producer",
    "Line Producer",
    "Production Manager",
    "Production Coordinator",
    "1st AD",
    "2nd AD",
    "Script Supervisor",
    "Director of Photography",
    "Camera Operator",
    "1st AC",
    "2nd AC",
    "DIT",
    "Steadicam Operator",
    "Gaffer",
    "Best Boy Electric",
    "Electrician",
    "Key Grip",
    "Best Boy Grip",
    "Dolly Grip",
    "Grip",
    "Sound Mixer",
    "Boom Operator",
    "Production Designer",
    "Art Director",
    "Set Decorator",
    "Props Master",
    "Costume Designer",
    "Wardrobe Assistant",
    "Make-up Artist",
    "Hair Stylist",
    "Location Manager",
    "Unit Manager",
    "Driver",
    "Caterer",
    "Set Medic",
    "Stills Photographer",
    "Stunt Coordinator",
    "VFX Supervisor",
    "Production Assistant",
];
const FIRST: [&str; 24] = [
    "Mara", "Jonas", "Ines", "Tobi", "Leila", "Sören", "Amélie", "Piotr", "Noor", "Hugo", "Clara", "Yusuf", "Greta", "Luca", "Ada", "Finn",
    "Zoë", "Emil", "Rosa", "Oskar", "Nadia", "Kofi", "Jule", "Arto",
];
const LAST: [&str; 24] = [
    "Quill",
    "Brandt",
    "Okafor",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Haddad",
    "Ferrari",
    "Schäfer",
    "Larsen",
    "Dubois",
    "Kaya",
    "Winter",
    "Rossi",
    "Meyer",
    "Sato",
    "Keller",
    "Jansen",
    "Silva",
    "Weber",
    "Horvat",
    "Mensah",
    "Vogel",
    "Laine",
];

/// What the file holds.
#[derive(Debug, Clone)]
pub struct Generated {
    /// The only user.
    pub user: UserId,
    /// The last moment in the data.
    pub last: Timestamp,
}

/// Writes the file; the same numbers give the same file.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, user: &str, contacts: u64) -> io::Result<Generated> {
    let mut rng = SmallRng::seed_from_u64(contacts);
    let mut out = BufWriter::new(File::create(path)?);
    let user_id = UserId::parse(user).map_err(io::Error::other)?;
    writeln!(out, "{}", json!({"type": "user", "id": user}))?;
    let productions: Vec<Uuid> = (0..PRODUCTIONS).map(|_| random_id(&mut rng)).collect();
    for (at, id) in productions.iter().enumerate() {
        writeln!(out, "{}", json!({"type": "production", "id": id, "userId": user, "name": format!("Production {}", at + 1)}))?;
    }
    let per_job = CONTACTS_PER_JOB.min(contacts / JOBS_MIN).max(1);
    let jobs = i64::try_from(contacts.div_ceil(per_job).max(1)).map_err(io::Error::other)?;
    let mut left = contacts;
    let mut last = Timestamp::from_ms(FIRST_JOB_MS);
    for number in 0..jobs {
        let at = Timestamp::from_ms(FIRST_JOB_MS + number * (SPAN_MS / jobs) + rng.random_range(0..1000));
        let count = if number + 1 == jobs { left } else { rng.random_range(per_job - per_job / 3..=per_job + per_job / 3).min(left) };
        left -= count;
        last = last.max(job(&mut out, &mut rng, user, number, at, productions[usize::try_from(number).unwrap_or(0) % PRODUCTIONS], count)?);
    }
    out.flush()?;
    Ok(Generated { user: user_id, last })
}

/// One call sheet and its contacts.
fn job(
    out: &mut impl Write,
    rng: &mut SmallRng,
    user: &str,
    number: i64,
    at: Timestamp,
    production: Uuid,
    contacts: u64,
) -> io::Result<Timestamp> {
    let id = random_id(rng);
    let done = at.plus_ms(rng.random_range(20_000..120_000));
    let file = format!("Callsheet {number:05}.pdf");
    writeln!(
        out,
        "{}",
        json!({"type": "job", "id": id, "userId": user, "title": format!("Extraction - {file}"), "fileName": file, "status": "COMPLETED",
            "productionId": production, "fileSize": rng.random_range(80_000..900_000), "createdAt": at, "updatedAt": done, "completedAt": done})
    )?;
    for row in 0..contacts {
        let (first, family) = (FIRST[rng.random_range(0..FIRST.len())], LAST[rng.random_range(0..LAST.len())]);
        let role = ROLES[rng.random_range(0..ROLES.len())];
        let mail = format!("{}.{}{}@example.test", first.to_lowercase(), family.to_lowercase(), rng.random_range(0..10_000));
        let phone = format!("+49 170 {:07}", rng.random_range(0..10_000_000));
        writeln!(
            out,
            "{}",
            json!({"type": "contact", "id": random_id(rng), "userId": user, "jobId": id, "name": format!("{first} {family}"),
                "email": rng.random_bool(0.8).then_some(mail), "phone": rng.random_bool(0.7).then_some(phone), "role": role,
                "company": rng.random_bool(0.3).then_some("Nordlicht Film"), "isSelected": true,
                "createdAt": done.plus_ms(i64::try_from(row).unwrap_or(0)), "updatedAt": done})
        )?;
    }
    Ok(done.plus_ms(i64::try_from(contacts).unwrap_or(0)))
}

/// A version 4 id, as the old product's database made them.
fn random_id(rng: &mut SmallRng) -> Uuid {
    let mut bytes: [u8; 16] = rng.random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}
