//! The auditor: a lost invalidation is noticed, and looking costs nothing where it is not due.

use testkit::{World, seed};

const READ: &str = "/api/dashboard/data";

async fn world(one_in: u64) -> World {
    let world = World::with_auditor(one_in, &[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3)]).await;
    world.get(READ).await.expect_status(200);
    world
}

fn told(world: &World, metric: &str) -> usize {
    world.metrics().iter().filter(|line| line.contains(&format!("\"{metric}\":"))).count()
}

/// Reads until the auditor has looked behind a hit once more: on a busy machine the table may not answer within its budget.
async fn audited(world: &World) {
    let before = told(world, "AuditChecked");
    for _ in 0..100 {
        world.get(READ).await.expect_status(200).expect_header("x-rev", "1");
        if told(world, "AuditChecked") > before {
            return;
        }
    }
    panic!("the auditor never looks");
}

#[tokio::test]
async fn a_hit_that_an_invalidation_should_have_ended_is_a_violation() {
    let world = world(1).await;
    audited(&world).await;
    world.raise_unheard("u1", 5).await;
    audited(&world).await;
    assert_eq!(told(&world, "AuditViolation"), 0, "its invalidation may still be on the way");
    world.set_now("2026-03-05T09:30:11.000Z");
    audited(&world).await;
    assert_eq!(told(&world, "AuditViolation"), 1);
}

#[tokio::test]
async fn a_revision_that_was_never_committed_is_a_violation_at_once() {
    let world = world(1).await;
    world.raise_unheard("u1", 0).await;
    audited(&world).await;
    assert_eq!(told(&world, "AuditViolation"), 1);
}

#[tokio::test]
async fn one_look_in_so_many_hits_and_none_beside() {
    for (one_in, looks_max) in [(0, 0), (1_000_000_000, 0), (3, 4)] {
        let world = world(one_in).await;
        let before = world.meter();
        for _ in 0..12 {
            world.get(READ).await.expect_status(200);
        }
        // A look that the table does not answer in time is none.
        assert!(world.meter().since(&before).calls() <= looks_max, "one in {one_in}");
        assert!(told(&world, "AuditChecked") as u64 <= looks_max, "one in {one_in}");
    }
}

#[tokio::test]
async fn a_table_that_does_not_answer_stops_no_hit() {
    let world = world(1).await;
    world.table_down(true);
    world.get(READ).await.expect_status(200);
    assert_eq!((told(&world, "AuditChecked"), told(&world, "AuditViolation")), (0, 0));
}
