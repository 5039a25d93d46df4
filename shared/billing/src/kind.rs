//! Event types, sorted by what they change.

use crate::guard::Rank;

/// What an event type is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A subscription.
    Subscription(Rank),
    /// A checkout session: links user and customer.
    Checkout,
    /// An invoice.
    Invoice(Rank),
    /// A preview of an invoice; it has no id.
    UpcomingInvoice,
    /// A customer.
    Customer(Rank),
    /// A payment method.
    PaymentMethod(Rank),
    /// A product of the catalogue.
    Product(Rank),
    /// A price of the catalogue.
    Price(Rank),
    /// Nothing of ours.
    Other,
}

impl Kind {
    /// Sorts an event type.
    pub(crate) fn of(event_type: &str) -> Self {
        use Rank::{Created, Deleted, Updated};
        if let Some(what) = event_type.strip_prefix("customer.subscription.") {
            return match what {
                "created" => Self::Subscription(Created),
                "updated" | "paused" | "resumed" | "trial_will_end" | "pending_update_applied" | "pending_update_expired" => {
                    Self::Subscription(Updated)
                }
                "deleted" => Self::Subscription(Deleted),
                _ => Self::Other,
            };
        }
        match event_type.split_once('.').unwrap_or((event_type, "")) {
            ("checkout", "session.completed" | "session.async_payment_succeeded" | "session.async_payment_failed" | "session.expired") => {
                Self::Checkout
            }
            ("invoice", "created") => Self::Invoice(Created),
            (
                "invoice",
                "finalized"
                | "finalization_failed"
                | "paid"
                | "payment_succeeded"
                | "payment_failed"
                | "payment_action_required"
                | "updated"
                | "voided"
                | "marked_uncollectible",
            ) => Self::Invoice(Updated),
            ("invoice", "deleted") => Self::Invoice(Deleted),
            ("invoice", "upcoming") => Self::UpcomingInvoice,
            ("customer", what) => lifecycle(what).map_or(Self::Other, Self::Customer),
            ("payment_method", "attached") => Self::PaymentMethod(Created),
            ("payment_method", "updated" | "automatically_updated") => Self::PaymentMethod(Updated),
            ("payment_method", "detached") => Self::PaymentMethod(Deleted),
            ("product", what) => lifecycle(what).map_or(Self::Other, Self::Product),
            ("price", what) => lifecycle(what).map_or(Self::Other, Self::Price),
            _ => Self::Other,
        }
    }

    /// What `data.object.object` says for events of this kind.
    pub(crate) fn object(self) -> &'static str {
        match self {
            Self::Subscription(_) => "subscription",
            Self::Checkout => "checkout.session",
            Self::Invoice(_) | Self::UpcomingInvoice => "invoice",
            Self::Customer(_) => "customer",
            Self::PaymentMethod(_) => "payment_method",
            Self::Product(_) => "product",
            Self::Price(_) => "price",
            Self::Other => "",
        }
    }
}

fn lifecycle(what: &str) -> Option<Rank> {
    match what {
        "created" => Some(Rank::Created),
        "updated" => Some(Rank::Updated),
        "deleted" => Some(Rank::Deleted),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_event_type_is_sorted_as_specified() {
        use Rank::{Created, Deleted, Updated};
        type Listed = (&'static str, &'static str, fn(Rank) -> Kind);
        let listed: [Listed; 7] = [
            (
                "customer.subscription.",
                "created updated deleted paused resumed trial_will_end pending_update_applied pending_update_expired",
                Kind::Subscription,
            ),
            ("checkout.session.", "completed async_payment_succeeded async_payment_failed expired", |_| Kind::Checkout),
            (
                "invoice.",
                "created finalized finalization_failed paid payment_succeeded payment_failed payment_action_required updated voided \
                 marked_uncollectible deleted",
                Kind::Invoice,
            ),
            ("customer.", "created updated deleted", Kind::Customer),
            ("payment_method.", "attached detached updated automatically_updated", Kind::PaymentMethod),
            ("product.", "created updated deleted", Kind::Product),
            ("price.", "created updated deleted", Kind::Price),
        ];
        for (prefix, ends, kind) in listed {
            for end in ends.split_whitespace() {
                let rank = match end {
                    "created" | "attached" => Created,
                    "deleted" | "detached" => Deleted,
                    _ => Updated,
                };
                assert_eq!(Kind::of(&format!("{prefix}{end}")), kind(rank), "{prefix}{end}");
            }
        }
        assert_eq!(Kind::of("invoice.upcoming"), Kind::UpcomingInvoice);
    }

    #[test]
    fn other_event_types_are_nobodys() {
        for other in [
            "",
            ".",
            "customer",
            "customer.",
            "customer.tax_id.created",
            "customer.subscription.",
            "customer.subscription.invented",
            "invoice.sent",
            "invoiceitem.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "price.invented",
            "v1.billing.meter.error_report_triggered",
        ] {
            assert_eq!(Kind::of(other), Kind::Other, "{other}");
        }
    }
}
