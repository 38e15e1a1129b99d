//! What the DynamoDB client sees of the embedded table.

#![allow(clippy::unwrap_used)]

mod clients;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, Delete, Get, GlobalSecondaryIndex,
    KeySchemaElement, KeyType, KeysAndAttributes, Projection, ProjectionType, Put, PutRequest,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TimeToLiveSpecification, TransactGetItem,
    TransactWriteItem, WriteRequest,
};
use embedded::{Buckets, Embedded, Error};

type Item = HashMap<String, AttributeValue>;

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn item(pk: &str, due_at: Option<&str>) -> Item {
    let mut item = Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text("state"))]);
    if let Some(due_at) = due_at {
        item.insert("due".to_owned(), text("due#post-voucher#03"));
        item.insert("due_at".to_owned(), text(due_at));
    }
    item
}

fn key(pk: &str) -> Item {
    item(pk, None)
}

async fn create_table(client: &Client) {
    let attribute = |name: &str| {
        let kind = ScalarAttributeType::S;
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
    };
    let schema =
        |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let due = GlobalSecondaryIndex::builder()
        .index_name("due")
        .key_schema(schema("due", KeyType::Hash))
        .key_schema(schema("due_at", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap();
    client
        .create_table()
        .table_name("bilag")
        .set_attribute_definitions(Some(["pk", "sk", "due", "due_at"].map(attribute).to_vec()))
        .key_schema(schema("pk", KeyType::Hash))
        .key_schema(schema("sk", KeyType::Range))
        .global_secondary_indexes(due)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
}

async fn table() -> Client {
    let client = clients::dynamodb(&Embedded::in_memory(Buckets::new()).unwrap());
    create_table(&client).await;
    client
}

#[tokio::test]
async fn a_failed_condition_returns_the_item_that_was_there() {
    let client = table().await;
    let put = |due_at| {
        client
            .put_item()
            .table_name("bilag")
            .set_item(Some(item("po_1", Some(due_at))))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    };
    put("2026-01-01").send().await.unwrap();
    let error = put("2026-01-02").send().await.unwrap_err().into_service_error();
    let PutItemError::ConditionalCheckFailedException(failure) = error else { panic!("{error:?}") };
    assert_eq!(failure.item(), Some(&item("po_1", Some("2026-01-01"))));
}

#[tokio::test]
async fn a_sparse_index_finds_only_what_is_due_and_in_order() {
    let client = table().await;
    for (pk, due_at) in [("b", Some("2026-02")), ("a", Some("2026-03")), ("c", None), ("d", Some("2026-01"))]
    {
        client.put_item().table_name("bilag").set_item(Some(item(pk, due_at))).send().await.unwrap();
    }
    let found = client
        .query()
        .table_name("bilag")
        .index_name("due")
        .key_condition_expression("due = :due AND due_at <= :now")
        .expression_attribute_values(":due", text("due#post-voucher#03"))
        .expression_attribute_values(":now", text("2026-02-28"))
        .send()
        .await
        .unwrap();
    let found: Vec<_> = found.items().iter().map(|item| item["pk"].as_s().unwrap().as_str()).collect();
    assert_eq!(found, ["d", "b"]);
}

#[tokio::test]
async fn a_cancelled_transaction_names_the_reason_for_each_part_and_writes_nothing() {
    let client = table().await;
    client.put_item().table_name("bilag").set_item(Some(item("taken", None))).send().await.unwrap();
    let put = |pk| {
        let put = Put::builder()
            .table_name("bilag")
            .set_item(Some(item(pk, None)))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    };
    let error = client
        .transact_write_items()
        .transact_items(put("free"))
        .transact_items(put("taken"))
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { panic!("{error:?}") };
    let reasons = cancelled.cancellation_reasons();
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code().unwrap()).collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
    assert_eq!(reasons[1].item(), Some(&item("taken", None)));
    let free = client.get_item().table_name("bilag").set_key(Some(key("free"))).send().await.unwrap();
    assert_eq!(free.item(), None);
}

#[tokio::test]
async fn a_transaction_writes_checks_deletes_and_reads_as_one() {
    let client = table().await;
    for pk in ["old", "guard"] {
        client.put_item().table_name("bilag").set_item(Some(item(pk, None))).send().await.unwrap();
    }
    let put = Put::builder().table_name("bilag").set_item(Some(item("new", None))).build().unwrap();
    let delete = Delete::builder().table_name("bilag").set_key(Some(key("old"))).build().unwrap();
    let check = ConditionCheck::builder()
        .table_name("bilag")
        .set_key(Some(key("guard")))
        .condition_expression("attribute_exists(pk)");
    client
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(put).build())
        .transact_items(TransactWriteItem::builder().delete(delete).build())
        .transact_items(TransactWriteItem::builder().condition_check(check.build().unwrap()).build())
        .client_request_token("once")
        .send()
        .await
        .unwrap();
    let get = |pk| {
        let get = Get::builder().table_name("bilag").set_key(Some(key(pk))).build().unwrap();
        TransactGetItem::builder().get(get).build()
    };
    let read = client.transact_get_items().transact_items(get("new")).transact_items(get("old"));
    let responses = read.send().await.unwrap().responses.unwrap();
    let found: Vec<_> = responses.into_iter().map(|response| response.item.is_some()).collect();
    assert_eq!(found, [true, false]);
}

#[tokio::test]
async fn an_update_counts_and_returns_the_new_value() {
    let client = table().await;
    let count = || {
        client
            .update_item()
            .table_name("bilag")
            .set_key(Some(key("po_1")))
            .update_expression("ADD tries :one")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::UpdatedNew)
            .send()
    };
    count().await.unwrap();
    let updated = count().await.unwrap();
    assert_eq!(updated.attributes().unwrap()["tries"], AttributeValue::N("2".to_owned()));
}

#[tokio::test]
async fn batches_scans_and_deletes_see_the_same_items() {
    let client = table().await;
    let write = |pk| {
        let put = PutRequest::builder().set_item(Some(item(pk, None))).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let writes = vec![write("a"), write("b"), write("c")];
    client.batch_write_item().request_items("bilag", writes).send().await.unwrap();
    client.delete_item().table_name("bilag").set_key(Some(key("b"))).send().await.unwrap();
    let keys = ["a", "b", "c"].map(key).to_vec();
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).build().unwrap();
    let read = client.batch_get_item().request_items("bilag", keys).send().await.unwrap();
    assert_eq!(read.responses().unwrap()["bilag"].len(), 2);
    let scan = client.scan().table_name("bilag").limit(1).send().await.unwrap();
    assert_eq!(scan.count(), 1);
    assert!(scan.last_evaluated_key().is_some());
}

#[tokio::test]
async fn what_was_written_is_there_after_opening_the_file_again() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("table.sqlite");
    let client = clients::dynamodb(&Embedded::open(&path, Buckets::new()).unwrap());
    create_table(&client).await;
    client.put_item().table_name("bilag").set_item(Some(item("po_1", None))).send().await.unwrap();
    drop(client);
    let client = clients::dynamodb(&Embedded::open(&path, Buckets::new()).unwrap());
    let found = client.get_item().table_name("bilag").set_key(Some(key("po_1"))).send().await.unwrap();
    assert_eq!(found.item(), Some(&item("po_1", None)));
}

#[tokio::test]
async fn a_time_to_live_can_be_set_and_described() {
    let client = table().await;
    let ttl = TimeToLiveSpecification::builder().attribute_name("expires_at").enabled(true).build().unwrap();
    let update = client.update_time_to_live().table_name("bilag").time_to_live_specification(ttl);
    update.send().await.unwrap();
    let described = client.describe_time_to_live().table_name("bilag").send().await.unwrap();
    let attribute = described.time_to_live_description().and_then(|ttl| ttl.attribute_name());
    assert_eq!(attribute, Some("expires_at"));
    let table = client.describe_table().table_name("bilag").send().await.unwrap();
    assert_eq!(table.table().unwrap().global_secondary_indexes().len(), 1);
}

#[tokio::test]
async fn a_missing_table_and_a_bad_request_are_told_apart() {
    let client = table().await;
    let missing = client.describe_table().table_name("elsewhere").send().await.unwrap_err();
    assert_eq!(missing.code(), Some("ResourceNotFoundException"));
    let bad = client.put_item().table_name("bilag").item("pk", text("")).send().await.unwrap_err();
    assert_eq!(bad.code(), Some("ValidationException"));
    let unreadable = client.put_item().table_name("bilag").send().await.unwrap_err();
    assert_eq!(unreadable.code(), Some("ValidationException"));
    assert!(!unreadable.message().unwrap().contains(" at line "), "{unreadable:?}");
}

#[tokio::test]
async fn an_operation_the_table_does_not_know_is_named_in_the_error() {
    let client = table().await;
    let error = client.describe_limits().send().await.unwrap_err();
    assert_eq!(error.code(), Some("UnknownOperationException"));
    assert!(error.message().unwrap().contains("DescribeLimits"), "{error:?}");
}

#[test]
fn a_table_in_a_folder_that_does_not_exist_is_refused_with_its_path() {
    let home = tempfile::tempdir().unwrap();
    let error = Embedded::open(&home.path().join("nowhere/table"), Buckets::new()).unwrap_err();
    assert!(matches!(error, Error::OpenTable { .. }), "{error:?}");
    assert!(error.to_string().contains("nowhere/table"), "{error}");
}

#[test]
fn a_bucket_name_that_no_request_can_carry_is_refused() {
    let error = Embedded::in_memory(Buckets::new().bucket("Inbox", "inbox")).unwrap_err();
    assert!(matches!(&error, Error::BucketName(name) if name == "Inbox"), "{error:?}");
}
