"""Routes: which partner and path goes to which bucket, key and class, and to which targets after that."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from tidegate.settings.acceptance import AcceptSettings
from tidegate.settings.kinds import (
    BucketName,
    KmsKey,
    Prefix,
    StorageClass,
    TargetName,
    UserPattern,
    VirtualDirectory,
    refused,
)
from tidegate.settings.problems import shown
from tidegate.settings.sections import Section

# S3 User Guide, "Categorizing your storage using tags": at most ten, and these lengths.
_MAX_TAGS = 10
_MAX_TAG_KEY = 128
_MAX_TAG_VALUE = 256
_TAG_TEXT = r"[\w +=.:/@-]*"


def _tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > _MAX_TAGS:
        raise refused(f"{len(tags)} tags; S3 takes {_MAX_TAGS}")
    for key, value in tags.items():
        if not 0 < len(key) <= _MAX_TAG_KEY or len(value) > _MAX_TAG_VALUE:
            bounds = f"a key has 1 to {_MAX_TAG_KEY} characters, a value at most {_MAX_TAG_VALUE}"
            raise refused(f"{shown(key)}: {bounds}")
        if key.lower().startswith("aws:"):
            raise refused(f"{shown(key)}: tags that begin with aws: are AWS's own")
        for text in (key, value):
            if not re.fullmatch(_TAG_TEXT, text):
                raise refused(f"{shown(text)}: S3 takes letters, digits, blanks and + - = . _ : / @ in tags")
    return tags


def _some(partners: tuple[str, ...]) -> tuple[str, ...]:
    # Not by a bound of pydantic's, which counts only the items that are right.
    if not partners:
        raise refused('name at least one, or "*" for all')
    return partners


class RouteSettings(Section):
    """What is different for some partners or paths. Of several routes that match, the first counts."""

    name: TargetName = Field(description="Name of the route in messages; unique.")
    partners: Annotated[tuple[UserPattern, ...], AfterValidator(_some)] = Field(
        default=("*",),
        description="Whose uploads; * stands for anything, ? for one character.",
        json_schema_extra={"minItems": 1},
    )
    path: VirtualDirectory = Field(
        default="/", description="The directory, as partners see it, in or below which the files are."
    )
    bucket: BucketName | None = Field(
        default=None, description="Bucket shown at `path`; null leaves it to the partner's home."
    )
    prefix: Prefix = Field(
        default="", description="Prefix in that bucket; may hold ${transfer:UserName}. Ends in /."
    )
    kms_key: KmsKey | None = Field(
        default=None, description="KMS key of uploads; null means landing.kms_key."
    )
    storage_class: StorageClass = Field(default="STANDARD", description="Storage class of uploads.")
    tags: Annotated[dict[str, str], AfterValidator(_tags)] = Field(
        default={}, description="Tags of uploads, at most ten."
    )
    deliver_to: tuple[TargetName, ...] | None = Field(
        default=None, description="Names of the targets that uploads are owed to; null means all."
    )
    accept: AcceptSettings = Field(
        default_factory=AcceptSettings, description="What a file must be, or it is held back as SUSPECT."
    )
