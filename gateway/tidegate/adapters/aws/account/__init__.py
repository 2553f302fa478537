"""The account behind a gateway, looked at and mended: the resources of `tidegate setup`."""
