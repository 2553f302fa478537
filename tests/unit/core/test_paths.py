"""Facts about core/paths.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import AccessDenied, InvalidName, NotFound, WrongKind
from tidegate.core.objects import Location
from tidegate.core.paths import (
    USER_NAME_VARIABLE,
    HomeTree,
    MappedPlace,
    SyntheticDirectory,
    check_home,
    home_from_target,
    normalise,
)
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


# --- checking a home --------------------------------------------------------------------------


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


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.sampled_from(HomeDirectoryType))
def test_a_home_is_accepted_or_refused_never_an_accident(
    directory: str, entry: str, target: str, kind: HomeDirectoryType
) -> None:
    """Any text gives a usable home or InvalidName, and an accepted one makes a tree."""
    home = Home(kind, directory, (Mapping(entry, target),) if kind is HomeDirectoryType.LOGICAL else ())
    try:
        check_home(home)
    except InvalidName:
        return
    tree = HomeTree(home, "bob")
    tree.resolve(tree.start_directory)
