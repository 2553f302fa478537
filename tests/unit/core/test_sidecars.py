"""Sidecars: whose they are, and what partners' programs write into them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.sidecars import Sidecar, SidecarKind, digest_for, digests_in, named_in, read_text

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
    assert named_in(f"{ONE}  b.csv\n{TWO}  out/a.csv\n{ONE}  b.csv\n{ONE}\n") == ["b.csv", "a.csv"]


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
