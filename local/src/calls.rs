//! Stripe on a laptop: the fake one, in this process, or the real one when there is a key.

use app::{AppUrl, Clock};
use stripe_client::{Client, Config};

use crate::demo;
use crate::failure::Failure;
use crate::fake_stripe::FakeStripe;
use crate::settings;

/// Key of the fake.
const FAKE_KEY: &str = "sk_test_of_this_laptop";

/// Whom the server calls.
#[derive(Debug)]
pub struct Stripe {
    /// How it is called.
    pub client: Client,
    /// Where it sends browsers back to.
    pub app_url: AppUrl,
    /// The fake, unless the real one is called.
    pub fake: Option<FakeStripe>,
}

impl Stripe {
    /// Starts the fake, with the demo account's subscription if there is a demo account, unless `STRIPE_SECRET_KEY` is set. `url` is the server's own address, to which browsers come back without `APP_URL`.
    ///
    /// # Errors
    /// [`Failure::Usage`] naming the variable that cannot be used; [`Failure::Failed`] without a free port.
    pub async fn start(clock: &Clock, url: &str, demo: bool) -> Result<Self, Failure> {
        let is_real = settings::lookup("STRIPE_SECRET_KEY").is_some();
        let fake = if is_real { None } else { Some(FakeStripe::start(clock.clone()).await.map_err(|error| Failure::of(&error))?) };
        if let Some(fake) = fake.as_ref().filter(|_| demo) {
            fake.subscribe(demo::CUSTOMER, demo::SUBSCRIPTION, demo::USER, demo::PRICE);
            if let Some(mut customer) = fake.object(demo::CUSTOMER) {
                (customer["name"], customer["email"]) = (demo::NAME.into(), demo::EMAIL.into());
                fake.put(customer);
            }
        }
        let lookup = |variable: &str| match (variable, &fake) {
            ("STRIPE_SECRET_KEY", Some(_)) => Some(FAKE_KEY.to_owned()),
            ("STRIPE_API_URL", Some(fake)) => Some(fake.url()),
            ("APP_URL", _) => settings::lookup(variable).or_else(|| Some(url.to_owned())),
            _ => settings::lookup(variable),
        };
        let config = Config::from_lookup(&lookup).map_err(|error| Failure::Usage(error.to_string()))?;
        let app_url = AppUrl::from_lookup(&lookup).map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(Self { client: Client::new(&config), app_url, fake })
    }

    /// Sends the fake's events to the server at `url`.
    pub fn connect(&self, url: &str) {
        if let Some(fake) = &self.fake {
            let secrets = settings::lookup("STRIPE_WEBHOOK_SECRETS").unwrap_or_default();
            fake.send_events_to(&format!("{url}/api/stripe/webhook"), &secrets);
        }
    }
}
