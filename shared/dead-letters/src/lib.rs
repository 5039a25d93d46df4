//! The dead-letter queue of the stream's consumers: only they build the SDK that it takes.

use app::{BoxError, DeadLetters, Handled, Letter};
use aws_sdk_sqs::config::{BehaviorVersion, Builder, Credentials, Region};

/// A setting of the queue that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}: is not set")]
pub struct QueueError(&'static str);

/// Letters as messages of an SQS queue.
#[derive(Debug)]
pub struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl Queue {
    /// Reads `DEAD_LETTER_QUEUE_URL`, and what Lambda sets: `AWS_REGION` and the credentials. `DEAD_LETTER_ENDPOINT` names another server than
    /// AWS's; default none.
    ///
    /// # Errors
    /// [`QueueError`] naming the variable that is missing.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, QueueError> {
        let need = |name| lookup(name).filter(|value| !value.is_empty()).ok_or(QueueError(name));
        let credentials =
            Credentials::new(need("AWS_ACCESS_KEY_ID")?, need("AWS_SECRET_ACCESS_KEY")?, lookup("AWS_SESSION_TOKEN"), None, "environment");
        let mut config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(need("AWS_REGION")?))
            .credentials_provider(credentials);
        if let Some(endpoint) = lookup("DEAD_LETTER_ENDPOINT").filter(|url| !url.is_empty()) {
            config = config.endpoint_url(endpoint);
        }
        Ok(Self { client: aws_sdk_sqs::Client::from_conf(config.build()), url: need("DEAD_LETTER_QUEUE_URL")? })
    }
}

impl DeadLetters for Queue {
    fn send<'a>(&'a self, letter: &'a Letter) -> Handled<'a, Result<(), BoxError>> {
        Box::pin(async move {
            let body = serde_json::to_string(letter)?;
            self.client.send_message().queue_url(&self.url).message_body(body).send().await?;
            Ok(())
        })
    }
}
