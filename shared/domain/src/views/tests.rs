//! The contract's numbers, one case each.

use serde_json::{Value, json};

use super::*;
use crate::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-03-05T09:30:00Z")
}

fn user() -> UserId {
    UserId::parse("u1").unwrap()
}

fn job(n: u128, status: JobStatus, created: &str) -> Job {
    Job {
        id: JobId(uuid::Uuid::from_u128(n)),
        title: "Extraction - day3.pdf".into(),
        file_name: Some("day3.pdf".into()),
        file_url: None,
        status,
        production_id: None,
        file_hash: None,
        file_size: None,
        created_at: at(created),
        updated_at: at(created),
        completed_at: None,
        saving: None,
        counts: Counts::default(),
    }
}

fn contact(n: u128, job: &Job, role: Option<&str>, email: Option<&str>, phone: Option<&str>) -> Contact {
    Contact {
        id: ContactId(uuid::Uuid::from_u128(n)),
        job_id: job.id,
        name: "Mara Quill".into(),
        email: email.map(Into::into),
        phone: phone.map(Into::into),
        role: role.map(Into::into),
        company: None,
        is_selected: true,
        created_at: job.created_at,
        updated_at: job.created_at,
        cv: 1,
    }
}

/// An account with one job a status: COMPLETED with `contacts`, COMPLETED without, FAILED.
fn account(contacts: u128) -> Account {
    let mut account = Account::new(user());
    let mut full = job(1, JobStatus::Completed, "2026-03-04T10:00:00Z");
    account.add_job(&full);
    for n in 0..contacts {
        let row = contact(100 + n, &full, Some("Best Boy"), Some("m@q.test"), None);
        account.add_contact(&mut full, &row);
    }
    account.add_job(&job(2, JobStatus::Completed, "2026-03-03T10:00:00Z"));
    account.add_job(&job(3, JobStatus::Failed, "2026-03-02T10:00:00Z"));
    account.commit(now());
    account
}

fn subscribe(account: &mut Account, price: &str, status: &str, stripe_id: Option<&str>) {
    account.set_billing(Billing {
        customer: Some(Customer { id: "cus_1".into(), email: Some("ines@example.test".into()), name: None }),
        subscription: Some(Subscription {
            id: "0f3a6c1e-3a55-4b8e-8b0b-7d3c5d1f2a10".into(),
            stripe_subscription_id: stripe_id.map(Into::into),
            status: SubscriptionStatus::from_word(status),
            price_id: price.into(),
            current_period_start: at("2026-03-01T08:00:00Z"),
            current_period_end: at("2026-04-01T08:00:00Z"),
            cancel_at_period_end: false,
            cancels_at: None,
            created_at: at("2026-01-01T08:00:00Z"),
        }),
    });
}

fn used(account: &mut Account, uploads: u64) {
    account.set_usage(now().month(), Usage { jobs_processed: uploads, ..Usage::default() });
}

fn json_of(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

fn dashboard_of(account: &Account) -> Value {
    json_of(dashboard(&account.user, &account.root, &Plans::built_in(), now()))
}

#[test]
fn a_free_account_shows_the_synthetic_subscription_and_null_billing() {
    let mut account = account(8);
    used(&mut account, 1);
    let data = dashboard_of(&account);
    assert_eq!(data["subscription"]["id"], "sub_free_u1");
    assert_eq!(data["subscription"]["currentPeriodStart"], "2026-03-05T00:00:00.000Z");
    assert_eq!(data["subscription"]["currentPeriodEnd"], "2027-03-05T00:00:00.000Z");
    assert_eq!(data["billing"], Value::Null);
    assert_eq!(data["actions"], json!({"canUpload": false, "canUpgrade": true, "canManageBilling": null, "canViewContacts": true}));
    assert_eq!(data["usage"]["reason"], "You have reached your 1 upload limit for this month");
    assert_eq!(data["metrics"]["averageContactsPerJob"].to_string(), "2.67");
    assert_eq!((&data["metrics"]["successfulExtractions"], &data["metrics"]["failedExtractions"]), (&json!(1), &json!(1)));
    assert!(data["subscription"]["plan"]["features"].is_array() && data["planInfo"]["limits"]["storageGB"] == 1);
}

#[test]
fn a_paid_plan_follows_the_stored_price_id() {
    let mut account = account(3);
    subscribe(&mut account, "price_starter_monthly", "active", Some("sub_1"));
    used(&mut account, 12);
    let data = dashboard_of(&account);
    assert_eq!(data["usage"]["planId"], "starter");
    assert_eq!(data["usage"]["planName"], "Starter Plan");
    assert!(data["usage"].get("reason").is_none());
    assert_eq!(data["subscription"]["planId"], "starter");
    let billing = json!({"hasSubscription": true, "plan": "starter", "status": "active", "subscriptionId": "sub_1",
        "currentPeriodEnd": 1_775_030_400, "cancelAtPeriodEnd": false});
    assert_eq!(data["billing"], billing);
    assert_eq!(data["metrics"]["averageContactsPerJob"].to_string(), "1");
    assert_eq!(data["actions"]["canUpgrade"], false);
    used(&mut account, 40);
    assert_eq!(dashboard_of(&account)["actions"]["canUpgrade"], true, "at 80 %");
}

#[test]
fn only_granting_statuses_give_the_plan() {
    for (status, plan, subscribed) in [
        ("active", "starter", true),
        ("trialing", "starter", true),
        ("past_due", "starter", true),
        ("unpaid", "free", true),
        ("paused", "free", true),
        ("canceled", "free", false),
        ("incomplete", "free", false),
        ("a_new_word", "free", false),
    ] {
        let mut account = account(0);
        subscribe(&mut account, "starter", status, Some("sub_1"));
        let data = dashboard_of(&account);
        assert_eq!(data["usage"]["planId"], plan, "{status}");
        assert_eq!(data["billing"]["hasSubscription"], subscribed, "{status}");
        let customer = json_of(billing_customer(&account.root, &Plans::built_in()));
        assert_eq!((&customer["hasSubscription"], &customer["plan"]), (&json!(subscribed), &json!(plan)), "{status}");
        if !subscribed {
            assert_eq!(customer, json!({"hasSubscription": false, "plan": "free", "status": "inactive"}), "{status}");
            assert!(data["billing"].get("subscriptionId").is_none());
        }
    }
}

#[test]
fn a_row_without_a_stripe_subscription_reads_as_not_subscribed() {
    let mut account = account(0);
    subscribe(&mut account, "starter", "active", None);
    assert_eq!(json_of(billing_customer(&account.root, &Plans::built_in()))["hasSubscription"], false);
    let data = dashboard_of(&account);
    assert_eq!((&data["billing"]["status"], &data["actions"]["canManageBilling"]), (&json!("inactive"), &json!(false)));
}

#[test]
fn unlimited_plans_upload_for_ever_and_warn_of_nothing() {
    let mut account = account(2);
    subscribe(&mut account, "enterprise", "active", Some("sub_1"));
    used(&mut account, 100_000);
    let shown = json_of(limits(&account.root, &Plans::built_in(), now()));
    assert_eq!((&shown["warnings"], &shown["canUpload"], &shown["usage"]["uploadsLimit"]), (&json!([]), &json!(true), &json!(-1)));
    let data = dashboard_of(&account);
    assert_eq!((&data["actions"]["canUpgrade"], data["usage"].get("reason")), (&json!(false), None));
}

#[test]
fn warnings_start_at_90_percent_and_turn_into_errors_at_100() {
    let mut account = account(1);
    subscribe(&mut account, "starter", "active", Some("sub_1"));
    for (uploads, kind, message) in [
        (44, None, ""),
        (45, Some("warning"), "You've used 45/50 uploads this month. Consider upgrading your plan."),
        (49, Some("warning"), "You've used 49/50 uploads this month. Consider upgrading your plan."),
        (50, Some("error"), "You've reached your upload limit of 50 for this month."),
        (51, Some("error"), "You've reached your upload limit of 50 for this month."),
    ] {
        used(&mut account, uploads);
        let shown = json_of(limits(&account.root, &Plans::built_in(), now()));
        match kind {
            None => assert_eq!(shown["warnings"], json!([]), "{uploads}"),
            Some(kind) => assert_eq!(shown["warnings"], json!([{"type": kind, "message": message, "action": "upgrade"}]), "{uploads}"),
        }
        assert_eq!(shown["canUpload"], uploads < 50);
    }
}

#[test]
fn the_contact_limit_warns_after_the_upload_limit() {
    let mut account = account(10);
    used(&mut account, 1);
    let shown = json_of(limits(&account.root, &Plans::built_in(), now()));
    assert_eq!(shown["warnings"][0]["type"], "error");
    assert_eq!(shown["warnings"][1]["message"], "You've reached your contact limit of 10. Consider upgrading your plan.");
    assert_eq!(json_of(limits(&self::account(9).root, &Plans::built_in(), now()))["warnings"], json!([]));
}

#[test]
fn usage_counts_the_utc_month_of_now() {
    let mut account = account(0);
    account.set_usage("2026-02".parse().unwrap(), Usage { jobs_processed: 7, ..Usage::default() });
    let used = |now: &str| usage(&account.root, &Plans::built_in(), at(now)).core.uploads_used;
    assert_eq!((used("2026-02-28T23:59:59.999Z"), used("2026-03-01T00:00:00Z")), (7, 0));
}

#[test]
fn activity_words_follow_the_status() {
    let line = |job: &Job| {
        let mut account = Account::new(user());
        account.add_job(job);
        json_of(activity(&account.root, now()))[0].clone()
    };
    let named = job(1, JobStatus::Failed, "2026-03-04T10:00:00Z");
    let nameless = |status| Job { file_name: None, status, ..named.clone() };
    for (job, kind, status, message) in [
        (named.clone(), "error", "error", "Extraction failed for day3.pdf"),
        (nameless(JobStatus::Failed), "error", "error", "Extraction failed for call sheet"),
        (nameless(JobStatus::Processing), "processing", "processing", "Processing call sheet..."),
        (nameless(JobStatus::Cancelled), "upload", "success", "Call sheet uploaded: Unknown file"),
        (nameless(JobStatus::Completed), "processing", "warning", "Call sheet processed but no contacts found"),
    ] {
        let shown = line(&job);
        assert_eq!((&shown["type"], &shown["status"], &shown["message"]), (&json!(kind), &json!(status), &json!(message)));
        assert_eq!(shown["id"], shown["jobId"]);
    }
    for (count, message) in [(1, "1 contact extracted from day3.pdf"), (2, "2 contacts extracted from day3.pdf")] {
        assert_eq!(json_of(activity(&account(count).root, now()))[0]["message"], message);
    }
}

#[test]
fn activity_shows_ten_jobs_of_thirty_days_by_whole_hours() {
    let mut account = Account::new(user());
    for n in 0..12 {
        account.add_job(&job(n, JobStatus::Completed, &format!("2026-03-{:02}T10:00:00Z", n % 4 + 1)));
    }
    let shown = json_of(activity(&account.root, now()));
    assert_eq!(shown.as_array().unwrap().len(), 10);
    let mut edge = Account::new(user());
    edge.add_job(&job(1, JobStatus::Completed, "2026-02-03T09:00:00Z"));
    edge.add_job(&job(2, JobStatus::Completed, "2026-02-03T08:59:59.999Z"));
    assert_eq!(json_of(activity(&edge.root, now())).as_array().unwrap().len(), 1);
}

#[test]
fn metrics_have_one_decimal_and_their_defaults() {
    let shown = |account: &Account| json_of(metrics(&account.root));
    let empty = shown(&Account::new(user()));
    assert_eq!((empty["averageProcessingTime"].to_string(), empty["successRate"].to_string()), ("0".into(), "0".into()));
    assert_eq!((&empty["successfulJobs"], &empty["failedJobs"]), (&json!(0), &json!(0)));
    let some = shown(&account(2));
    assert_eq!((some["averageProcessingTime"].to_string(), some["successRate"].to_string()), ("2.5".into(), "33.3".into()));
    assert_eq!((&some["totalTimeSaved"], &some["efficiency"], &some["accuracy"]), (&json!(10), &some["successRate"], &some["successRate"]));
    let mut timed = Account::new(user());
    let created = "2026-03-04T10:00:00Z";
    timed.add_job(&Job { completed_at: Some(at("2026-03-04T10:01:30Z")), ..job(1, JobStatus::Completed, created) });
    timed.add_job(&Job { completed_at: Some(at("2026-03-04T10:03:15Z")), ..job(2, JobStatus::Completed, created) });
    assert_eq!(shown(&timed)["averageProcessingTime"].to_string(), "2.4");
}

#[test]
fn stats_group_blank_roles_under_unknown_with_their_true_count() {
    let mut account = Account::new(user());
    let mut job =
        Job { production_id: Some(ProductionId(uuid::Uuid::from_u128(9))), ..job(1, JobStatus::Completed, "2026-03-04T10:00:00Z") };
    account.add_job(&job);
    for (n, role) in [None, Some(""), Some("  "), Some("Stylist"), Some("Best Boy"), Some("Best Boy")].into_iter().enumerate() {
        let row = contact(n as u128, &job, role, Some(if n == 0 { " " } else { "nobody" }), Some(if n == 1 { " " } else { "1" }));
        account.add_contact(&mut job, &row);
    }
    account.commit(now());
    let shown = json_of(contact_stats(&account.stats, now()));
    let roles = json!([{"role": "Unknown", "count": 3}, {"role": "Best Boy", "count": 2}, {"role": "Stylist", "count": 1}]);
    assert_eq!(shown["contactsByRole"], roles);
    assert_eq!(shown["contactsByProduction"], json!([{"productionId": "00000000-0000-0000-0000-000000000009", "count": 6}]));
    assert_eq!((&shown["withEmail"], &shown["contactsWithPhone"], &shown["totalJobs"]), (&json!(5), &json!(5), &json!(1)));
    assert_eq!(shown["averageContactsPerJob"].to_string(), "6");
    assert_eq!(shown["lastExtractionDate"], "2026-03-04T10:00:00.000Z");
    let empty = json_of(contact_stats(&Account::new(user()).stats, now()));
    assert_eq!(
        (&empty["lastExtractionDate"], &empty["contactsByRole"], &empty["averageContactsPerJob"]),
        (&Value::Null, &json!([]), &json!(0))
    );
}

#[test]
fn recent_contacts_are_counted_by_whole_hours() {
    let mut account = Account::new(user());
    let mut early = job(1, JobStatus::Completed, "2026-02-03T09:00:00Z");
    let mut earlier = job(2, JobStatus::Completed, "2026-02-03T08:59:59Z");
    account.add_job(&early);
    account.add_job(&earlier);
    let row = contact(1, &early, None, None, None);
    account.add_contact(&mut early, &row);
    let row = contact(2, &earlier, None, None, None);
    account.add_contact(&mut earlier, &row);
    account.commit(now());
    assert_eq!(json_of(contact_stats(&account.stats, now()))["recentContacts"], 1);
    assert_eq!(json_of(job_stats(&early, &[contact(1, &early, None, None, None)], now()))["recentContacts"], 1);
    assert_eq!(json_of(job_stats(&earlier, &[], now()))["totalJobs"], 0);
}

#[test]
fn deletions_leave_what_a_recount_gives() {
    let mut account = account(2);
    let newest = Job {
        counts: Counts { all: 2, email_not_blank: 2, email_with_at: 2, reachable: 2, ..Counts::default() },
        ..job(1, JobStatus::Completed, "2026-03-04T10:00:00Z")
    };
    let mut job = newest.clone();
    for n in 0..2 {
        let row = contact(100 + n, &newest, Some("Best Boy"), Some("m@q.test"), None);
        account.remove_contact(&mut job, &row);
    }
    account.remove_job(&job);
    account.commit(now());
    assert_eq!((account.root.contacts.all, account.root.jobs.successful, account.root.jobs.all), (0, 0, 2));
    assert_eq!((account.root.last_extraction, account.root.feed.len()), (None, 2));
    assert_eq!(account.stats.roles.inline.len(), 0);
    assert_eq!(account.root.rev, account.stats.rev);
}

#[test]
fn the_root_stays_within_one_read_unit() {
    let mut account = Account::new(user());
    subscribe(&mut account, &"p".repeat(60), "active", Some(&"s".repeat(60)));
    for n in 0..30 {
        let name = "x".repeat(100 + n as usize * 20);
        account.add_job(&Job { file_name: Some(name), ..job(n, JobStatus::Processing, "2026-03-04T10:00:00Z") });
        account.set_usage(
            Month::from_index(24_000 + n as u32),
            Usage { jobs_processed: 1_000_000, contacts_extracted: 1_000_000, api_calls: 1_000_000 },
        );
    }
    account.commit(now());
    let bytes = serde_json::to_vec(&account.root).unwrap().len();
    assert!(bytes < 3_900, "{bytes} bytes");
    assert!(account.root.feed.iter().any(|job| matches!(job.file_name, FeedName::Long(true))));
}

#[test]
fn the_longest_file_names_leave_the_root_first_and_then_the_oldest_months() {
    let mut account = Account::new(user());
    subscribe(&mut account, "starter", "active", Some("sub_1"));
    for n in 0..10 {
        let name = "x".repeat(20 + n as usize * 5);
        account.add_job(&Job { file_name: Some(name), ..job(n, JobStatus::Processing, "2026-03-04T10:00:00Z") });
    }
    for n in 0..24 {
        account.set_usage(Month::from_index(24_000 + n), Usage { jobs_processed: u64::MAX, ..Usage::default() });
    }
    account.commit(now());
    assert!(account.root.feed.iter().all(|job| matches!(job.file_name, FeedName::Known(Some(_)))));

    let mut billing = account.root.billing.clone();
    billing.customer.as_mut().unwrap().name = Some("n".repeat(1_300));
    account.set_billing(billing.clone());
    account.commit(now());
    let known = account.root.feed.iter().filter(|job| matches!(job.file_name, FeedName::Known(_))).count();
    assert!((1..10).contains(&known) && account.root.usage.len() == 24, "{known} names");
    assert!(matches!(account.root.feed.last().unwrap().file_name, FeedName::Known(_)), "the shortest stays");

    billing.customer.as_mut().unwrap().name = Some("n".repeat(1_900));
    account.set_billing(billing);
    account.commit(now());
    assert!(account.root.feed.iter().all(|job| job.file_name == FeedName::Long(true)));
    assert!((1..24).contains(&account.root.usage.len()), "{} months", account.root.usage.len());
    assert!(account.root.usage.contains_key(&Month::from_index(24_023)), "the newest month stays");
    assert!(serde_json::to_vec(&account.root).unwrap().len() <= 3_900);
}
