"""Limits that are not ours, each with the page it comes from."""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

# S3 User Guide, "Amazon S3 multipart upload limits".
S3_MIN_PART_BYTES = 5 * MIB
S3_MAX_PART_BYTES = 5 * GIB
S3_MAX_PARTS = 10_000
S3_MAX_OBJECT_BYTES = 5 * TIB
# S3 API Reference, CopyObject: larger objects are copied by UploadPartCopy.
S3_MAX_COPY_BYTES = 5 * GIB
# S3 User Guide, "Naming Amazon S3 objects": bytes of the UTF-8 form.
S3_MAX_KEY_BYTES = 1024
# S3 API Reference, ListObjectsV2.
S3_MAX_LIST_KEYS = 1000
# S3 User Guide, "Categorizing your storage using tags".
S3_TAGS_PER_OBJECT = 10
# DynamoDB API Reference, TransactWriteItems.
DYNAMODB_MAX_TRANSACTION_ITEMS = 100

# Transfer Family API, UserName: pattern and length.
USER_NAME_PATTERN = r"[\w][\w@.-]{2,99}"
# Transfer Family API, Policy: length.
TRANSFER_POLICY_MAX_CHARS = 2048
# Transfer Family API, SshPublicKeyBody; General Reference, keys per user.
SSH_PUBLIC_KEY_MAX_CHARS = 2048
SSH_PUBLIC_KEYS_PER_USER = 50
# Transfer Family, General Reference, quotas: logical directory entries per service-managed user.
TRANSFER_MAPPINGS_PER_USER = 2000
# Transfer Family, General Reference, quotas: servers of an account in a Region; User Guide: host keys.
TRANSFER_SERVERS = 50
TRANSFER_HOST_KEYS_PER_SERVER = 10
# Transfer Family, General Reference, quotas: service-managed users of a server.
TRANSFER_USERS_PER_SERVER = 10_000
# The same: logical directory JSON of custom identity providers.
TRANSFER_PROVIDED_MAPPINGS_MAX_BYTES = 2_100_000
# Transfer Family API, UserPassword: length.
TRANSFER_PASSWORD_MAX_CHARS = 1024
# Transfer Family API, Tags: length of the list.
TRANSFER_TAGS_PER_RESOURCE = 50
# Transfer Family, General Reference, quotas: workflows for each account and Region.
TRANSFER_WORKFLOWS_PER_ACCOUNT = 10
# Transfer Family API, WorkflowSteps: length of the list.
TRANSFER_STEPS_PER_WORKFLOW = 8
# Transfer Family API, MaxResults: range.
TRANSFER_MAX_RESULTS = 1000
# NIST SP 800-131A: RSA below 2048 bits is disallowed.
RSA_MIN_BITS = 2048

# Transfer Family, General Reference, quotas: SFTP sessions multiplexed in one connection.
TRANSFER_SESSIONS_PER_CONNECTION = 10
# Transfer Family, General Reference, quotas: idle time-out, the same for every server.
TRANSFER_IDLE_SECONDS = 1800
