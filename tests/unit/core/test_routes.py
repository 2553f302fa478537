"""Which route holds for which file, and what it lays over a home."""

from __future__ import annotations

import pytest

from tidegate.core.objects import Location, Storage
from tidegate.core.paths import HomeTree, MappedPlace
from tidegate.core.routes import Route, Routes
from tidegate.core.users import Home, HomeDirectoryType, Mapping

KEPT = Storage("key-landing")
RARE = Storage("key-rare", "GLACIER_IR", (("kind", "archive"),))


def a_route(name: str, *partners: str, path: str = "/", target: str | None = None) -> Route:
    return Route(name, partners or ("*",), path, target, RARE)


ROUTES = Routes(
    (
        a_route("acme-payroll", "acme", path="/payroll", target="/pay/${transfer:UserName}"),
        a_route("banks", "bank-*", target="/banks/${transfer:UserName}"),
        a_route("payroll", path="/payroll", target="/everyone"),
    ),
    KEPT,
)


@pytest.mark.parametrize(
    ("user", "path", "name"),
    [
        ("acme", "/payroll/june.csv", "acme-payroll"),
        ("acme", "/payroll", "acme-payroll"),
        ("acme", "/payroll2/june.csv", ""),
        ("acme", "/june.csv", ""),
        ("bank-7", "/payroll/june.csv", "banks"),
        ("Bank-7", "/june.csv", ""),
        ("globex", "/payroll/a/b", "payroll"),
    ],
)
def test_the_first_route_that_matches_counts(user: str, path: str, name: str) -> None:
    """A route is found by user name, capital letters counting, and by whole components of the path."""
    assert ROUTES.of(user, path).name == name


def test_what_no_route_matches_is_kept_as_ever() -> None:
    """Without a route, storage is the landing's and all targets are owed."""
    route = ROUTES.of("acme", "/june.csv")
    assert (route.storage, route.deliver_to) == (KEPT, None)


def test_of_two_routes_at_one_path_the_first_leads() -> None:
    """A user sees one directory at a path: that of its first route."""
    assert ROUTES.mappings("acme") == (Mapping("/payroll", "/pay/${transfer:UserName}"),)
    assert ROUTES.mappings("globex") == (Mapping("/payroll", "/everyone"),)


def laid_over(home: Home, *overlay: Mapping) -> HomeTree:
    return HomeTree(home, "acme", overlay)


def where(tree: HomeTree, path: str) -> Location:
    place = tree.resolve(path)
    assert isinstance(place, MappedPlace)
    return place.location


def test_a_route_takes_a_directory_out_of_the_home() -> None:
    """What lies at or below the route's directory is in its bucket, everything else in the home."""
    tree = laid_over(Home.chroot("/landing/acme"), Mapping("/in/payroll", "/pay/${transfer:UserName}"))
    assert where(tree, "/in/payroll/june.csv") == Location("pay", "acme/june.csv")
    assert where(tree, "/in/june.csv") == Location("landing", "acme/in/june.csv")
    assert where(tree, "/in/payrolls") == Location("landing", "acme/in/payrolls")


def test_directories_above_a_route_are_always_there() -> None:
    """Each shows the next one on the way, and can be neither replaced nor removed."""
    tree = laid_over(Home.chroot("/landing/acme"), Mapping("/in/payroll", "/pay"))
    assert tree.synthetic_children("/") == ["in"]
    assert tree.synthetic_children("/in") == ["payroll"]
    assert tree.synthetic_children("/in/payroll") == []
    assert [tree.resolve(path).is_root_of_mapping for path in ("/", "/in", "/in/payroll", "/in/x")] == [
        True,
        True,
        True,
        False,
    ]


def test_a_route_at_the_root_takes_the_whole_home() -> None:
    """A route at / replaces the home's own mapping."""
    tree = laid_over(Home.chroot("/landing/acme"), Mapping("/", "/banks/acme"))
    assert where(tree, "/june.csv") == Location("banks", "acme/june.csv")


def test_paths_of_a_path_home_are_buckets_so_nothing_is_laid_over_them() -> None:
    """A PATH home shows real buckets: a route's directory would hide one."""
    tree = laid_over(Home(HomeDirectoryType.PATH, "/landing/acme"), Mapping("/landing/acme/pay", "/pay"))
    assert where(tree, "/landing/acme/pay/x") == Location("landing", "acme/pay/x")
