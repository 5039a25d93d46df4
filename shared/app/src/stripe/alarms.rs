//! What is counted about Stripe's events and answers: most of it is for a person to look at, with a log line beside it and an alarm on it
//! (docs/runbook.md).

use store::AlarmKind;

use crate::App;
use crate::metrics::{
    Metric, STRIPE_AMOUNT_DIFFERS, STRIPE_ANSWER_REJECTED, STRIPE_DRIFT, STRIPE_EVENT_ALTERED, STRIPE_IGNORED, STRIPE_LINK_CONFLICT,
    STRIPE_QUARANTINED, STRIPE_REFETCH_FAILED,
};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    /// An event that is not for us.
    Ignored,
    /// An alarm of the table.
    Alarm(AlarmKind),
    /// A subscription that the mirror showed otherwise than Stripe.
    Drift,
    /// Stripe could not be asked: it is tried again.
    RefetchFailed,
    /// Stripe's answer cannot be stored.
    AnswerRejected,
}

impl Watched {
    fn metric(self) -> Metric {
        match self {
            Self::Ignored => STRIPE_IGNORED,
            Self::Alarm(AlarmKind::Quarantined) => STRIPE_QUARANTINED,
            Self::Alarm(AlarmKind::LinkConflict) => STRIPE_LINK_CONFLICT,
            Self::Alarm(AlarmKind::Altered) => STRIPE_EVENT_ALTERED,
            Self::Alarm(AlarmKind::AmountDiffers) => STRIPE_AMOUNT_DIFFERS,
            Self::Drift => STRIPE_DRIFT,
            Self::RefetchFailed => STRIPE_REFETCH_FAILED,
            Self::AnswerRejected => STRIPE_ANSWER_REJECTED,
        }
    }
}

impl App {
    /// Counts one in the line of the present request or event.
    pub(crate) fn count(&self, watched: Watched) {
        self.metrics.note(watched.metric(), 1.0);
    }
}
