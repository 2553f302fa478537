"""Ports over AWS, or anything that speaks its S3 and DynamoDB APIs."""
