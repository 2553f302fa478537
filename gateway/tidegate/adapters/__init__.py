"""Whatever talks to the outside: the only importers of boto3."""
