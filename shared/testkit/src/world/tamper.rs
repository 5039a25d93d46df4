//! Changes of a world's table that the app never makes.

use aws_sdk_dynamodb::types::AttributeValue;
use store::TableConfig;

use super::{TABLE, World};

impl World {
    /// Puts an item in the place of another that does not decode.
    pub async fn damage(&self, pk: &str, sk: &str) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let put = [("pk", pk), ("sk", sk), ("body", "{")].into_iter();
        let put = put.fold(self.past_the_app().put_item().table_name(TABLE), |put, (name, value)| put.item(name, text(value)));
        put.send().await.expect("the table answers");
    }

    /// Removes an item, which the app itself never does.
    pub async fn remove(&self, pk: &str, sk: &str) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let delete = self.past_the_app().delete_item().table_name(TABLE).key("pk", text(pk)).key("sk", text(sk));
        delete.send().await.expect("the table answers");
    }

    /// Writes another text in the place of one in an item's body, which must have it.
    pub async fn rewrite(&self, pk: &str, sk: &str, from: &str, to: &str) {
        let client = self.past_the_app();
        let get = client.get_item().table_name(TABLE).key("pk", AttributeValue::S(pk.into())).key("sk", AttributeValue::S(sk.into()));
        let mut item = get.send().await.expect("the table answers").item.expect("the item is there");
        let body = item["body"].as_s().expect("a body").clone();
        assert!(body.contains(from), "{from} is not in {body}");
        item.insert("body".into(), AttributeValue::S(body.replacen(from, to, 1)));
        client.put_item().table_name(TABLE).set_item(Some(item)).send().await.expect("the table answers");
    }

    /// A client of the table without faults and without a stream.
    fn past_the_app(&self) -> aws_sdk_dynamodb::Client {
        let config = TableConfig::local(TABLE, self.embedded.endpoint()).client_config().http_client(local::table::http_client());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// Raises a user's revision behind the back of the app and of its stream, as if an invalidation had been lost.
    pub async fn raise_unheard(&self, user: &str, rev: u64) {
        let (pk, sk) = (AttributeValue::S(format!("USER#{user}")), AttributeValue::S("ROOT".to_owned()));
        let update = self.past_the_app().update_item().table_name(TABLE).key("pk", pk).key("sk", sk).update_expression("SET rev = :rev");
        update.expression_attribute_values(":rev", AttributeValue::N(rev.to_string())).send().await.expect("the table answers");
    }
}
