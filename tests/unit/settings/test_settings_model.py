"""The settings as values: defaults, forms, and rules between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from tidegate.settings import Settings
from tidegate.settings.partners import PartnerSettings
from tidegate.settings.words import problems_in

ENDPOINT = {"endpoint_url": "http://127.0.0.1:9000"}
KEY = {"access_key_id": "id", "secret_access_key": "secret"}
OUTSIDE = {"name": "out", "bucket": "outside"}


def problems_of(**sections: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(sections)
    return {".".join(map(str, problem.at)): problem.text for problem in problems_in(caught.value)}


def partners(*homes: str | None) -> list[dict[str, Any]]:
    return [{"name": f"partner{number}", "home": home} for number, home in enumerate(homes)]


def test_the_defaults_are_those_of_local() -> None:
    """What is not said is what `tidegate local` runs with."""
    settings = Settings()
    assert (settings.version, settings.preset, settings.server_id) == (1, None, None)
    assert settings.sftp.port == 2222
    assert settings.landing.bucket == "tidegate-landing"
    (target,) = settings.deliveries.targets
    assert (target.name, target.bucket, target.prefix) == ("private", "tidegate-private", "")
    assert target.kms_key == "alias/tidegate-private"
    assert settings.uploads.buffer_budget_bytes == 2**30
    assert settings.partners == ()


def sections_of(model: BaseModel) -> Iterator[BaseModel]:
    yield model
    for _, value in model:
        if isinstance(value, BaseModel):
            yield from sections_of(value)


def test_every_section_is_frozen_and_closed() -> None:
    """No section takes a change or an unknown name."""
    for section in sections_of(Settings()):
        assert section.model_config["frozen"]
        assert section.model_config["extra"] == "forbid"
        name = next(iter(type(section).model_fields))
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, name, None)


def test_every_setting_is_described() -> None:
    """Each field says what it means, for the schema."""
    for section in (*sections_of(Settings()), PartnerSettings(name="acme")):
        for name, field in type(section).model_fields.items():
            assert field.description, name


def test_values_are_of_the_type_they_are_declared_as() -> None:
    """Defaults pass through validation, so that seconds are floats whether said or not."""
    assert isinstance(Settings().shutdown.grace_seconds, float)


def test_settings_print_in_python_without_the_values_they_refuse() -> None:
    """Pydantic's own message, which callers in Python see, quotes no input."""
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"landing": {"kms_key": "hidden"}})
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "home", ["/tidegate-landing", "/tidegate-landing/acme", "/b-1/a b/ü", "/b-1/${transfer:UserName}/in"]
)
def test_homes_are_a_bucket_and_perhaps_a_prefix(home: str) -> None:
    """A home is `/bucket` or `/bucket/prefix`, kept as it is written."""
    assert PartnerSettings(name="acme", home=home).home == home


@pytest.mark.parametrize(
    "home",
    [
        "",
        "/",
        "acme",
        "s3://bucket/acme",
        "//acme",
        "/b-1/../other",
        "/b-1//x",
        "/b-1/",
        "/b-1/${transfer:Home}",
    ],
)
def test_other_homes_are_refused(home: str) -> None:
    """What the directory would not take is refused here, with the way to write it."""
    (said,) = problems_of(partners=partners(home)).values()
    assert said.startswith("the target ")
    assert "; " in said


@pytest.mark.parametrize("bucket", ["10.0.0.1", "a..b"])
def test_buckets_that_a_pattern_lets_through_are_refused(bucket: str) -> None:
    """IP addresses and two dots together are no bucket names."""
    (said,) = problems_of(landing={"bucket": bucket}).values()
    assert "which is no bucket name" in said


def test_a_home_not_said_is_a_folder_of_the_landing_bucket() -> None:
    """Without a home a partner has `/<landing bucket>/<name>`; the user name is filled in."""
    settings = Settings.model_validate(
        {"landing": {"bucket": "in" * 3}, "partners": partners(None, "/b-1/${transfer:UserName}/x")}
    )
    assert settings.home_of(settings.partners[0]).target == "/ininin/partner0"
    assert settings.home_of(settings.partners[1]).target == "/b-1/partner1/x"


def test_partner_names_are_those_of_transfer_family() -> None:
    """A name Transfer Family would refuse is refused here, with the rule."""
    (said,) = problems_of(partners=[{"name": "a/b"}]).values()
    assert said.startswith("'a/b' is no valid partner name; 3 to 100 letters")


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("copies", "'copies' must end in /"),
        ("/copies/", "'/copies/' starts with / or has an empty, . or .. step"),
        ("a/../b/", "'a/../b/' starts with / or has an empty, . or .. step"),
        ("/", "'/' starts with / or has an empty, . or .. step"),
        ("x" * 1024 + "/", "longer than 1024 characters"),
    ],
)
def test_prefixes_are_whole_steps(prefix: str, said: str) -> None:
    """A prefix ends in a slash, starts without one, and leads nowhere else."""
    targets = [OUTSIDE | {"prefix": prefix}]
    assert problems_of(deliveries={"targets": targets}) == {"deliveries.targets.0.prefix": said}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000", "https://objects.example.com/", "http://[::1]:5000"]
)
def test_endpoints_are_a_scheme_a_host_and_a_port(url: str) -> None:
    """An endpoint is kept as it is written."""
    assert Settings.model_validate({"aws": {"endpoint_url": url}}).aws.endpoint_url == url


@pytest.mark.parametrize(
    "url",
    [
        "localhost:9000",
        "ftp://host",
        "http://",
        "http://user:hidden@host",
        "http://host/path",
        "http://host?q",
        "http://host:port",
        "http://host:99999",
        "http://[::1",
        "http://ho st",
        "http://host\n",
        "http://host:0",
    ],
)
def test_other_endpoints_are_refused_unquoted(url: str) -> None:
    """What is no plain endpoint is refused, and not quoted, for it may hold a password."""
    said = "expected http://HOST or https://HOST, with a port if need be and nothing after it"
    assert problems_of(aws={"endpoint_url": url}) == {"aws.endpoint_url": said}


@pytest.mark.parametrize("name", ["~/host", "~root/host"])
def test_tildes_in_file_names_are_refused(name: str) -> None:
    """A tilde would be taken for a directory of that name, so it is refused."""
    said = "~ is not expanded; write the whole path"
    assert problems_of(sftp={"host_key_files": [name]}) == {"sftp.host_key_files.0": said}


def test_an_empty_file_name_is_refused() -> None:
    """'' would name the directory of the configuration."""
    said = "expected the name of a file"
    assert problems_of(sftp={"host_key_files": [""]}) == {"sftp.host_key_files.0": said}


def test_files_stay_as_they_are_without_a_directory() -> None:
    """Settings built in Python start relative names at the working directory, as usual."""
    settings = Settings.model_validate({"sftp": {"host_key_files": ["host"]}})
    assert settings.sftp.host_key_files == (Path("host"),)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("10.0.0.7", "10.0.0.7/32"),
        ("10.0.0.0/255.255.0.0", "10.0.0.0/16"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
    ],
)
def test_networks_are_kept_in_one_form(written: str, meant: str) -> None:
    """A single address is a network of one; the same network is always written alike."""
    settings = Settings.model_validate({"sftp": {"proxy_protocol_from": [written]}})
    assert settings.sftp.proxy_protocol_from == (meant,)


@pytest.mark.parametrize(
    "network", ["", "10.0.0.0/33", "10.0.0.1/24", "2001:db8::1/32", "balancer.example.com"]
)
def test_what_is_no_network_is_refused(network: str) -> None:
    """Nor is an address with the length of a network, which may mean either."""
    problems = problems_of(sftp={"proxy_protocol_from": [network]})
    assert list(problems) == ["sftp.proxy_protocol_from.0"]


def test_a_key_pair_is_given_whole() -> None:
    """One half of a key pair is refused at that half, naming the other."""
    assert problems_of(aws=ENDPOINT | {"access_key_id": "id"}) == {
        "aws.access_key_id": "aws.secret_access_key is missing; give both or neither"
    }
    assert problems_of(aws=ENDPOINT | {"secret_access_key": "x"}) == {
        "aws.secret_access_key": "aws.access_key_id is missing; give both or neither"
    }
    assert Settings.model_validate({"aws": ENDPOINT | KEY}).aws.access_key_id is not None


@pytest.mark.parametrize(
    "endpoint",
    [
        None,
        "https://s3.eu-central-1.amazonaws.com",
        "https://s3.cn-north-1.amazonaws.com.cn",
        "https://S3.AmazonAWS.com",
        "https://amazonaws.com.",
        "https://dynamodb.us-east-1.api.aws",
    ],
)
def test_keys_are_not_for_aws(endpoint: str | None) -> None:
    """With AWS, by default or by name, a role is used and keys are refused."""
    said = "only for an aws.endpoint_url that is not AWS's; with AWS use a role"
    assert problems_of(aws={"endpoint_url": endpoint} | KEY) == {"aws.access_key_id": said}


def test_the_buffers_hold_at_least_one_upload() -> None:
    """The budget may be one part and one window, and not a byte less."""
    uploads = {"part_size_bytes": 5 * 2**20, "reorder_window_bytes": 0, "buffer_budget_bytes": 5 * 2**20}
    assert Settings.model_validate({"uploads": uploads}).uploads.reorder_window_bytes == 0
    said = problems_of(uploads=uploads | {"reorder_window_bytes": 1})
    assert said == {
        "uploads.buffer_budget_bytes": "5242880 is below 5242881, which is uploads.part_size_bytes "
        "+ uploads.reorder_window_bytes: not one upload would fit"
    }


def test_the_landing_bucket_is_no_target() -> None:
    """A target in the landing bucket is refused whatever its prefix, with the reason."""
    targets = [OUTSIDE, {"name": "loop", "bucket": "tidegate-landing", "prefix": "elsewhere/"}]
    assert problems_of(deliveries={"targets": targets}) == {
        "deliveries.targets.1.bucket": "tidegate-landing is the landing bucket; "
        "copies would land among the uploads and be copied again"
    }


def test_targets_fit_into_one_transaction() -> None:
    """A file's record and all it owes are written at once, and DynamoDB takes 100 items."""
    targets = [{"name": f"t{n}", "bucket": f"outside-{n}"} for n in range(100)]
    assert len(Settings.model_validate({"deliveries": {"targets": targets[1:]}}).deliveries.targets) == 99
    assert problems_of(deliveries={"targets": targets}) == {
        "deliveries.targets": "100 targets; a file can be owed to 99 at most"
    }


@pytest.mark.parametrize(
    ("home", "prefix"),
    [
        ("/outside", ""),
        ("/outside/acme", ""),
        ("/outside", "in/"),
        ("/outside/in", "in/"),
        ("/outside/in", "in/x/"),
    ],
)
def test_a_target_does_not_overlap_a_home(home: str, prefix: str) -> None:
    """A home in another bucket is a source too: no target may lie in it or around it."""
    said = problems_of(partners=partners(home), deliveries={"targets": [OUTSIDE | {"prefix": prefix}]})
    assert said == {
        "deliveries.targets.0.bucket": f"copies overlap {home}, the home of partner0, "
        "and would land among the uploads and be copied again"
    }


@pytest.mark.parametrize(
    ("home", "prefix"), [("/outside/in", "out/"), ("/outside/in", "in2/"), ("/outside-2", "")]
)
def test_a_target_may_lie_beside_a_home(home: str, prefix: str) -> None:
    """Names that merely start alike are no overlap."""
    settings = {"partners": partners(home), "deliveries": {"targets": [OUTSIDE | {"prefix": prefix}]}}
    assert Settings.model_validate(settings).partners[0].home == home


def test_names_are_unique() -> None:
    """The second of two equal names is refused, naming the first."""
    twice = [OUTSIDE, OUTSIDE | {"bucket": "other"}]
    assert problems_of(deliveries={"targets": twice}) == {
        "deliveries.targets.1.name": "out is the name of deliveries.targets[0] already"
    }
    assert problems_of(partners=[{"name": "acme"}, {"name": "bolt"}, {"name": "acme"}]) == {
        "partners.2.name": "acme is the name of partners[0] already"
    }


def test_all_broken_rules_are_said_together() -> None:
    """One broken rule does not hide another; in Python they share one message."""
    broken = {"aws": {"access_key_id": "id"}, "partners": [{"name": "acme"}] * 2}
    assert set(problems_of(**broken)) == {"aws.access_key_id", "partners.1.name"}
    with pytest.raises(ValidationError, match=r"give both or neither; .*; acme is the name"):
        Settings.model_validate(broken)
