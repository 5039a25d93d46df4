//! Scans against a plain list: filter, sort, slice.

use std::collections::HashSet;

use domain::{Contact, JobId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::fold::fold;
use crate::packing::tests::contact;

const ORDERS: [SortBy; 7] =
    [SortBy::CreatedAt, SortBy::UpdatedAt, SortBy::Name, SortBy::Email, SortBy::Phone, SortBy::Role, SortBy::Company];
const SEARCHES: [&str; 10] = ["", "soren", "Ö", "%", "_x", "@", "49170", "170 123", "ש", "none"];

/// The key of the plain model.
fn key(contact: &Contact, by: SortBy) -> (i64, String) {
    let text = |text: &Option<String>| (0, fold(text.as_deref().unwrap_or_default()));
    match by {
        SortBy::CreatedAt => (contact.created_at.ms(), String::new()),
        SortBy::UpdatedAt => (contact.updated_at.ms(), String::new()),
        SortBy::Name => (0, fold(&contact.name)),
        SortBy::Email => text(&contact.email),
        SortBy::Phone => text(&contact.phone),
        SortBy::Role => text(&contact.role),
        SortBy::Company => text(&contact.company),
    }
}

fn finds(contact: &Contact, search: &str) -> bool {
    let texts = [Some(&contact.name), contact.email.as_ref(), contact.phone.as_ref(), contact.role.as_ref(), contact.company.as_ref()];
    let digits: String = contact.phone.iter().flat_map(|phone| phone.chars()).filter(char::is_ascii_digit).collect();
    let wanted: String = search.chars().filter(char::is_ascii_digit).collect();
    texts.into_iter().flatten().any(|text| fold(text).contains(&fold(search)))
        || (search.chars().all(|c| c.is_ascii_digit() || c == ' ') && !wanted.is_empty() && digits.contains(&wanted))
}

struct Asked {
    search: &'static str,
    role: &'static str,
    jobs: Option<HashSet<JobId>>,
    reachable: bool,
    order: Order,
}

impl Asked {
    fn random(rng: &mut StdRng) -> Self {
        let mut any = |texts: &[&'static str]| texts[rng.random_range(0..texts.len())];
        let (search, role) = (any(&SEARCHES), any(&["", "", "", "mara", "e"]));
        let jobs = rng.random_bool(0.3).then(|| [JobId(Uuid::from_u128(1)), JobId(Uuid::from_u128(3))].into());
        let order = Order { by: ORDERS[rng.random_range(0..ORDERS.len())], descending: rng.random() };
        Self { search, role, jobs, reachable: rng.random(), order }
    }

    fn filter(&self) -> Filter {
        let filter = Filter::default().search(self.search).role(self.role).reachable(self.reachable);
        self.jobs.clone().into_iter().fold(filter, Filter::jobs)
    }

    /// What the plain list is, before and after what cannot be reached is left out.
    fn expected(&self, contacts: &[Contact]) -> (Vec<Contact>, Vec<Contact>) {
        let role = |contact: &Contact| fold(contact.role.as_deref().unwrap_or_default()).contains(self.role);
        let job = |contact: &Contact| self.jobs.as_ref().is_none_or(|jobs| jobs.contains(&contact.job_id));
        let passes = |contact: &&Contact| finds(contact, self.search) && role(contact) && job(contact);
        let passing: Vec<Contact> = contacts.iter().filter(passes).cloned().collect();
        let mut listed: Vec<Contact> = passing.iter().filter(|c| !self.reachable || c.flags().reachable()).cloned().collect();
        listed.sort_by_key(|contact| (key(contact, self.order.by), contact.id));
        if self.order.descending {
            listed.reverse();
        }
        (passing, listed)
    }
}

fn scan(buckets: &[Bucket], filter: &Filter, order: Order, slice: &Slice, limit: u32) -> (Found, Vec<Contact>) {
    let mut scan = Scan::new(filter, order, slice);
    buckets.iter().enumerate().for_each(|(number, bucket)| scan.add(number, bucket));
    let found = scan.finish(slice, limit);
    let rows = found.rows.iter().map(|(bucket, row)| buckets[*bucket].contact(*row)).collect();
    (found, rows)
}

#[test]
fn every_page_of_every_query_is_that_of_the_plain_list() {
    let mut rng = StdRng::seed_from_u64(3);
    for round in 0..300 {
        let mut contacts: Vec<Contact> = (0..rng.random_range(0..300)).map(|_| contact(&mut rng)).collect();
        contacts.sort_by_key(|contact| (contact.created_at, contact.id));
        let buckets: Vec<Bucket> = contacts.chunks(64).map(Bucket::of).collect();
        let asked = Asked::random(&mut rng);
        let (passing, listed) = asked.expected(&contacts);
        let (filter, limit) = (asked.filter(), rng.random_range(1..=100));
        let (mut by_number, mut by_cursor, mut slice) = (Vec::new(), Vec::new(), Slice::Page(1));
        for page in 1.. {
            let (found, rows) = scan(&buckets, &filter, asked.order, &Slice::Page(page), limit);
            assert_eq!(found.total, listed.len() as u64, "round {round}");
            let with = |of: fn(&Contact) -> bool| passing.iter().filter(|contact| of(contact)).count() as u64;
            let counted = (with(|c| c.flags().email_with_at), with(|c| c.flags().phone_not_empty));
            assert_eq!((found.with_email, found.with_phone), counted, "round {round}");
            by_number.extend(rows);
            let (after, rows) = scan(&buckets, &filter, asked.order, &slice, limit);
            assert_eq!((after.total, after.next.is_some()), (found.total, found.next.is_some()), "round {round}");
            by_cursor.extend(rows);
            match after.next {
                Some(place) => slice = Slice::After(place),
                None => break,
            }
        }
        assert_eq!((&by_number, &by_cursor), (&listed, &listed), "round {round}: {:?} {}", asked.order, asked.search);
        let (beyond, rows) = scan(&buckets, &filter, asked.order, &Slice::Page(u64::MAX), limit);
        assert_eq!((beyond.next, rows), (None, Vec::new()));
    }
}

#[test]
fn a_cursor_stays_right_when_its_contact_and_others_go_and_come() {
    let mut rng = StdRng::seed_from_u64(4);
    let mut contacts: Vec<Contact> = (0..200).map(|_| contact(&mut rng)).collect();
    let order = Order { by: SortBy::Name, descending: false };
    let (filter, mut slice, mut seen) = (Filter::default(), Slice::Page(1), Vec::new());
    let first = contacts.clone();
    let mut gone = HashSet::new();
    loop {
        let (found, rows) = scan(&[Bucket::of(&contacts)], &filter, order, &slice, 7);
        seen.extend(rows.iter().map(|row| row.id));
        let Some(place) = found.next else { break };
        gone.extend(contacts.extract_if(.., |contact| contact.id == place.id || rng.random_bool(0.02)).map(|contact| contact.id));
        contacts.extend((0..3).map(|_| contact(&mut rng)));
        slice = Slice::After(place);
    }
    let unique: HashSet<ContactId> = seen.iter().copied().collect();
    assert_eq!(unique.len(), seen.len(), "no row twice");
    for contact in first.iter().filter(|contact| !gone.contains(&contact.id)) {
        assert!(unique.contains(&contact.id), "a row that was there all the time is missing");
    }
}

#[test]
fn places_of_creation_carry_their_moment() {
    for ms in [0, 1, 1_772_703_000_000] {
        let place = Place::created(Timestamp::from_ms(ms), ContactId(Uuid::nil()));
        assert_eq!(place.moment().map(Timestamp::ms), Some(ms));
    }
    assert_eq!(Place { key: b"mara".to_vec(), id: ContactId(Uuid::nil()) }.moment(), None);
    assert!(moment(-1) < moment(0) && moment(0) < moment(1));
}
