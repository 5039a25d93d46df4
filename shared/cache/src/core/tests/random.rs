//! Random histories of the [`World`], and the faults that they find.

use super::world::{ENVIRONMENTS, USERS, World};
use crate::mutation::{self, Mutation};
use crate::types::Outcome;

const SEEDS: u64 = 200;
const STEPS: usize = 5_000;

/// Runs one history, then lets the world come to rest and compares every tier with the table.
fn run(seed: u64) -> Result<World, String> {
    let mut world = World::new(seed);
    for step in 0..STEPS {
        world.step().map_err(|broken| format!("seed {seed}, step {step}: {broken}"))?;
    }
    world.settle().and_then(|()| quiet(&mut world)).map_err(|broken| format!("seed {seed}, at rest: {broken}"))?;
    Ok(world)
}

/// At rest every process answers with the table's state, and the cache is good for something: also after entries expired.
fn quiet(world: &mut World) -> Result<(), String> {
    for pause_ms in [0, 330_000, 330_000] {
        world.rest(pause_ms);
        for (at, user) in (0..ENVIRONMENTS).flat_map(|at| (0..USERS).map(move |user| (at, user))) {
            for view in ["dashboard", "billing", "page:1"] {
                let mut hit = false;
                // The third: a full hour may end between the others.
                for _ in 0..3 {
                    world.calm_read(at, user, view)?;
                    let (outcome, rev) = world.rules.last.ok_or("no answer")?;
                    if rev != world.table[user] {
                        return Err(format!("process {at} shows rev {rev} of {}", world.table[user]));
                    }
                    hit = outcome == Outcome::Hit;
                }
                if !hit {
                    return Err(format!("process {at} never hits {view} of user {user}"));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn no_random_history_breaks_a_rule() {
    let (mut stale, mut soft, mut joined, mut near, mut hits, mut same) = (0, 0, 0, 0, 0, 0);
    for seed in 0..SEEDS {
        let world = run(seed).unwrap_or_else(|broken| panic!("{broken}"));
        stale += world.rules.stale_on_error;
        soft += world.rules.soft_stale;
        joined += world.rules.joined;
        near += world.rules.near_hits;
        hits += world.rules.hits;
        same += world.rules.not_modified;
    }
    println!("stale {stale} soft {soft} joined {joined} near {near} hits {hits} same {same}");
    // Rules that nothing exercises would prove nothing.
    for (name, count) in [("stale", stale), ("soft", soft), ("joined", joined), ("near", near), ("hits", hits), ("not modified", same)] {
        assert!(count > 50, "only {count} {name}");
    }
}

#[test]
fn every_fault_of_the_protocol_breaks_a_rule() {
    for mutation in [
        Mutation::NoIncarnationCheck,
        Mutation::RevAfterData,
        Mutation::DeleteInsteadOfFloor,
        Mutation::GreaterInFill,
        Mutation::PushWithoutOpen,
        Mutation::WindowFromReply,
        Mutation::JoinAnyFlight,
        Mutation::NoFloorCheck,
    ] {
        let found = mutation::with(Some(mutation), || (0..4 * SEEDS).find_map(|seed| run(seed).err()));
        let found = found.unwrap_or_else(|| panic!("{mutation:?} was not noticed"));
        println!("{mutation:?}: {}", found.chars().take(200).collect::<String>());
    }
}
