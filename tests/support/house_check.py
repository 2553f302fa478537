"""
Holding what is in S3 and in the records against what clients were told.

Reads the records once, and each version of each object once in the life of a house: versions do not
change, and a house is checked after each of its stories.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Protocol


class Watched(Protocol):
    """What is looked at; `fault_house.House`, which knows this module and not the other way round."""

    @property
    def seen(self) -> Seen: ...
    def items(self) -> list[dict[str, Any]]: ...
    def versions(self, bucket: str) -> list[dict[str, Any]]: ...
    def body(self, bucket: str, key: str, version_id: str | None = None) -> bytes: ...
    def aws_client(self, service: str) -> Any: ...
    def unfinished_uploads(self) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """One file whose CLOSE a client may have sent, and whether it read OK."""

    path: str
    sha256: str
    acknowledged: bool


class Seen:
    """Facts of versions, which never change."""

    def __init__(self) -> None:
        self._digests: dict[tuple[str, str, str], str] = {}
        self._log_ids: dict[tuple[str, str, str], str | None] = {}

    def digest(self, house: Watched, bucket: str, key: str, version_id: str | None) -> str:
        """Return the SHA-256 of a version; of the current one where the bucket keeps none."""
        if version_id in (None, "null"):
            return hashlib.sha256(house.body(bucket, key)).hexdigest()
        where = (bucket, key, str(version_id))
        if where not in self._digests:
            self._digests[where] = hashlib.sha256(house.body(*where)).hexdigest()
        return self._digests[where]

    def log_id(self, house: Watched, bucket: str, key: str, version_id: str) -> str | None:
        """Return the transfer id that the upload left on the version."""
        where = (bucket, key, version_id)
        if where not in self._log_ids:
            head = house.aws_client("s3").head_object(Bucket=bucket, Key=key, VersionId=version_id)
            self._log_ids[where] = head["Metadata"].get("tidegate-transfer-id")
        return self._log_ids[where]


class Check:
    """One look at a house that has settled."""

    def __init__(self, house: Watched, landing: str, private: str) -> None:
        self._house, self._landing, self._private = house, landing, private
        rows = house.items()
        self._uploads = [r for r in rows if r["Item"] == "transfer" and r["Direction"] == "UPLOAD"]
        self._completed = {r["LogID"]: r for r in self._uploads if r["Status"] == "COMPLETED"}
        self._owed: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            if row["Item"].startswith("delivery#"):
                self._owed[row["LogID"]].append(row)

    def everything(self, asked: list[Asked]) -> None:
        self.acknowledged_is_kept(asked)
        self.completed_was_asked_for(asked)
        self.destination_is_right()
        self.unfinished_is_kept()

    def unfinished_is_kept(self) -> None:
        """What S3 has of unfinished uploads is what can be continued, and nothing else."""
        kept = {record["UploadId"] for record in self._uploads if record["Status"] == "KEPT"}
        assert {upload["UploadId"] for upload in self._house.unfinished_uploads()} == kept

    def acknowledged_is_kept(self, asked: list[Asked]) -> None:
        """Every CLOSE that was answered OK has its record; `completed_was_asked_for` does the rest."""
        found = {(record["Path"], record["Sha256"]) for record in self._completed.values()}
        for each in asked:
            if each.acknowledged and (each.path, each.sha256) not in found:
                records = [record for record in self._uploads if record["Path"] == each.path]
                raise AssertionError(f"{each.path} was acknowledged, and its records are {records}")

    def completed_was_asked_for(self, asked: list[Asked]) -> None:
        """Nothing is COMPLETED or owed whose CLOSE no client sent; each COMPLETED is whole, and paid once."""
        wanted = {(each.path, each.sha256) for each in asked}
        for record in self._uploads:
            deliveries = self._owed[record["LogID"]]
            if record["LogID"] not in self._completed:
                assert deliveries == [], f"{record['Status']} owes nothing"
                continue
            assert (record["Path"], record["Sha256"]) in wanted, f"nobody asked for {record}"
            assert (
                self._digest(self._landing, record["ObjectKey"], record.get("VersionId")) == record["Sha256"]
            )
            assert [each["Status"] in ("DELIVERED", "SUPERSEDED") for each in deliveries] == [True], (
                deliveries
            )

    def destination_is_right(self) -> None:
        """At the destination is the newest COMPLETED version of each key, and nothing else."""
        newest: dict[str, dict[str, Any]] = {}
        keys = {record["ObjectKey"] for record in self._completed.values()}
        for version in self._house.versions(self._landing):  # of each key the newest first
            key, version_id = version["Key"], version["VersionId"]
            if key in keys and key not in newest:
                log_id = self._house.seen.log_id(self._house, self._landing, key, version_id)
                record = self._completed.get(log_id or "")
                if record and record.get("VersionId") in (None, version_id):
                    newest[key] = record
        there = {
            row["Key"]: row["VersionId"] for row in self._house.versions(self._private) if row["IsLatest"]
        }
        assert sorted(there) == sorted(newest)
        for key, record in newest.items():
            assert self._digest(self._private, key, there[key]) == record["Sha256"], (
                f"{key} is not the newest"
            )

    def _digest(self, bucket: str, key: str, version_id: str | None) -> str:
        return self._house.seen.digest(self._house, bucket, key, version_id)
