"""The shapes of our two tables, once, for whoever creates or checks them."""

from __future__ import annotations

from typing import Any


def transfers_table(name: str) -> dict[str, Any]:
    """
    Return CreateTable's members for the transfers table.

    `by-user` and `by-day` answer people; `open-work` is sparse, in 16 shards, and answers workers.
    """
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        **_keys("LogID", "Item", "UserName", "StartedAt", "Day", "OpenWork", "DueAt"),
        "GlobalSecondaryIndexes": [
            _index("by-user", "UserName", "StartedAt"),
            _index("by-day", "Day", "StartedAt"),
            _index("open-work", "OpenWork", "DueAt", "GatewayId", "UploadId"),
        ],
        "SSESpecification": {"Enabled": True, "SSEType": "KMS"},
    }


def directory_table(name: str) -> dict[str, Any]:
    """Return CreateTable's members for the directory table."""
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        **_keys("Server", "Entry"),
        "SSESpecification": {"Enabled": True, "SSEType": "KMS"},
    }


def _keys(hash_key: str, range_key: str, *others: str) -> dict[str, Any]:
    return {
        "KeySchema": [
            {"AttributeName": hash_key, "KeyType": "HASH"},
            {"AttributeName": range_key, "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": "S"} for name in (hash_key, range_key, *others)
        ],
    }


def _index(name: str, hash_key: str, range_key: str, *attributes: str) -> dict[str, Any]:
    """Return an index that holds whole items, or with `attributes` only the keys and those."""
    projection: dict[str, Any] = {"ProjectionType": "ALL"}
    if attributes:
        projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(attributes)}
    return {
        "IndexName": name,
        "KeySchema": [
            {"AttributeName": hash_key, "KeyType": "HASH"},
            {"AttributeName": range_key, "KeyType": "RANGE"},
        ],
        "Projection": projection,
    }
