"""Routes: forms, and the rules between them and the rest."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tidegate.settings import Settings
from tidegate.settings.words import problems_in

OUTSIDE = {"name": "out", "bucket": "outside"}


def route(**settings: Any) -> dict[str, Any]:
    return {"name": "a", **settings}


def routed(*routes: dict[str, Any], **sections: Any) -> Settings:
    return Settings.model_validate({"routes": routes, **sections})


def problems_of(*routes: dict[str, Any], **sections: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        routed(*routes, **sections)
    return {".".join(map(str, problem.at)): problem.text for problem in problems_in(caught.value)}


def test_a_route_changes_nothing_that_it_does_not_say() -> None:
    """A name alone is a route of everybody's files to where they go anyway."""
    (found,) = routed(route()).routes
    assert (found.partners, found.path, found.bucket, found.prefix) == (("*",), "/", None, "")
    assert (found.kms_key, found.storage_class, found.tags, found.deliver_to) == (None, "STANDARD", {}, None)


@pytest.mark.parametrize("path", ["/", "/in", "/in/daily", "/with blank", "/ü"])
def test_paths_are_as_partners_see_them(path: str) -> None:
    """Any directory a mapping may have is one of a route."""
    assert routed(route(path=path)).routes[0].path == path


@pytest.mark.parametrize(
    "path", ["", "in", "/in/", "//", "/a//b", "/a/../b", "/.", "/a\0b", "/a\nb", "/" + "x" * 1024]
)
def test_other_paths_are_refused_as_those_of_mappings(path: str) -> None:
    """A path that no mapping could have is refused here, and not at some partner's login."""
    assert list(problems_of(route(path=path))) == ["routes.0.path"]


@pytest.mark.parametrize("pattern", ["*", "acme-*", "a?c", "acme.eu@x_1-2"])
def test_patterns_are_names_with_wildcards(pattern: str) -> None:
    """Whatever a name may hold, and the two wildcards."""
    assert routed(route(partners=[pattern])).routes[0].partners == (pattern,)


@pytest.mark.parametrize("pattern", ["", "[ab]", "a b", "a/b", "ü*", "x" * 101])
def test_other_patterns_are_refused(pattern: str) -> None:
    """What cannot match a name, or would mean more than it seems to, is refused."""
    assert list(problems_of(route(partners=[pattern]))) == ["routes.0.partners.0"]


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({f"k{number}": "" for number in range(11)}, "11 tags; S3 takes 10"),
        ({"": "x"}, "'': a key has 1 to 128 characters, a value at most 256"),
        ({"k": "x" * 257}, "'k': a key has 1 to 128 characters, a value at most 256"),
        ({"AWS:x": "y"}, "'AWS:x': tags that begin with aws: are AWS's own"),
        (
            {"k": "a#b"},
            "'a#b': S3 takes letters, digits, blanks and + - = . _ : / @ in tags",
        ),
        (
            {"a\nb": ""},
            "'a\\nb': S3 takes letters, digits, blanks and + - = . _ : / @ in tags",
        ),
    ],
)
def test_tags_are_those_that_s3_takes(tags: dict[str, str], said: str) -> None:
    """A tag that S3 would refuse with the first upload is refused at once."""
    assert problems_of(route(tags=tags)) == {"routes.0.tags": said}


def test_ten_tags_with_all_that_is_allowed_in_them() -> None:
    """The bounds themselves are within."""
    tags = {f"k{number}": "" for number in range(8)} | {"k" * 128: "x" * 256, "Ä +-=.:/@": "ß 1"}
    assert routed(route(tags=tags)).routes[0].tags == tags


def test_storage_classes_are_those_that_can_be_read_at_once() -> None:
    """A class from which files have to be restored first is none for deliveries."""
    assert routed(route(storage_class="STANDARD_IA")).routes[0].storage_class == "STANDARD_IA"
    assert list(problems_of(route(storage_class="DEEP_ARCHIVE"))) == ["routes.0.storage_class"]


def test_a_prefix_needs_a_bucket() -> None:
    """A prefix in no bucket leads nowhere."""
    assert problems_of(route(prefix="in/")) == {
        "routes.0.prefix": "needs a bucket: write routes[0].bucket, too"
    }


def test_names_of_routes_are_unique() -> None:
    """The second of two equal names is refused, naming the first."""
    assert problems_of(route(path="/x"), route(path="/y")) == {
        "routes.1.name": "a is the name of routes[0] already"
    }


def test_targets_of_a_route_are_known() -> None:
    """A target that is not there is told with those that are; none at all is allowed."""
    deliveries = {"targets": [OUTSIDE, {"name": "far", "bucket": "far-away"}]}
    assert problems_of(route(deliver_to=["out", "fra"]), deliveries=deliveries) == {
        "routes.0.deliver_to.1": "fra is no target; known are out, far"
    }
    assert routed(route(deliver_to=["far"]), deliveries=deliveries).routes[0].deliver_to == ("far",)
    assert routed(route(deliver_to=[])).routes[0].deliver_to == ()
    (said,) = problems_of(route(deliver_to=["x"]), deliveries={"targets": []}).values()
    assert said == "x is no target; known are none"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({}, {"path": "/in", "partners": ["acme"]}),
        ({"path": "/in"}, {"path": "/in/daily"}),
        ({"path": "/in"}, {"path": "/in"}),
        ({"partners": ["acme", "bolt"]}, {"partners": ["bolt"], "path": "/x"}),
    ],
)
def test_a_route_that_never_counts_is_refused(first: dict[str, Any], second: dict[str, Any]) -> None:
    """A route behind one that takes all its files is a mistake in their order."""
    assert problems_of(route(**first), {**second, "name": "b"}) == {
        "routes.1": "never counts: a stands before it and takes all it would match"
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"path": "/in"}, {}),
        ({"path": "/in"}, {"path": "/in2"}),
        ({"path": "/in/daily"}, {"path": "/in"}),
        ({"partners": ["acme"]}, {"partners": ["acme", "bolt"]}),
        ({"partners": ["acme"]}, {}),
    ],
)
def test_the_narrower_route_stands_first(first: dict[str, Any], second: dict[str, Any]) -> None:
    """What is left for the second is enough."""
    assert len(routed(route(**first), {**second, "name": "b"}).routes) == 2


@pytest.mark.parametrize(
    ("prefix", "target"),
    [
        ("", ""),
        ("", "in/"),
        ("in/", ""),
        ("in/", "in/"),
        ("in/", "in/x/"),
        ("in/x/", "in/"),
        ("${transfer:UserName}/", "anything/"),
        ("in-${transfer:UserName}/", "in-acme/"),
        ("in/${transfer:UserName}/x/", "in/"),
    ],
)
def test_a_target_does_not_overlap_a_route(prefix: str, target: str) -> None:
    """Where a route leads, files land; no target may lie in it or around it, whoever the partner is."""
    (said,) = problems_of(
        route(bucket="outside", prefix=prefix), deliveries={"targets": [OUTSIDE | {"prefix": target}]}
    ).items()
    shown = f"/outside/{prefix}".rstrip("/")
    why = "where the route a leads, and would land among the uploads and be copied again"
    assert said == ("deliveries.targets.0.bucket", f"copies overlap {shown}, {why}")


@pytest.mark.parametrize(
    ("bucket", "prefix", "target"),
    [
        ("outside", "in/", "in2/"),
        ("outside", "in-${transfer:UserName}/", "out/"),
        ("outside", "in/${transfer:UserName}/", "in2/"),
        ("outside-2", "", ""),
    ],
)
def test_a_target_may_lie_beside_a_route(bucket: str, prefix: str, target: str) -> None:
    """Names that merely start alike are no overlap."""
    targets = [OUTSIDE | {"prefix": target}]
    settings = routed(route(bucket=bucket, prefix=prefix), deliveries={"targets": targets})
    assert settings.routes[0].bucket == bucket
