//! The table's definition, for servers that are not deployed from template.yaml, and whether it answers.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection, ProjectionType, ScalarAttributeType,
};

use crate::error::sort;
use crate::item::key_of;
use crate::keys::{CATALOG, L1, L1_INDEX, L2, L2_INDEX, PK, PLANS, SK};
use crate::{StoreError, Table};

const READY_TRIES: u32 = 100;

impl Table {
    /// Creates the table unless it is there: true when it was created.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn create_if_absent(&self) -> Result<bool, StoreError> {
        if self.is_there().await? {
            return Ok(false);
        }
        let attribute = |name| {
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .expect("name and type are set")
        };
        let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("name and type are set");
        let index = |name, attribute| {
            LocalSecondaryIndex::builder()
                .index_name(name)
                .key_schema(key(PK, KeyType::Hash))
                .key_schema(key(attribute, KeyType::Range))
                .projection(Projection::builder().projection_type(ProjectionType::All).build())
                .build()
                .expect("name and keys are set")
        };
        let call = self.client.create_table().table_name(&self.name).billing_mode(BillingMode::PayPerRequest);
        let call = call.set_attribute_definitions(Some([PK, SK, L1, L2].map(attribute).to_vec()));
        let call = call.key_schema(key(PK, KeyType::Hash)).key_schema(key(SK, KeyType::Range));
        let call = call.local_secondary_indexes(index(L1_INDEX, L1)).local_secondary_indexes(index(L2_INDEX, L2));
        call.send().await.map_err(|error| sort("CreateTable", error))?;
        for _ in 0..READY_TRIES {
            if self.is_there().await? {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(StoreError::Unavailable { operation: "CreateTable", source: "the table does not become active".into() })
    }

    /// Whether the table answers: one read of an item that need not exist.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.plans().await.map(drop)
    }

    /// Whether there is a table that can be read. Not asked by `DescribeTable`: the embedded server counts its rows then, which takes seconds.
    async fn is_there(&self) -> Result<bool, StoreError> {
        match self.client.get_item().table_name(&self.name).set_key(Some(key_of(CATALOG, PLANS))).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => Ok(false),
            Err(error) => Err(sort("GetItem", error)),
        }
    }
}
