//! A file of 100,000 rows in the memory of a few. Alone in its process, whose peak is what the kernel says it was.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use domain::{Contact, ContactId, Counts, Job, JobId, JobStatus, Timestamp};
use export::{Delimiter, Encoder, Field, Format, Row, Settings};
use uuid::Uuid;

const ROWS: u64 = 100_000;
/// Bytes that a caller lets come together.
const BUFFER_BYTES: usize = 1_000_000;
/// The files are 20 to 60 MB.
const GROWTH_KB_MAX: u64 = 16_000;

fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn job() -> Job {
    Job {
        id: JobId(Uuid::from_u128(1)),
        title: "Extraction - day3.pdf".into(),
        file_name: Some("day3.pdf".into()),
        file_url: None,
        status: JobStatus::Completed,
        production_id: None,
        file_hash: None,
        file_size: None,
        created_at: Timestamp::from_ms(1_772_352_000_123),
        updated_at: Timestamp::from_ms(1_772_352_000_123),
        completed_at: None,
        saving: None,
        counts: Counts::default(),
    }
}

fn contact(n: u64) -> Contact {
    Contact {
        id: ContactId(Uuid::from_u128(n.into())),
        job_id: JobId(Uuid::from_u128(1)),
        name: format!("Mara Quill {n}"),
        email: Some(format!("mara.quill.{n}@example.test")),
        phone: Some(format!("+44 7700 {n:06}")),
        role: Some(format!("Role {}", n % 5_000)),
        company: Some(format!("Company of many words {}", n % 30_000)),
        is_selected: true,
        created_at: Timestamp::from_ms(1_772_352_000_123 + i64::try_from(n).unwrap()),
        updated_at: Timestamp::from_ms(1_772_352_000_123),
        cv: 1,
    }
}

#[test]
fn a_hundred_thousand_rows_need_the_memory_of_a_few() {
    let job = job();
    for format in [Format::Csv, Format::Json, Format::Vcard, Format::Xlsx] {
        let settings = Settings { format, fields: Field::DEFAULT.to_vec(), delimiter: Delimiter::Comma };
        let before = peak_kb();
        let (mut out, mut written, mut longest) = (Vec::new(), 0, 0);
        let mut encoder = Encoder::begin(&settings, ROWS, Timestamp::from_ms(1_772_352_000_123), &mut out);
        for n in 0..ROWS {
            encoder.row(Row { contact: &contact(n), job: &job }, &mut out);
            longest = longest.max(out.len());
            if out.len() > BUFFER_BYTES {
                written += out.len();
                out.clear();
            }
        }
        encoder.end(&mut out);
        written += out.len();
        let growth = peak_kb() - before;
        println!("{format:?}: {written} bytes, peak of memory {growth} kB higher");
        assert!(written > 3_000_000, "{format:?}: {written} bytes");
        assert!(longest < BUFFER_BYTES + 100_000 && growth < GROWTH_KB_MAX, "{format:?}: {longest} bytes at once, {growth} kB");
    }
}
