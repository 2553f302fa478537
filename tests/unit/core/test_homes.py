"""Facts about core/homes.py: what an administrator may write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import InvalidName
from tidegate.core.homes import (
    USER_NAME_VARIABLE,
    check_home,
    check_transfer_home,
    home_from_target,
    leads_alike,
)
from tidegate.core.paths import HomeTree
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType


def path_home(directory: str) -> Home:
    return Home(HomeDirectoryType.PATH, directory)


def logical(*pairs: tuple[str, str], directory: str = "/") -> Home:
    return Home(HomeDirectoryType.LOGICAL, directory, tuple(Mapping(*pair) for pair in pairs))


def with_file(entry: str, target: str, *others: tuple[str, str], directory: str = "/") -> Home:
    mappings = (Mapping(entry, target, MappingType.FILE), *(Mapping(*pair) for pair in others))
    return Home(HomeDirectoryType.LOGICAL, directory, mappings)


@pytest.mark.parametrize(
    "target",
    [
        "/landing",
        "/landing/a",
        "/landing/a b/ü/..x/%2e%2e/+",
        "/a-b.c-1",
        "/abc",
        "/" + "b" * 63,
        "/alias-metadata-s3alias/x",
        f"/landing/{USER_NAME_VARIABLE}",
        f"/{USER_NAME_VARIABLE}-landing",
        "/landing/" + "x" * 1015,
    ],
)
def test_usable_targets_are_accepted_as_typed(target: str) -> None:
    """A bucket, or a bucket and a prefix, becomes a chroot of just that text."""
    assert home_from_target(target) == Home.chroot(target)
    assert check_home(path_home(target)) == path_home(target)


BAD_TARGETS = [
    ("", "slash"),
    ("landing/a", "slash"),
    ("s3://landing/a", "slash"),
    ("/", "names no bucket"),
    ("//landing", "component"),
    ("/landing//a", "component"),
    ("/landing/./a", "component"),
    ("/landing/..", "component"),
    ("/landing/../other", "component"),
    ("/../other", "component"),
    ("/La", "bucket name"),
    ("/Landing/a", "bucket name"),
    ("/ab/a", "bucket name"),
    ("/" + "b" * 64, "bucket name"),
    ("/land_ing/a", "bucket name"),
    ("/-landing", "bucket name"),
    ("/landing-", "bucket name"),
    ("/lan..ding", "bucket name"),
    ("/192.168.0.1/a", "bucket name"),
    ("/länding/a", "bucket name"),
    ("/arn:aws:s3:::landing/a", "bucket name"),
    ("/landing/a\0b", "control"),
    ("/landing/a\nb", "control"),
    ("/landing\n", "control"),
    ("/landing/\ud800", "UTF-8"),
    ("/landing/" + "x" * 1016, "1024"),
    ("/landing/" + "ü" * 508, "1024"),
    ("/landing/${transfer:HomeFolder}", "variable"),
    ("/landing/${Transfer:username}", "variable"),
]


@pytest.mark.parametrize(("target", "reason"), BAD_TARGETS)
def test_unusable_targets_are_refused_with_the_reason_and_a_cure(target: str, reason: str) -> None:
    """The same rules hold for the target of a mapping and for the directory of a PATH home."""
    for home in (Home.chroot(target), path_home(target)):
        if home.type is HomeDirectoryType.PATH and target == "":
            continue  # means "/"
        with pytest.raises(InvalidName) as caught:
            check_home(home)
        assert reason in caught.value.detail
        assert caught.value.hint or reason == "UTF-8"
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("directory", ["", "/"])
def test_an_administrator_cannot_give_a_path_home_without_a_bucket(directory: str) -> None:
    """Transfer Family would let it pass; the user could do nothing with it."""
    with pytest.raises(InvalidName, match="names no bucket"):
        check_home(path_home(directory))


def test_a_target_must_not_end_in_a_slash() -> None:
    """AWS accepts such a target and then refuses the login; we say so at once, and how to write it."""
    with pytest.raises(InvalidName, match="without a slash at the end"):
        home_from_target("/landing/a/")
    with pytest.raises(InvalidName):
        home_from_target("/landing/")


@pytest.mark.parametrize("typed", [" /landing", "/landing/a ", "/landing/a\n", "\t/landing"])
def test_blanks_around_a_typed_target_are_refused(typed: str) -> None:
    """A blank at the end would silently be part of every key."""
    with pytest.raises(InvalidName, match="blanks"):
        home_from_target(typed)


@pytest.mark.parametrize(
    "entries",
    [
        ("/", "/in"),
        ("/in", "/"),
        ("/", "/"),
        ("/in", "/in"),
        ("/in", "/in/day"),
        ("/a/b/c", "/x", "/a/b"),
        ("/a", "/a!", "/a/b"),
    ],
)
def test_entries_must_not_overlap(entries: tuple[str, ...]) -> None:
    """No entry lies at or below another, and so `/` is always the only one."""
    with pytest.raises(InvalidName, match="at or below"):
        check_home(logical(*[(entry, "/landing/x") for entry in entries]))


@pytest.mark.parametrize("entries", [("/in", "/inbox"), ("/a/b", "/a/c"), ("/a", "/a ", "/a.b", "/b/a")])
def test_entries_that_only_begin_alike_do_not_overlap(entries: tuple[str, ...]) -> None:
    """Overlap is a matter of whole components."""
    home = logical(*[(entry, "/landing/x") for entry in entries])
    assert check_home(home) is home


@pytest.mark.parametrize(
    "entry",
    ["", "in", "/in/", "//", "//in", "/in//x", "/.", "/..", "/in/../x", "/a\0", "/a\nb", "/" + "x" * 1024],
)
def test_an_entry_must_be_a_plain_absolute_path(entry: str) -> None:
    """An entry that no normalised path could match is refused."""
    with pytest.raises(InvalidName):
        check_home(logical((entry, "/landing/x"), ("/other", "/landing/y")))


@pytest.mark.parametrize("directory", ["/in", "/in/", "/in/deep", "/out/day", "/", ""])
def test_a_logical_directory_lies_under_a_mapping_or_is_the_root(directory: str) -> None:
    """`/` always exists, and is where AWS starts when nothing is said."""
    home = logical(("/in", "/landing/in"), ("/out/day", "/landing/out"), directory=directory)
    assert check_home(home) is home
    HomeTree(home, "bob").resolve(HomeTree(home, "bob").start_directory)


@pytest.mark.parametrize(
    "directory", ["/i", "/inn", "/out", "/out/days", "in", "/in/..", "/in//x", "/landing/in"]
)
def test_a_logical_directory_elsewhere_is_refused(directory: str) -> None:
    """A session could not start there."""
    with pytest.raises(InvalidName):
        check_home(logical(("/in", "/landing/in"), ("/out/day", "/landing/out"), directory=directory))


def test_a_logical_home_needs_mappings_and_a_path_home_has_none() -> None:
    """A forgotten type would otherwise leave a user unconfined, or nowhere."""
    with pytest.raises(InvalidName, match="no mappings"):
        check_home(logical())
    with pytest.raises(InvalidName, match="set the type to LOGICAL"):
        check_home(Home(HomeDirectoryType.PATH, "/landing", (Mapping("/", "/landing/bob"),)))


@pytest.mark.parametrize(
    "home",
    [
        logical(),
        Home.chroot("/landing/bob/"),
        Home.chroot("/landing/../other"),
        Home.chroot("/"),
        logical(("/", "/landing"), ("/in", "/other")),
        logical(("/in", "/landing"), directory="/out"),
        path_home("/landing/../other"),
        path_home("/Bad_Bucket"),
        path_home("landing"),
    ],
)
def test_no_tree_grows_from_a_home_that_would_be_refused(home: Home) -> None:
    """A home that came from elsewhere unchecked is refused at login instead of being guessed at."""
    with pytest.raises(InvalidName):
        HomeTree(home, "bob")


@given(
    st.text(max_size=30),
    st.text(max_size=30),
    st.text(max_size=30),
    st.sampled_from(HomeDirectoryType),
    st.sampled_from(MappingType),
)
def test_a_home_is_accepted_or_refused_never_an_accident(
    directory: str, entry: str, target: str, kind: HomeDirectoryType, of: MappingType
) -> None:
    """Any text gives a usable home or InvalidName, and an accepted one makes a tree."""
    home = Home(kind, directory, (Mapping(entry, target, of),) if kind is HomeDirectoryType.LOGICAL else ())
    try:
        check_home(home)
    except InvalidName:
        return
    tree = HomeTree(home, "bob")
    tree.resolve(tree.start_directory)


# --- entries that are files -------------------------------------------------------------------


def test_a_file_may_stand_beside_directories() -> None:
    """The target of a FILE is a bucket and a key, whatever names they are."""
    home = with_file("/docs/readme.txt", f"/landing/docs/{USER_NAME_VARIABLE}.txt", ("/in", "/landing"))
    assert check_home(home) is home


@pytest.mark.parametrize(
    ("home", "reason"),
    [
        (with_file("/", "/landing/readme"), "the entry / cannot be a FILE"),
        (with_file("/readme", "/landing"), "names no key"),
        (with_file("/readme", "/landing/"), "component"),
        (with_file("/readme", "/landing/dir/"), "component"),
        (with_file("/readme", "/landing/x", ("/readme/below", "/landing/y")), "at or below"),
        (with_file("/in/readme", "/landing/x", ("/in", "/landing/y")), "at or below"),
        (with_file("/readme", "/landing/x", ("/in", "/landing"), directory="/readme"), "at or below a FILE"),
        (
            with_file("/readme", "/landing/x", ("/in", "/landing"), directory="/readme/x"),
            "at or below a FILE",
        ),
    ],
)
def test_files_that_cannot_be_are_refused(home: Home, reason: str) -> None:
    """The root is no file, a file has a key, nothing lies below it, and no session starts in it."""
    with pytest.raises(InvalidName, match=reason) as caught:
        check_home(home)
    assert caught.value.hint
    with pytest.raises(InvalidName):
        HomeTree(home, "bob")


def test_a_session_may_start_above_a_file() -> None:
    """Not only `/` and what lies in a directory's mapping: but there must be a mapping that covers it."""
    with pytest.raises(InvalidName, match="under no mapping"):
        check_home(with_file("/docs/readme", "/landing/x", directory="/docs"))


@pytest.mark.parametrize("directory", ["", "/"])
def test_a_home_that_leads_nowhere_is_transfer_familys(directory: str) -> None:
    """Who creates a user without a home gets one; whoever writes a home here must name a bucket."""
    assert check_transfer_home(path_home(directory)) == path_home(directory)
    with pytest.raises(InvalidName):
        check_home(path_home(directory))


@pytest.mark.parametrize("home", [path_home("landing"), logical(("/", "/")), logical()])
def test_other_homes_are_held_to_the_same_rules(home: Home) -> None:
    """Nothing else passes that `check_home` refuses."""
    with pytest.raises(InvalidName):
        check_transfer_home(home)


def test_homes_that_lead_alike() -> None:
    """A start that was not named is `/`; a slash at its end says nothing."""
    mapped = ("/in", "/landing/in")
    assert leads_alike(logical(mapped, directory=""), logical(mapped))
    assert leads_alike(path_home("/landing/"), path_home("/landing"))
    assert not leads_alike(logical(mapped), logical(mapped, directory="/in"))
    assert not leads_alike(logical(mapped), path_home("/"))
