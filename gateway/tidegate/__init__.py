"""tidegate: an SFTP gateway to S3 that behaves like AWS Transfer Family."""

__version__ = "0.1.0"
