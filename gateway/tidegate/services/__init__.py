"""What the gateway does, in terms of ports: no boto3, no asyncssh."""
