"""Sidecars: whose they are, and what partners' programs write into them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.sidecars import (
    Sidecar,
    SidecarKind,
    digest_for,
    digests_by_name,
    digests_in,
    read_text,
    tells_from_data,
    would_not_be_compared,
)

ONE, TWO = hashlib.sha256(b"one").hexdigest(), hashlib.sha256(b"two").hexdigest()
DIGEST, MANIFEST = SidecarKind.DIGEST, SidecarKind.MANIFEST

# As the programs print them; the first two are coreutils' in text and binary mode.
FORMS = {
    "sha256sum": f"{ONE}  x.csv\n",
    "sha256sum -b": f"{ONE} *x.csv\n",
    "sha256sum --tag": f"SHA256 (x.csv) = {ONE}\n",
    "openssl dgst": f"SHA256(x.csv)= {ONE}\n",
    "openssl 3 dgst": f"SHA2-256(x.csv)= {ONE}\n",
    "bare": ONE,
    "PowerShell": f"{ONE.upper()}\r\n",
    "with its path": f"{ONE}  /home/acme/out/x.csv\n",
    "with its path on Windows": f"{ONE} *C:\\out\\x.csv\r\n",
    "with a mark before it": f"\ufeff{ONE}  x.csv\n",
    "after comments": f"# made by night\n\n{ONE}\tx.csv\n",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_the_digest_of_a_file_is_read_in_all_forms(text: str) -> None:
    """Whatever program wrote the sidecar, its digest is found, in lower case."""
    assert digest_for(DIGEST, "x.csv", read_text(text.encode())) == ONE


@pytest.mark.parametrize("text", ["", "ok", ONE[:-1], ONE + "0", f"MD5 (x.csv) = {ONE[:32]}", "\0" * 64])
def test_what_is_no_digest_is_none(text: str) -> None:
    """Nothing is guessed out of a sidecar that has no SHA-256."""
    assert digest_for(DIGEST, "x.csv", text) is None


def test_a_single_digest_beside_a_file_is_its_own() -> None:
    """It may have been counted under another name; of several, the name decides."""
    assert digest_for(DIGEST, "x.csv", f"{ONE}  x.csv.tmp") == ONE
    assert digest_for(DIGEST, "x.csv", f"{TWO}  y.csv\n{ONE}  x.csv") == ONE
    assert digest_for(DIGEST, "x.csv", f"{TWO}  y.csv\n{ONE}  z.csv") is None


def test_a_manifest_has_to_name_the_file() -> None:
    """A digest alone, or of another name, says nothing of the file; of two lines the later holds."""
    assert digest_for(MANIFEST, "x.csv", ONE) is None
    assert digest_for(MANIFEST, "x.csv", f"{ONE}  y.csv") is None
    assert digest_for(MANIFEST, "x.csv", f"{TWO}  x.csv\n{ONE}  ./x.csv") == ONE


def test_names_in_a_manifest() -> None:
    """Each file once, in order, without directories."""
    said = digests_by_name(f"{ONE}  b.csv\n{TWO}  out/a.csv\n{TWO}  b.csv\n{ONE}\n")
    assert list(said.items()) == [("b.csv", TWO), ("a.csv", TWO)]


def test_a_line_that_names_nothing_is_not_matched() -> None:
    """No name is as long as that, and nothing can stop a match over a MiB."""
    assert digests_by_name(f"{ONE}  {'n' * 5000}\n{TWO}  x.csv\n") == {"x.csv": TWO}


@pytest.mark.parametrize("suffix", [".SHA256", ".Sha256", ".SHA256SUM", ".sha256sum"])
def test_a_digest_however_it_is_spelled(suffix: str) -> None:
    """Capitals do not make it a file that need only be there."""
    assert Sidecar.with_suffix(suffix) == Sidecar(DIGEST, suffix)
    assert not would_not_be_compared(suffix)


@pytest.mark.parametrize(
    "suffix",
    [".sha256sums", ".sha2", ".SHA", ".digest", ".hash", ".md5", ".MD5SUM", ".crc32", ".checksum", ".cksum"],
)
def test_a_suffix_that_promises_a_digest(suffix: str) -> None:
    """It would be taken for a file that need only be there, and a wrong digest would release."""
    assert would_not_be_compared(suffix)


@pytest.mark.parametrize(
    ("pattern", "tells"),
    [
        ("day-*.txt", True),
        ("m-*", True),
        ("manifest.txt", True),
        ("*.manifest", True),
        ("*.SHA256", True),
        ("*-sums.txt", True),
        ("*", False),
        ("?*", False),
        ("*.csv", False),
        ("x*.csv", False),
        ("--*.csv", False),
        ("*manifest*", False),
    ],
)
def test_patterns_that_tell_manifests_from_data(pattern: str, tells: bool) -> None:
    """They begin with something, or end in what data seldom end in."""
    assert tells_from_data(pattern) is tells


NAMES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp", "Zs"), blacklist_characters="/\\"), min_size=1
)


@given(st.dictionaries(NAMES, st.binary(), min_size=1))
def test_what_sha256sum_writes_of_any_files_is_read_back(files: dict[str, bytes]) -> None:
    """Every name and digest of a manifest come back, whatever the names."""
    said = {name: hashlib.sha256(body).hexdigest() for name, body in files.items()}
    lines = "".join(f"{digest}  {name}\n" for name, digest in said.items())
    assert {name: digest_for(MANIFEST, name, lines) for name in files} == said


@given(st.binary())
def test_any_bytes_can_be_read(body: bytes) -> None:
    """A sidecar of any content is read without an error."""
    list(digests_in(read_text(body)))


def test_whose_a_sidecar_is() -> None:
    """The suffix makes a sidecar, but not alone; a manifest is known by its pattern."""
    ok = Sidecar.with_suffix(".ok")
    assert (ok.kind, ok.of("x.csv")) == (SidecarKind.PRESENCE, "x.csv.ok")
    assert [ok.is_name(name) for name in ("x.csv.ok", "x.csv", ".ok", "x.OK")] == [True, False, False, False]
    assert Sidecar.with_suffix(".sha256").kind is DIGEST
    manifest = Sidecar(MANIFEST, "day-*.sum")
    assert [manifest.is_name(name) for name in ("day-1.sum", "day-1.csv", "x")] == [True, False, False]
    assert manifest.fixed == "day-"
