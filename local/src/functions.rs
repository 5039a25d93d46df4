//! The functions by the names of their folders.

use app::{Handler, JobHandler, StreamHandler};

const HANDLERS: &[(&str, Handler)] = &[
    ("can-upload", |app, request| Box::pin(can_upload::handle(app, request))),
    ("cancel-subscription", |app, request| Box::pin(cancel_subscription::handle(app, request))),
    ("create-checkout-session", |app, request| Box::pin(create_checkout_session::handle(app, request))),
    ("create-portal-session", |app, request| Box::pin(create_portal_session::handle(app, request))),
    ("delete-contact", |app, request| Box::pin(delete_contact::handle(app, request))),
    ("delete-contacts", |app, request| Box::pin(delete_contacts::handle(app, request))),
    ("delete-job", |app, request| Box::pin(delete_job::handle(app, request))),
    ("export-contacts", |app, request| Box::pin(export_contacts::handle(app, request))),
    ("fallback", |app, request| Box::pin(fallback::handle(app, request))),
    ("get-billing-customer", |app, request| Box::pin(get_billing_customer::handle(app, request))),
    ("get-billing-customer-by-id", |app, request| Box::pin(get_billing_customer_by_id::handle(app, request))),
    ("get-billing-summary", |app, request| Box::pin(get_billing_summary::handle(app, request))),
    ("get-contact", |app, request| Box::pin(get_contact::handle(app, request))),
    ("get-contact-stats", |app, request| Box::pin(get_contact_stats::handle(app, request))),
    ("get-dashboard-activity", |app, request| Box::pin(get_dashboard_activity::handle(app, request))),
    ("get-dashboard-data", |app, request| Box::pin(get_dashboard_data::handle(app, request))),
    ("get-dashboard-metrics", |app, request| Box::pin(get_dashboard_metrics::handle(app, request))),
    ("get-dashboard-summary", |app, request| Box::pin(get_dashboard_summary::handle(app, request))),
    ("get-dashboard-warnings", |app, request| Box::pin(get_dashboard_warnings::handle(app, request))),
    ("get-usage", |app, request| Box::pin(get_usage::handle(app, request))),
    ("get-usage-limits", |app, request| Box::pin(get_usage_limits::handle(app, request))),
    ("health", |app, request| Box::pin(health::handle(app, request))),
    ("list-billing-history", |app, request| Box::pin(list_billing_history::handle(app, request))),
    ("list-contacts", |app, request| Box::pin(list_contacts::handle(app, request))),
    ("list-jobs", |app, request| Box::pin(list_jobs::handle(app, request))),
    ("list-payment-methods", |app, request| Box::pin(list_payment_methods::handle(app, request))),
    ("list-plans", |app, request| Box::pin(list_plans::handle(app, request))),
    ("save-contacts", |app, request| Box::pin(save_contacts::handle(app, request))),
    ("stripe-webhook", |app, request| Box::pin(stripe_webhook::handle(app, request))),
    ("update-contact", |app, request| Box::pin(update_contact::handle(app, request))),
    ("update-subscription", |app, request| Box::pin(update_subscription::handle(app, request))),
    ("warm-session", |app, request| Box::pin(warm_session::handle(app, request))),
];

/// The consumer of the table's stream.
pub const ON_TABLE_STREAM: StreamHandler = |app, batch| Box::pin(on_table_stream::handle(app, batch));

/// The consumer of marked items: it asks Stripe.
pub const ON_STRIPE_REFETCH: StreamHandler = |app, batch| Box::pin(on_stripe_refetch::handle(app, batch));

/// The consumers of the table's stream.
pub const STREAM_CONSUMERS: &[(&str, StreamHandler)] = &[("on-table-stream", ON_TABLE_STREAM), ("on-stripe-refetch", ON_STRIPE_REFETCH)];

/// The functions that a schedule or a person invokes.
pub const JOBS: &[(&str, JobHandler)] = &[
    ("reconcile-stripe", |app, event, until| Box::pin(reconcile_stripe::handle(app, event, until))),
    ("reprocess-event", |app, event, until| Box::pin(reprocess_event::handle(app, event, until))),
];

/// Names of the functions that serve HTTP.
#[must_use]
pub fn names() -> Vec<&'static str> {
    HANDLERS.iter().map(|(name, _)| *name).collect()
}

/// The function of a name.
pub(crate) fn handler(name: &str) -> Option<Handler> {
    HANDLERS.iter().find(|(known, _)| *known == name).map(|(_, handler)| *handler)
}
