//! `local stripe-trigger`: one of Stripe's events, signed, to a server that runs.

use bytes::Bytes;
use domain::{Timestamp, UserId};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::failure::Failure;
use crate::fake_stripe::triggers::{About, EVENTS, event};
use crate::{settings, token};

/// How long the question for the user's customer may be asked.
const TOKEN_TIME: std::time::Duration = std::time::Duration::from_secs(60);

/// Sends an event about a user, under the ids that the server shows for that user, and prints the answer.
///
/// # Errors
/// [`Failure::Usage`] for an unknown event or secrets that cannot be used; [`Failure::Failed`] when nobody answers;
/// [`Failure::Said`] when the answer, which is printed, is a refusal.
pub async fn trigger(name: &str, user: &UserId, url: &str, now: Timestamp) -> Result<(), Failure> {
    if !EVENTS.contains(&name) {
        return Err(Failure::Usage(format!("no such event; known are {}", EVENTS.join(", "))));
    }
    let url = url.trim_end_matches('/');
    let bearer = token::token(user, None, now, TOKEN_TIME)?;
    let (_, shown) =
        ask(http::Request::get(format!("{url}/api/billing/customer")).header("authorization", format!("Bearer {bearer}")), "").await?;
    let own: String = user.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let text = |value: &Value, default: String| value.as_str().map_or(default, str::to_owned);
    let (customer, subscription) =
        (text(&shown["customer"]["id"], format!("cus_of_{own}")), text(&shown["subscriptionId"], format!("sub_of_{own}")));
    let price = if shown["plan"] == "professional" { "price_professional_monthly" } else { "price_starter_monthly" };
    let about = About { user: user.as_str(), customer: &customer, subscription: &subscription, price };
    let id = format!("evt_{}", uuid::Uuid::new_v4().simple());
    let body = event(&id, name, &about, now).map(|event| event.to_string()).unwrap_or_default();
    let signature = settings::webhook_secrets()?.sign(body.as_bytes(), now.unix_seconds());
    let request = http::Request::post(format!("{url}/api/stripe/webhook"));
    let request = request.header("content-type", "application/json").header("stripe-signature", signature);
    let (status, answer) = ask(request, &body).await?;
    println!("{status} {answer}");
    if status.is_success() { Ok(()) } else { Err(Failure::Said) }
}

async fn ask(request: http::request::Builder, body: &str) -> Result<(http::StatusCode, Value), Failure> {
    let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).map_err(|error| Failure::Usage(error.to_string()))?;
    let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await;
    let answer = answer.map_err(|_| Failure::Failed("no server answers there: start one, or say which with --url".to_owned()))?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|error| Failure::of(&error))?.to_bytes();
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
