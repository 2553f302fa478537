"""Entries of a home that are single files: mappings of type FILE."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import AccessDenied, InvalidName, NotFound, WrongKind
from tidegate.core.homes import USER_NAME_VARIABLE
from tidegate.core.objects import Location
from tidegate.core.paths import HomeTree, MappedFile, MappedPlace, SyntheticDirectory, normalise
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType

FILE = MappingType.FILE
README = MappedFile("/docs/readme", Location("shared", "notes/read me.txt"))
HOME = Home(
    HomeDirectoryType.LOGICAL,
    "/",
    (Mapping("/in", "/landing/acme"), Mapping("/docs/readme", "/shared/notes/read me.txt", FILE)),
)


def tree(*overlay: Mapping) -> HomeTree:
    return HomeTree(HOME, "acme", overlay)


def test_it_is_one_object() -> None:
    """Its key is the target's, and nothing is put behind it."""
    place = tree().resolve("/docs/readme")
    assert place == README
    assert place.file_location() == Location("shared", "notes/read me.txt")
    assert (place.is_root_of_mapping, place.children, place.files) == (False, (), ())


def test_it_is_no_directory() -> None:
    """There is no prefix of it to list."""
    with pytest.raises(WrongKind):
        tree().resolve("/docs/readme").directory_prefix()


@pytest.mark.parametrize(
    "path", ["/docs/readme/x", "/docs/readme/x/y", "/docs/readm", "/docs/readme.", "/docs/x"]
)
def test_nothing_lies_below_or_beside_it(path: str) -> None:
    """No path goes on behind a file, and none reaches its neighbours in the bucket."""
    with pytest.raises(NotFound):
        tree().resolve(path)


def test_its_parents_show_it() -> None:
    """Above it are synthetic directories; the one it lies in tells it from directories."""
    assert tree().resolve("/") == SyntheticDirectory("/", ("docs", "in"))
    assert tree().resolve("/docs") == SyntheticDirectory("/docs", (), (README,))
    assert tree().synthetic_children("/docs") == ["readme"]
    assert README.name == "readme"


def test_the_user_name_stands_in_its_key() -> None:
    """As in the target of a directory; a name that would move it is refused."""
    home = Home(HomeDirectoryType.LOGICAL, "/", (Mapping("/r", f"/landing/{USER_NAME_VARIABLE}.txt", FILE),))
    assert HomeTree(home, "acme").resolve("/r").file_location() == Location("landing", "acme.txt")
    with pytest.raises(InvalidName):
        HomeTree(home, "../acme")


def test_a_route_over_the_whole_home_leaves_it_alone() -> None:
    """Of several mappings that cover a path the longest counts: the file stands in the route's place."""
    over = tree(Mapping("/", "/bank/acme"))
    assert over.resolve("/docs/readme") == README
    place = over.resolve("/docs")
    assert place == MappedPlace("/docs", Location("bank", "acme/docs"), True, (), (README,))
    assert over.resolve("/docs/x").file_location() == Location("bank", "acme/docs/x")
    with pytest.raises(NotFound):
        over.resolve("/docs/readme/x")


def test_a_route_at_its_name_takes_its_place() -> None:
    """What an operator lays over a home is a directory."""
    place = tree(Mapping("/docs/readme", "/bank/acme")).resolve("/docs/readme/x")
    assert place.file_location() == Location("bank", "acme/x")


def test_a_route_below_its_name_makes_a_directory_of_it() -> None:
    """A name cannot be a file and have entries; the operator's word counts for more than the home's."""
    over = tree(Mapping("/docs/readme/pay", "/bank/pay"))
    assert over.resolve("/docs/readme") == SyntheticDirectory("/docs/readme", ("pay",))
    assert over.resolve("/docs/readme/pay/x").file_location() == Location("bank", "pay/x")
    with pytest.raises(NotFound):
        over.resolve("/docs/readme/x")


# --- whatever the input: no key outside the mappings ------------------------------------------------

NASTY = [
    "..",
    ".",
    "",
    "...",
    "%2e%2e",
    "%2E%2E%2F",
    "..\\",
    "\\",
    "..%00",
    " ",
    "a ",
    "a.",
    "+",
    "?",
    "a?b",
    "#",
    ";",
    "*",
    "${transfer:UserName}",
    "\n",
    "\r\n",
    "\x01",
    "\x7f",
    "é",
    "e\u0301",
    "\uff0e\uff0e",
    "\u2025",
    "😀",
    "~",
    "a" * 300,
]
names = st.one_of(
    st.sampled_from([each for each in NASTY if each not in ("", ".", "..")]),
    st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1, max_size=8),
).filter(lambda name: name not in (".", "..") and "$" not in name and name.isprintable())
entries = st.lists(st.lists(names, min_size=1, max_size=3), min_size=1, max_size=5)
buckets = st.sampled_from(["landing", "b-1", "my.bucket"])


@st.composite
def homes(draw: st.DrawFn) -> tuple[Home, tuple[Mapping, ...]]:
    """Homes of both types, with directories and files, and what an operator lays over them."""

    def target() -> str:
        return "/" + "/".join([draw(buckets), *draw(st.lists(names, min_size=1, max_size=3))])

    drawn = sorted(draw(entries))
    disjoint = [each for at, each in enumerate(drawn) if not any(each[: len(b)] == b for b in drawn[:at])]
    mappings = tuple(
        Mapping("/" + "/".join(each), target(), draw(st.sampled_from(MappingType))) for each in disjoint
    )
    overlay = tuple(
        Mapping("/" + "/".join(each), target())
        for each in draw(st.lists(st.lists(names, max_size=3), max_size=2))
    )
    logical = Home(HomeDirectoryType.LOGICAL, "/", mappings)
    home = draw(st.sampled_from([logical, Home.chroot(target()), Home(HomeDirectoryType.PATH, target())]))
    return home, () if home.type is HomeDirectoryType.PATH else overlay


def _raw(draw: st.DrawFn, known: list[str]) -> bytes:
    """Return bytes of a path: often one that begins as an entry does."""
    parts = draw(st.lists(st.one_of(st.sampled_from(NASTY), st.binary(max_size=6)), max_size=6))
    begun = draw(st.sampled_from(["", "/", *known]))
    return b"/".join(
        [begun.encode(), *(each if isinstance(each, bytes) else each.encode() for each in parts)]
    )


@given(homes(), st.data())
def test_no_bytes_reach_a_key_outside_the_mappings(
    drawn: tuple[Home, tuple[Mapping, ...]], data: st.DataObject
) -> None:
    """Each key is a target's prefix, or begins with it and a slash; of a file it is the target itself."""
    home, overlay = drawn
    grown = HomeTree(home, "acme", overlay)
    laid = [*home.mappings, *overlay]
    raw = data.draw(st.composite(lambda draw: _raw(draw, [each.entry for each in laid]))())
    try:
        place = grown.resolve(normalise(raw, grown.start_directory))
    except (NotFound, AccessDenied, InvalidName):
        return
    reached = [] if isinstance(place, SyntheticDirectory) else [(place, place.location)]
    reached += [(file, file.location) for file in place.files]
    for what, location in reached:
        told = f"/{location.bucket}/{location.key}".removesuffix("/")
        if isinstance(what, MappedFile):
            assert told in {each.target for each in laid if each.type is FILE}
            continue
        targets = {each.target for each in laid if each.type is not FILE} or {home.directory}
        assert any(told == target or told.startswith(f"{target}/") for target in targets)
        assert not {"..", ".", ""} & set(told[1:].split("/"))
        assert len(location.key.encode()) <= 1024


@given(homes(), st.data())
def test_the_key_is_the_longest_entrys_target_and_the_rest_of_the_path(
    drawn: tuple[Home, tuple[Mapping, ...]], data: st.DataObject
) -> None:
    """What a path of plain names reaches is computed here a second way, and is the same."""
    home, overlay = drawn
    grown = HomeTree(home, "acme", overlay)
    own = home.mappings or (Mapping(home.directory, home.directory),)
    laid = {each.entry: each for each in own} | {each.entry: each for each in overlay}
    begun = data.draw(st.sampled_from([*laid, ""]))
    path = "/".join([begun.removesuffix("/"), *data.draw(st.lists(names, max_size=3))]) or "/"
    covering = [
        each
        for entry, each in laid.items()
        if (path == entry or path.startswith(f"{entry.removesuffix('/')}/"))
        and (each.type is not FILE or not any(other.startswith(f"{entry}/") for other in laid))
    ]
    try:
        place = grown.resolve(path)
    except (NotFound, AccessDenied, InvalidName):
        longest = max(covering, key=lambda each: len(each.entry), default=None)
        is_below_a_file = longest is not None and longest.type is FILE and path != longest.entry
        is_too_long = longest is not None and len(longest.target.encode()) + len(path.encode()) > 1024
        assert not covering or is_below_a_file or is_too_long
        return
    if isinstance(place, SyntheticDirectory):
        assert not covering
        return
    longest = max(covering, key=lambda each: len(each.entry))
    rest = path.removeprefix(longest.entry.removesuffix("/")) if path != longest.entry else ""
    assert f"/{place.location.bucket}/{place.location.key}" == longest.target + rest
    assert isinstance(place, MappedFile) == (longest.type is FILE)
