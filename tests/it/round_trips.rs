//! What a request costs at the table: counted, and asserted.

use store::meter::Operation;
use testkit::{World, seed, uuid};

const ROOT_VIEWS: [&str; 10] = [
    "/api/dashboard/data",
    "/api/dashboard/summary",
    "/api/dashboard/warnings",
    "/api/dashboard/activity",
    "/api/dashboard/metrics",
    "/api/contacts/stats",
    "/api/billing/customer",
    "/api/usage/current",
    "/api/usage/limits",
    "/api/usage/can-upload",
];

async fn world_of(jobs: u64) -> World {
    let mut data = seed("u1");
    for n in 0..jobs {
        data = data.job("COMPLETED", &format!("2026-02-{:02}T{:02}:{:02}:00.000Z", n % 28 + 1, n % 24, n % 60), 50);
    }
    World::with_cache_off(&[data]).await
}

#[tokio::test]
async fn each_dashboard_and_stats_view_is_one_get_item() {
    let world = world_of(4).await;
    for path in ROOT_VIEWS {
        let before = world.meter();
        world.get(path).await.expect_status(200);
        let cost = world.meter().since(&before);
        assert_eq!((cost.calls(), cost.of(Operation::GetItem)), (1, 1), "{path}: {cost:?}");
    }
}

#[tokio::test]
async fn the_dashboard_costs_one_read_unit_at_any_size() {
    for jobs in [1, 20] {
        let world = world_of(jobs).await;
        let before = world.meter();
        world.get("/api/dashboard/data").await.expect_status(200);
        assert!((world.meter().since(&before).read_units() - 1.0).abs() < f64::EPSILON);
    }
}

#[tokio::test]
async fn plans_are_read_once() {
    let world = world_of(1).await;
    world.get("/api/billing/plans").await.expect_status(200);
    let before = world.meter();
    for _ in 0..5 {
        world.get("/api/billing/plans").await.expect_status(200);
    }
    assert_eq!(world.meter().since(&before).calls(), 0);
}

#[tokio::test]
async fn a_contact_page_takes_at_most_four_round_trips() {
    let world = world_of(20).await;
    for path in
        ["/api/contacts", "/api/contacts?page=1", "/api/contacts?page=20", "/api/contacts?page=40", "/api/contacts?page=10&limit=100"]
    {
        let before = world.meter();
        world.get(path).await.expect_status(200);
        let cost = world.meter().since(&before);
        assert!(cost.calls() <= 4, "{path}: {cost:?}");
    }
}

#[tokio::test]
async fn everything_else_takes_two() {
    let world = world_of(3).await;
    let job = uuid(1, 2);
    for path in [format!("/api/contacts/stats?jobId={job}"), format!("/api/contacts/{}", uuid(2, 1)), "/api/jobs".into()] {
        let before = world.meter();
        world.get(&path).await.expect_status(200);
        let cost = world.meter().since(&before);
        assert!(cost.calls() <= 2, "{path}: {cost:?}");
    }
}
