"""IAM policies, parsed and evaluated as far as the S3 and KMS requests of an SFTP session go. No I/O."""
