//! Buckets as bytes, and bytes that are no bucket.

use domain::{Contact, ContactId, JobId, Timestamp};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::*;

const TEXTS: [&str; 8] = ["", "Mara Quill", "SÖREN", "🎬", "שלום", "100%_x", "a@b.test", "+49 (170) 12-3"];

pub(crate) fn contact(rng: &mut StdRng) -> Contact {
    let text = |rng: &mut StdRng| TEXTS.choose(rng).map(|text| (*text).to_owned());
    let maybe = |rng: &mut StdRng| if rng.random() { text(rng) } else { None };
    Contact {
        id: ContactId(Uuid::from_u128(rng.random())),
        job_id: JobId(Uuid::from_u128(rng.random_range(0..5))),
        name: text(rng).unwrap_or_default(),
        email: maybe(rng),
        phone: maybe(rng),
        role: maybe(rng),
        company: maybe(rng),
        is_selected: rng.random(),
        created_at: Timestamp::from_ms(rng.random_range(0..1_772_703_000_000)),
        updated_at: Timestamp::from_ms(rng.random_range(0..1_772_703_000_000)),
        cv: rng.random_range(0..1 << 50),
    }
}

fn contacts(rows: usize) -> Vec<Contact> {
    let mut rng = StdRng::seed_from_u64(rows as u64);
    (0..rows).map(|_| contact(&mut rng)).collect()
}

#[test]
fn contacts_come_back_as_they_were() {
    for rows in [0, 1, 2, 256, 5_000] {
        let contacts = contacts(rows);
        let bucket = Bucket::of(&contacts);
        let read = Bucket::decode("n", &bucket.encode("n")).unwrap();
        assert_eq!(read, bucket);
        assert_eq!((0..rows).map(|row| read.contact(row)).collect::<Vec<_>>(), contacts);
        assert_eq!(read.reachable(), contacts.iter().filter(|contact| contact.flags().reachable()).count());
    }
}

#[test]
fn damaged_foreign_and_other_formats_bytes_are_as_good_as_none() {
    let bytes = Bucket::of(&contacts(60)).encode("u/1");
    assert!(Bucket::decode("u/1", &bytes).is_some());
    for name in ["u/2", "v/1", "", "u/1 "] {
        assert!(Bucket::decode(name, &bytes).is_none(), "{name}");
    }
    for cut in 0..bytes.len() {
        assert!(Bucket::decode("u/1", &bytes[..cut]).is_none(), "{cut} bytes");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(Bucket::decode("u/1", &damaged).is_none(), "byte {at}");
    }
}

#[test]
fn columns_that_make_no_sense_are_refused_without_a_panic() {
    let columns = Bucket::of(&contacts(20)).columns();
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..20_000 {
        let mut damaged = columns.clone();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..damaged.len());
            damaged[at] = rng.random();
        }
        damaged.truncate(rng.random_range(0..=damaged.len()).max(damaged.len() / 2));
        if let Some(bucket) = Bucket::from_columns(&damaged) {
            (0..bucket.len()).for_each(|row| drop(bucket.contact(row)));
        }
    }
    assert!(Bucket::from_columns(&[0xff; 40]).is_none());
}

#[test]
fn two_hundred_thousand_contacts_fit_into_the_memory_of_a_search() {
    let (mut packed, mut unpacked) = (0, 0);
    let mut rng = StdRng::seed_from_u64(7);
    for number in 0..20 {
        let rows: Vec<Contact> = (0..256)
            .map(|row| Contact {
                name: format!("Sören Lindqvist {row}"),
                email: Some(format!("soren.lindqvist{}@example.test", rng.random_range(0..10_000))),
                phone: Some(format!("+49 170 {:07}", rng.random_range(0..10_000_000))),
                role: Some("Production Coordinator".into()),
                company: Some("Nordlicht Film".into()),
                ..contact(&mut rng)
            })
            .collect();
        let bytes = Bucket::of(&rows).encode(&number.to_string());
        packed += bytes.len();
        unpacked += Bucket::decode(&number.to_string(), &bytes).unwrap().size();
    }
    let of_200_000 = |bytes: usize| bytes * 200_000 / (20 * 256) / 1_000_000;
    println!("200,000 contacts: {} MB packed, {} MB unpacked", of_200_000(packed), of_200_000(unpacked));
    assert!(of_200_000(packed) <= 20 && of_200_000(unpacked) <= 64);
}
