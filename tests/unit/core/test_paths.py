"""Facts about core/paths.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import AccessDenied, InvalidName, NotFound, WrongKind
from tidegate.core.homes import USER_NAME_VARIABLE, check_home
from tidegate.core.objects import Location
from tidegate.core.paths import HomeTree, MappedPlace, SyntheticDirectory, normalise
from tidegate.core.users import Home, HomeDirectoryType, Mapping

NASTY = [
    "..",
    ".",
    "...",
    "%2e%2e",
    "%2E%2e%2f",
    "..\\",
    "a\\..\\b",
    "\\",
    " ",
    " lead",
    "trail ",
    "dot.",
    "+",
    "a+b",
    "?",
    "a?b=c",
    "#",
    "~",
    "*",
    "$(id)",
    USER_NAME_VARIABLE,
    "new\nline",
    "\r",
    "\x01",
    "\x7f",
    "é",
    "e\u0301",
    "\u202e",
    "\u2028",
    "\uff0e\uff0e",
    "\U0001f600",
    "-rf",
    ".hidden",
    "a:b",
]

names = st.one_of(
    st.sampled_from([each for each in NASTY if each not in (".", "..")]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12),
).filter(lambda name: name not in (".", ".."))
words = st.text("abAB01-_.~ é%+", min_size=1, max_size=6).filter(lambda name: name not in (".", ".."))
buckets = st.sampled_from(["landing", "abc", "my.bucket-1", "0-9"])
targets = st.builds(
    lambda bucket, rest: "/" + "/".join([bucket, *rest]), buckets, st.lists(words, max_size=3)
)
raw_paths = st.one_of(
    st.binary(max_size=40),
    st.lists(st.one_of(st.sampled_from(NASTY), st.just(""), words), max_size=8).flatmap(
        lambda parts: st.sampled_from(["/".join(parts).encode(), ("/" + "/".join(parts)).encode()])
    ),
)


def path_home(directory: str) -> Home:
    return Home(HomeDirectoryType.PATH, directory)


def logical(*pairs: tuple[str, str], directory: str = "/") -> Home:
    return Home(HomeDirectoryType.LOGICAL, directory, tuple(Mapping(*pair) for pair in pairs))


@st.composite
def logical_homes(draw: st.DrawFn) -> Home:
    """Homes with disjoint entries, one level or two deep."""
    tops = draw(st.lists(words, min_size=1, max_size=4, unique=True))
    pairs = []
    for top in tops:
        deep = draw(st.lists(words, max_size=2, unique=True))
        entries = [f"/{top}/{name}" for name in deep] or [f"/{top}"]
        pairs += [(entry, draw(targets)) for entry in entries]
    return logical(*pairs) if draw(st.booleans()) else Home.chroot(draw(targets))


path_homes = targets.map(path_home)
homes = st.one_of(logical_homes(), path_homes)


def entries_of(home: Home) -> list[tuple[str, str]]:
    if home.type is HomeDirectoryType.PATH:
        return [(home.directory, home.directory)]
    return [(mapping.entry, mapping.target) for mapping in home.mappings]


def parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


# --- normalise -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "start", "expected"),
    [
        (b"", "/", "/"),
        (b"", "/home/bob", "/home/bob"),
        (b".", "/home/bob", "/home/bob"),
        (b"./", "/", "/"),
        (b"/", "/home", "/"),
        (b"//", "/home", "/"),
        (b"///a////b//", "/home", "/a/b"),
        (b"a", "/", "/a"),
        (b"a/b", "/in", "/in/a/b"),
        (b"a/./b/.", "/in", "/in/a/b"),
        (b"..", "/", "/"),
        (b"..", "/in/x", "/in"),
        (b"../..", "/in/x", "/"),
        (b"../../../../etc/passwd", "/in", "/etc/passwd"),
        (b"/../../..", "/in", "/"),
        (b"/a/../../b", "/in", "/b"),
        (b"/a/b/../c", "/", "/a/c"),
        (b"/a/b/..", "/", "/a"),
        (b"/./../.", "/", "/"),
        (b"...", "/", "/..."),
        (b"/.../x", "/", "/.../x"),
        (b"/a/..b/c..", "/", "/a/..b/c.."),
        (b"/%2e%2e/%2e%2e/x", "/", "/%2e%2e/%2e%2e/x"),
        (b"/a%2fb", "/", "/a%2fb"),
        (b"..\\..\\x", "/in", "/in/..\\..\\x"),
        (b"/C:\\x", "/", "/C:\\x"),
        (b"/a b ", "/", "/a b "),
        (b"/ / ", "/", "/ / "),
        (b"/a./b. ", "/", "/a./b. "),
        (b"/a+b?c#d&e=f", "/", "/a+b?c#d&e=f"),
        (b"~", "/in", "/in/~"),
        (b"~/x", "/in", "/in/~/x"),
        (b"/new\nline\r\t\x01\x7f", "/", "/new\nline\r\t\x01\x7f"),
        ("/Prüfung/𝄞".encode(), "/", "/Prüfung/𝄞"),
        ("/e\u0301".encode(), "/", "/e\u0301"),  # not composed to é
        ("/\uff0e\uff0e/x".encode(), "/", "/\uff0e\uff0e/x"),  # full-width dots climb nowhere
        ("/\ufeffx".encode(), "/", "/\ufeffx"),
        (b"${transfer:UserName}", "/", "/${transfer:UserName}"),
    ],
)
def test_normalise_keeps_components_and_knows_only_dots_and_slashes(
    path: bytes, start: str, expected: str
) -> None:
    """Dots and empty components go, `..` climbs as far as `/`, every other component is kept as it is."""
    assert normalise(path, start) == expected


@pytest.mark.parametrize(
    "path",
    [
        b"\xff",
        b"/caf\xe9",  # Latin-1
        b"/a/\xc0\xae\xc0\xae/b",  # overlong ".."
        b"/a\xc0\xafb",  # overlong "/"
        b"/\xed\xa0\x80",  # a surrogate
        b"/\xf4\x90\x80\x80",  # above U+10FFFF
        b"/cut\xe2\x82",
        b"a\0b",
        b"/a/\0",
        b"\0",
        b"/ok/../\0/..",
    ],
)
def test_normalise_refuses_what_cannot_be_a_name(path: bytes) -> None:
    """Bytes that are not UTF-8, in any disguise, and NUL are refused."""
    with pytest.raises(InvalidName):
        normalise(path, "/")


def test_a_refusal_does_not_repeat_a_huge_path() -> None:
    """The message of a refused path of a megabyte stays short."""
    for path in (b"\xff" * 1_000_000, b"\0" * 1_000_000):
        with pytest.raises(InvalidName) as caught:
            normalise(path, "/")
        assert len(str(caught.value)) < 2000


@given(raw_paths, st.lists(words, max_size=3))
def test_normalise_is_idempotent_and_returns_only_plain_paths(path: bytes, start: list[str]) -> None:
    """What comes out is absolute, plain, and comes out again unchanged."""
    try:
        result = normalise(path, "/" + "/".join(start))
    except InvalidName:
        return
    assert result == "/" or not result.endswith("/")
    assert result.startswith("/")
    assert not {"", ".", ".."} & set(result[1:].split("/")) or result == "/"
    assert normalise(result.encode(), "/elsewhere") == result


@given(st.lists(names, max_size=6), st.lists(words, max_size=3))
def test_normalise_keeps_clean_components_byte_for_byte(components: list[str], start: list[str]) -> None:
    """A path of real names is returned with exactly these names."""
    absolute = "/" + "/".join(components)
    assert normalise(absolute.encode(), "/x") == absolute
    relative = normalise("/".join(components).encode(), "/" + "/".join(start))
    assert parts(relative) == start + components


@given(st.lists(st.one_of(names, st.just(".."), st.just(".")), max_size=10))
def test_dot_dot_takes_away_at_most_what_was_there(components: list[str]) -> None:
    """`..` is a step back in the list of names, and nothing at its start."""
    expected: list[str] = []
    for each in components:
        if each == "..":
            expected = expected[:-1]
        elif each != ".":
            expected = [*expected, each]
    assert normalise(("/" + "/".join(components)).encode(), "/s") == "/" + "/".join(expected)


# --- following: LOGICAL -----------------------------------------------------------------------

TWO_WAY = logical(("/out/day", "/landing/out"), ("/inbox", "/other"), ("/in", "/landing/bob/in"))


@pytest.mark.parametrize(
    ("path", "bucket", "key", "is_root"),
    [
        ("/in", "landing", "bob/in", True),
        ("/in/a", "landing", "bob/in/a", False),
        ("/in/a/b c/%2e%2e", "landing", "bob/in/a/b c/%2e%2e", False),
        ("/in/${transfer:UserName}", "landing", "bob/in/${transfer:UserName}", False),
        ("/inbox", "other", "", True),
        ("/inbox/a", "other", "a", False),
        ("/out/day", "landing", "out", True),
        ("/out/day/x", "landing", "out/x", False),
    ],
)
def test_a_mapping_leads_its_paths_below_its_target(path: str, bucket: str, key: str, is_root: bool) -> None:
    """The key is the target's prefix and the components below the entry; `/in` does not catch `/inbox`."""
    assert HomeTree(TWO_WAY, "bob").resolve(path) == MappedPlace(path, Location(bucket, key), is_root)


@pytest.mark.parametrize(
    ("path", "children"), [("/", ["in", "inbox", "out"]), ("/out", ["day"]), ("/in", []), ("/in/deep", [])]
)
def test_ancestors_of_entries_are_synthetic_directories(path: str, children: list[str]) -> None:
    """Above the entries stand directories that hold just the next names; inside mappings there are none."""
    tree = HomeTree(TWO_WAY, "bob")
    assert tree.synthetic_children(path) == children
    if children:
        assert tree.resolve(path) == SyntheticDirectory(path, tuple(children))


@pytest.mark.parametrize(
    "path", ["/i", "/In", "/in ", "/in.", "/file", "/out/da", "/out/days", "/landing/bob/in"]
)
def test_what_no_mapping_covers_is_not_found(path: str) -> None:
    """A name beside the entries is NO_SUCH_FILE, as Transfer Family answers, also for the real path."""
    tree = HomeTree(TWO_WAY, "bob")
    with pytest.raises(NotFound):
        tree.resolve(path)
    with pytest.raises(NotFound):
        tree.synthetic_children(path)


def test_a_chroot_shows_its_target_as_the_root() -> None:
    """The entry `/` leads everything below its target, and its root is the mapping's root."""
    tree = HomeTree(Home.chroot("/landing/bob"), "bob")
    assert tree.resolve("/") == MappedPlace("/", Location("landing", "bob"), True)
    assert tree.resolve("/a/b") == MappedPlace("/a/b", Location("landing", "bob/a/b"), False)
    assert tree.start_directory == "/"


def test_a_chroot_to_a_whole_bucket_has_no_prefix() -> None:
    """With a bucket as the target, the root's key is empty and a file's key has no leading slash."""
    tree = HomeTree(Home.chroot("/landing"), "bob")
    assert tree.resolve("/") == MappedPlace("/", Location("landing", ""), True)
    assert tree.resolve("/a").file_location() == Location("landing", "a")
    assert tree.resolve("/").directory_prefix() == ("landing", "")


def test_the_user_name_is_put_into_targets_and_not_looked_at_again() -> None:
    """Each occurrence is replaced in one pass; the entry is left alone."""
    home = logical((f"/{USER_NAME_VARIABLE}", f"/landing/{USER_NAME_VARIABLE}/{USER_NAME_VARIABLE}-in"))
    place = HomeTree(home, "Bob.a@b").resolve(f"/{USER_NAME_VARIABLE}/x")
    assert place.file_location() == Location("landing", "Bob.a@b/Bob.a@b-in/x")


@pytest.mark.parametrize(
    "user_name", ["..", "../eve", "a/b", "", "bob/", ".bob", USER_NAME_VARIABLE, "bob\n", "b\0b"]
)
@pytest.mark.parametrize(
    "home", [Home.chroot(f"/landing/{USER_NAME_VARIABLE}"), path_home(f"/landing/{USER_NAME_VARIABLE}")]
)
def test_a_user_name_that_would_move_the_home_is_refused(home: Home, user_name: str) -> None:
    """A name that Transfer Family would not accept is put into no path."""
    with pytest.raises(InvalidName):
        HomeTree(home, user_name)


def test_a_bucket_named_by_the_user_is_checked_with_the_real_name() -> None:
    """A target may name the bucket by the user; a name that makes no bucket is refused at login."""
    home = check_home(Home.chroot(f"/land-{USER_NAME_VARIABLE}/in"))
    assert HomeTree(home, "bob").resolve("/x").file_location() == Location("land-bob", "in/x")
    with pytest.raises(InvalidName):
        HomeTree(home, "Bob_B")


@pytest.mark.parametrize("directory", ["/in", "/in/a/b", "/inbox", "/", ""])
def test_a_logical_session_starts_in_the_virtual_directory(directory: str) -> None:
    """The start is the home directory, or `/` when none is given."""
    home = logical(("/in", "/landing/in"), ("/inbox", "/other"), directory=directory)
    assert HomeTree(home, "bob").start_directory == (directory or "/")


# --- following: PATH --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "key", "is_root"),
    [
        ("/landing/home/bob", "home/bob", True),
        ("/landing/home/bob/x", "home/bob/x", False),
        ("/landing/home/bob/ x./%2e%2e", "home/bob/ x./%2e%2e", False),
    ],
)
def test_a_path_home_shows_real_paths_at_and_below_its_directory(path: str, key: str, is_root: bool) -> None:
    """The first component is the bucket, the others are the key."""
    tree = HomeTree(path_home("/landing/home/bob"), "bob")
    assert tree.resolve(path) == MappedPlace(path, Location("landing", key), is_root)
    assert tree.start_directory == "/landing/home/bob"


def test_above_a_path_home_only_the_way_down_is_shown() -> None:
    """`/` and the directories above the home are synthetic, each with the one next name."""
    tree = HomeTree(path_home("/landing/home/bob"), "bob")
    assert tree.synthetic_children("/") == ["landing"]
    assert tree.synthetic_children("/landing") == ["home"]
    assert tree.synthetic_children("/landing/home") == ["bob"]


@pytest.mark.parametrize(
    "path",
    ["/other", "/landing/x", "/landing/home/bo", "/landing/home/bobby", "/landing/home/bob ", "/home/bob"],
)
def test_outside_a_path_home_access_is_denied(path: str) -> None:
    """Neighbours whose names only begin alike are outside, too."""
    with pytest.raises(AccessDenied):
        HomeTree(path_home("/landing/home/bob"), "bob").resolve(path)


def test_a_path_home_of_a_whole_bucket() -> None:
    """The bucket is the home; the key has no leading slash."""
    tree = HomeTree(path_home("/landing"), "bob")
    assert tree.resolve("/landing").directory_prefix() == ("landing", "")
    assert tree.resolve("/landing/a/b").file_location() == Location("landing", "a/b")
    assert tree.synthetic_children("/") == ["landing"]


@pytest.mark.parametrize("directory", ["/", ""])
def test_a_path_home_without_a_bucket_holds_nothing(directory: str) -> None:
    """As on AWS: the user gets in, lands at `/`, and every path is not found."""
    tree = HomeTree(path_home(directory), "bob")
    assert tree.start_directory == "/"
    for path in ("/", "/landing", "/landing/x"):
        with pytest.raises(NotFound):
            tree.resolve(path)


def test_a_path_home_names_its_user_and_may_end_in_a_slash() -> None:
    """The variable is replaced, and the slash that AWS allows at the end is taken off."""
    tree = HomeTree(path_home(f"/landing/{USER_NAME_VARIABLE}/"), "bob")
    assert tree.start_directory == "/landing/bob"
    assert tree.resolve("/landing/bob/x").file_location() == Location("landing", "bob/x")


# --- places -----------------------------------------------------------------------------------


def test_a_file_fits_neither_on_a_mapping_nor_on_a_synthetic_directory() -> None:
    """The root of a mapping and the directories above it are never files."""
    tree = HomeTree(TWO_WAY, "bob")
    for path in ("/", "/out", "/in", "/inbox", "/out/day"):
        with pytest.raises(WrongKind):
            tree.resolve(path).file_location()


def test_a_directory_prefix_ends_in_a_slash() -> None:
    """Entries of a directory are listed under its key and a slash."""
    tree = HomeTree(TWO_WAY, "bob")
    assert tree.resolve("/in").directory_prefix() == ("landing", "bob/in/")
    assert tree.resolve("/in/a").directory_prefix() == ("landing", "bob/in/a/")
    assert tree.resolve("/inbox/a").directory_prefix() == ("other", "a/")


def test_a_synthetic_directory_is_in_no_bucket() -> None:
    """There is nothing to list in S3 for it, and it is no mapping's root."""
    place = HomeTree(TWO_WAY, "bob").resolve("/out")
    assert not place.is_root_of_mapping
    with pytest.raises(WrongKind):
        place.directory_prefix()


@pytest.mark.parametrize("letter", ["x", "é", "𝄞"])
def test_keys_end_at_1024_bytes(letter: str) -> None:
    """The limit counts bytes of UTF-8, of the whole key; a key of just that length can be a file only."""
    tree = HomeTree(Home.chroot("/landing/abc"), "bob")
    count = (1024 - len("abc/")) // len(letter.encode())
    place = tree.resolve("/" + letter * count)
    assert len(place.file_location().key.encode()) == 1024
    with pytest.raises(NotFound):
        place.directory_prefix()
    with pytest.raises(InvalidName):
        tree.resolve("/" + letter * (count + 1))


def test_a_very_deep_path_is_answered_at_once() -> None:
    """A path of 100,000 components is refused in time linear in its length."""
    deep = "/a" * 100_000
    assert normalise(deep.encode(), "/") == deep
    with pytest.raises(InvalidName):
        HomeTree(Home.chroot("/landing"), "bob").resolve(deep)
    with pytest.raises(NotFound):
        HomeTree(TWO_WAY, "bob").resolve(deep)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "in",
        "in/a",
        "//",
        "/in/",
        "/in//a",
        "/in/../../secret",
        "/in/..",
        "/in/.",
        "/in/./a",
        "/in/a\0b",
        "/in/\ud800",
    ],
)
def test_a_path_that_was_not_normalised_is_refused(path: str) -> None:
    """A caller that forgets `normalise` gets an error, not a key with `..` in it."""
    with pytest.raises(InvalidName):
        HomeTree(TWO_WAY, "bob").resolve(path)


# --- following, whatever the input ------------------------------------------------------------


@given(homes, raw_paths)
def test_no_path_leaves_the_home(home: Home, path: bytes) -> None:
    """Whatever bytes a client sends, a key it reaches lies component-wise below a target of the home."""
    tree = HomeTree(home, "bob")
    try:
        place = tree.resolve(normalise(path, tree.start_directory))
    except (NotFound, AccessDenied, InvalidName):
        return
    if isinstance(place, SyntheticDirectory):
        assert place.children
        return
    reached = [place.location.bucket, *parts(place.location.key)]
    allowed = [parts(target) for _, target in entries_of(home)]
    assert any(reached[: len(each)] == each for each in allowed)
    assert not {"..", "."} & set(reached)
    bucket, prefix = place.directory_prefix()
    assert [bucket, *parts(prefix)] == reached


@given(homes, st.data())
def test_the_key_is_the_target_and_exactly_the_components(home: Home, data: st.DataObject) -> None:
    """Below an entry, every name reaches the key byte for byte, and nothing else does."""
    entry, target = data.draw(st.sampled_from(entries_of(home)))
    below = data.draw(st.lists(names, max_size=5))
    path = "/" + "/".join(parts(entry) + below)
    place = HomeTree(home, "bob").resolve(normalise(path.encode(), "/"))
    assert isinstance(place, MappedPlace)
    assert f"/{place.location.bucket}/{place.location.key}".rstrip("/") == "/".join([target, *below])
    assert place.is_root_of_mapping == (not below)
    assert place.path == path


@given(homes)
def test_every_entry_is_reached_by_walking_down_from_the_root(home: Home) -> None:
    """Following the names that synthetic directories show leads to all entries and nowhere else."""
    tree = HomeTree(home, "bob")
    found, todo = set(), ["/"]
    while todo:
        path = todo.pop()
        children = tree.synthetic_children(path)
        if not children:
            found.add(path)
        todo += [f"{path.rstrip('/')}/{child}" for child in children]
    assert found == {entry for entry, _ in entries_of(home)}


@given(homes)
def test_homes_made_for_these_tests_are_valid(home: Home) -> None:
    """The homes above pass the administrator's check, so the facts above are about usable homes."""
    assert check_home(home) is home
