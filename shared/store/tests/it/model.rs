//! The model test: whatever is done, and whatever goes wrong while it is done, the aggregates equal a recount of the rows.
//!
//! A failing run prints its seed; `MODEL_SEED=n` starts from it again.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{ContactInput, Timestamp, UserId};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::{Save, StoreError, Table};

use crate::faults::{Fault, Faults};
use crate::recount::Raw;
use crate::server::Server;
use crate::steps::{Step, Steps};

const TABLE: &str = "model";
const START: Timestamp = Timestamp::from_ms(1_772_703_000_000);
/// Sequences of one run of the test, and operations of each.
const SEQUENCES: u64 = 8;
const STEPS: usize = 45;
/// Writers of one user at the same time, and operations of each.
const WRITERS: u64 = 8;
const WRITER_STEPS: usize = 8;
/// How long the table tries again: short, or long enough for eight writers.
const RETRY_FOR: Duration = Duration::from_millis(150);
const RETRY_FOR_WRITERS: Duration = Duration::from_secs(5);
/// What was sent before an operation was dropped can still arrive.
const SETTLE: Duration = Duration::from_millis(15);

fn seed() -> u64 {
    let seed = std::env::var("MODEL_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("MODEL_SEED={seed}");
    seed
}

/// One user of a table whose calls go wrong.
struct World {
    raw_client: Client,
    faults: Faults,
    table: Table,
    user: UserId,
    rng: StdRng,
    now: Timestamp,
    long_roles: bool,
}

impl World {
    async fn new(server: &Server, seed: u64, user: &str, long_roles: bool, retry_for: Duration) -> Self {
        let config = server.config(TABLE);
        server.table(TABLE).await;
        let faults = Faults::new(seed);
        Self {
            raw_client: Client::from_conf(config.client_config().build()),
            table: faults.table(&config, retry_for),
            faults,
            user: UserId::parse(user).unwrap(),
            rng: StdRng::seed_from_u64(seed),
            now: START,
            long_roles,
        }
    }

    fn pk(&self) -> String {
        format!("USER#{}", self.user)
    }

    async fn raw(&self) -> Raw {
        Raw::read(&self.raw_client, TABLE, &self.pk()).await
    }

    fn steps<'a>(&'a mut self, raw: &'a Raw) -> Steps<'a> {
        Steps { rng: &mut self.rng, raw, user: &self.user, now: self.now, long_roles: self.long_roles }
    }

    /// Does one step, perhaps with faults, and looks at what is there then.
    async fn check_step(&mut self, step: &Step, faults: bool) -> bool {
        let before = (self.raw().await.rev(), self.faults.commits(&self.pk()));
        let die_after = (faults && self.rng.random_bool(0.3)).then(|| self.rng.random_range(0..10));
        let result = self.faults.run(faults, die_after, Box::pin(step.run(&self.table, &self.user, self.now))).await;
        match &result {
            None => tokio::time::sleep(SETTLE).await,
            Some(Err(error)) => assert!(faults && error.is_transient() || importing(error), "{error:?} of {step:?}"),
            Some(Ok(())) => {}
        }
        let raw = self.raw().await;
        assert_eq!(raw.differences(self.now), Vec::<String>::new(), "after {result:?} of {step:?}");
        assert_eq!(raw.rev() - before.0, self.faults.commits(&self.pk()) - before.1, "rev after {result:?} of {step:?}");
        matches!(result, Some(Ok(())))
    }

    /// Begins the account.
    async fn begin(&mut self) {
        let raw = self.raw().await;
        let first = self.steps(&raw).first();
        assert!(self.check_step(&first, false).await);
    }

    async fn sequence(&mut self) {
        // The others may begin with an import that is cut off.
        if self.rng.random() {
            self.begin().await;
        }
        for _ in 0..STEPS {
            let raw = self.raw().await;
            let step = self.steps(&raw).next();
            let faults = self.rng.random_bool(0.6);
            // What failed or was cut off is done again, or followed by something else.
            if !Box::pin(self.check_step(&step, faults)).await && self.rng.random_bool(0.6) {
                Box::pin(self.check_step(&step, false)).await;
            }
            if self.rng.random_bool(0.3) {
                self.now = self.now.plus_ms(self.rng.random_range(0..200 * 3_600_000));
            }
        }
        self.check_end().await;
    }

    async fn check_end(&self) {
        let rebuilt = self.table.rebuild(&self.user, self.now).await.unwrap();
        assert_eq!(rebuilt.differences, Vec::<String>::new());
        assert_eq!(self.raw().await.differences(self.now), Vec::<String>::new());
    }
}

/// An account whose import was cut off takes no other change until it is imported again.
fn importing(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { operation, .. } if operation.contains("being imported"))
}

#[tokio::test]
async fn aggregates_equal_a_recount_whatever_is_done_and_goes_wrong() {
    let server = Server::start();
    let first = seed();
    for number in 0..SEQUENCES {
        let seed = first.wrapping_add(number);
        println!("sequence {number}: MODEL_SEED={seed}");
        Box::pin(World::new(&server, seed, &format!("u{number}"), number % 2 == 1, RETRY_FOR).await.sequence()).await;
    }
}

#[tokio::test]
async fn eight_writers_of_one_user_lose_nothing() {
    let server = Server::start();
    let seed = seed();
    let mut world = World::new(&server, seed, "u", true, RETRY_FOR_WRITERS).await;
    world.begin().await;
    let world = world;
    let writers = (0..WRITERS).map(|number| {
        let mut rng = StdRng::seed_from_u64(seed ^ number);
        let world = &world;
        async move {
            for _ in 0..WRITER_STEPS {
                let raw = world.raw().await;
                let step = Steps { rng: &mut rng, raw: &raw, user: &world.user, now: world.now, long_roles: true }.next();
                if let Err(error) = Box::pin(step.run(&world.table, &world.user, world.now)).await {
                    // A job that was there when the step was made may be gone when it is done.
                    let overtaken = matches!(&error, StoreError::Malformed { key, .. } if key.starts_with("JOB#"));
                    assert!(overtaken || error.is_transient(), "{error:?} of {step:?}");
                }
            }
        }
    });
    world.faults.run(true, None, join_all(writers)).await;
    let raw = world.raw().await;
    assert_eq!(raw.rev(), world.faults.commits(&world.pk()));
    assert_eq!(raw.differences(world.now), Vec::<String>::new());
    world.check_end().await;
}

#[tokio::test]
async fn a_save_whose_answer_is_lost_makes_one_job_though_its_repetition_meets_another_transaction() {
    let server = Server::start();
    let mut world = World::new(&server, 1, "u", false, RETRY_FOR_WRITERS).await;
    world.faults.script("TransactWriteItems", [Fault::AnswerLost, Fault::TransactionConflict]);
    let rows = vec![ContactInput { name: "Mara Quill".into(), ..ContactInput::default() }];
    assert!(world.check_step(&Step::Save(Save { job: None, file_name: None, rows }), false).await);
    assert_eq!(world.raw().await.ids("JOB#").len(), 1);
}

#[tokio::test]
async fn an_import_goes_on_when_the_table_is_busy_for_a_moment() {
    let server = Server::start();
    let mut world = World::new(&server, 1, "u", false, RETRY_FOR).await;
    // More than the client itself tries again.
    world.faults.script("BatchWriteItem", [Fault::Throttled; 10]);
    let raw = world.raw().await;
    let import = world.steps(&raw).import(None);
    assert!(world.check_step(&import, false).await);
    assert_eq!(world.raw().await.rev(), 1);
}

#[tokio::test]
async fn a_rebuild_that_is_cut_off_is_completed_by_the_next() {
    let server = Server::start();
    let mut world = World::new(&server, 1, "u", true, RETRY_FOR).await;
    world.begin().await;
    for calls in 0.. {
        let mut root = world.raw().await.items["ROOT"].clone();
        let damaged = root["body"].as_s().unwrap().replacen("\"n\":", "\"n\":7", 1);
        root.insert("body".into(), AttributeValue::S(damaged));
        world.raw_client.put_item().table_name(TABLE).set_item(Some(root)).send().await.unwrap();
        assert_ne!(world.raw().await.differences(world.now), Vec::<String>::new());
        let whole = world.faults.run(false, Some(calls), world.table.rebuild(&world.user, world.now)).await.is_some();
        world.table.rebuild(&world.user, world.now).await.unwrap();
        assert_eq!(world.raw().await.differences(world.now), Vec::<String>::new(), "cut off after {calls} calls");
        if whole {
            break;
        }
    }
}
