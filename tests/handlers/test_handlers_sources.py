"""Which buckets functions take events of."""

from __future__ import annotations

from tidegate.cli.account_plan import _upload_buckets
from tidegate.settings import Settings
from tidegate_handlers.runtime import landing_buckets

SETTINGS = Settings.model_validate(
    {
        "landing": {"bucket": "landing"},
        "partners": [
            {"name": "acme"},
            {"name": "beta", "home": "/b-1/beta"},
            {
                "name": "several",
                "mappings": [
                    {"entry": "/in", "target": "/b-2/in"},
                    {"entry": "/f", "target": "/b-3/f", "type": "FILE"},
                ],
            },
        ],
    }
)


def test_every_bucket_that_a_home_leads_to() -> None:
    """Also those of the second entry, and of a single file; `setup` gives the gateway the same ones."""
    assert landing_buckets(SETTINGS) == {"landing", "b-1", "b-2", "b-3"}
    assert _upload_buckets(SETTINGS, with_homes=True).keys() == {"landing", "b-1", "b-2", "b-3"}
