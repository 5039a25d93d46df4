//! Checks what lines refer to: their user, a job's production, a contact's job. In the file or in the table.

use std::collections::{HashMap, HashSet};

use domain::{JobId, ProductionId};

use super::line::Kind;
use super::report::Rejects;
use super::scan::{Index, NO_REFERENCE, Row};
use super::target::Target;
use crate::StoreError;

/// Rows of one `BatchGetItem`.
const READ_ITEMS: usize = 100;

/// Rejects every line whose user, production or job is unknown; a rejected job takes its contacts with it.
///
/// # Errors
/// When the table cannot be asked.
pub(super) async fn resolve<T: Target>(table: &T, index: &mut Index, rejects: &mut Rejects) -> Result<(), StoreError> {
    let users = known_users(table, index).await?;
    let names = &index.users.values;
    index.rows.retain(|row| {
        let known = users.contains(&row.user);
        if !known {
            rejects.add(row.place, || format!("user `{}` is neither in the file nor in the table", names[row.user as usize]));
        }
        known
    });
    for (kind, target) in [(Kind::Job, Kind::Production), (Kind::Contact, Kind::Job)] {
        let known = known_targets(table, index, kind, target).await?;
        let ids = &index.references.values;
        index.rows.retain(|row| {
            let good = row.kind != kind || row.reference == NO_REFERENCE || known.contains(&(row.user, row.reference));
            if !good {
                let id = ids[row.reference as usize];
                rejects.add(row.place, || format!("{} {id} of this user is neither in the file nor in the table", target.word()));
            }
            good
        });
    }
    Ok(())
}

/// Users with a line of their own, or with an account in the table.
async fn known_users<T: Target>(table: &T, index: &Index) -> Result<HashSet<u32>, StoreError> {
    let mut known: HashSet<u32> = index.rows.iter().filter(|row| row.kind == Kind::User).map(|row| row.user).collect();
    let asked: HashSet<u32> = index.rows.iter().map(|row| row.user).filter(|user| !known.contains(user)).collect();
    for user in asked {
        if table.root(&index.users.values[user as usize]).await?.is_some() {
            known.insert(user);
        }
    }
    Ok(known)
}

/// Pairs of a user and a target that lines of one kind may refer to.
async fn known_targets<T: Target>(table: &T, index: &Index, kind: Kind, target: Kind) -> Result<HashSet<(u32, u32)>, StoreError> {
    let number = |row: &Row| index.references.find(&uuid::Uuid::from_bytes(row.key)).expect("every job and production was numbered");
    let mut known: HashSet<(u32, u32)> = index.rows.iter().filter(|row| row.kind == target).map(|row| (row.user, number(row))).collect();
    let mut asked: HashMap<u32, HashSet<u32>> = HashMap::new();
    for row in index.rows.iter().filter(|row| row.kind == kind && row.reference != NO_REFERENCE) {
        if !known.contains(&(row.user, row.reference)) {
            asked.entry(row.user).or_default().insert(row.reference);
        }
    }
    for (user, references) in asked {
        let name = &index.users.values[user as usize];
        let references: Vec<u32> = references.into_iter().collect();
        for page in references.chunks(READ_ITEMS) {
            let ids = page.iter().map(|reference| index.references.values[*reference as usize]);
            let found: Vec<uuid::Uuid> = match target {
                Kind::Production => {
                    let ids: Vec<_> = ids.map(ProductionId).collect();
                    table.productions(name, &ids).await?.into_iter().map(|row| row.id.0).collect()
                }
                _ => {
                    let ids: Vec<_> = ids.map(JobId).collect();
                    table.jobs(name, &ids).await?.into_iter().map(|row| row.id.0).collect()
                }
            };
            known.extend(found.iter().filter_map(|id| index.references.find(id)).map(|reference| (user, reference)));
        }
    }
    Ok(known)
}
