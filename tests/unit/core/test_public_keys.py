"""Facts about core/public_keys.py, checked against the real ssh-keygen."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import InvalidKey
from tidegate.core.public_keys import ACCEPTED_ALGORITHMS, ParsedKey, fingerprint_of, parse_public_key

KINDS = {
    "ed25519": ["-t", "ed25519"],
    "ecdsa-256": ["-t", "ecdsa", "-b", "256"],
    "ecdsa-384": ["-t", "ecdsa", "-b", "384"],
    "ecdsa-521": ["-t", "ecdsa", "-b", "521"],
    "rsa-2048": ["-t", "rsa", "-b", "2048"],
    "rsa-3072": ["-t", "rsa", "-b", "3072"],
}

# Made up on no machine: 32 bytes of a pattern are a valid Ed25519 public key as far as its form goes.
ED25519_BLOB = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))


def ssh_keygen(*arguments: str | Path) -> str:
    program = shutil.which("ssh-keygen")
    assert program, "these tests need ssh-keygen of OpenSSH"
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


@dataclass(frozen=True)
class Pair:
    """A key pair on disk, as ssh-keygen made it."""

    private: Path

    @property
    def public(self) -> Path:
        return self.private.with_name(self.private.name + ".pub")

    @property
    def line(self) -> str:
        return self.public.read_text()

    def shown(self, kind: str) -> list[str]:
        return ssh_keygen("-l", "-E", kind, "-f", self.public).split()


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """One fresh key pair of every kind we accept."""
    folder = tmp_path_factory.mktemp("keys")
    made = {}
    for name, options in KINDS.items():
        ssh_keygen("-q", *options, "-N", "", "-C", f"{name} of a partner", "-f", folder / name)
        made[name] = Pair(folder / name)
    return made


@pytest.fixture(scope="session")
def line(pairs: dict[str, Pair]) -> str:
    """An Ed25519 key line without its line end."""
    return pairs["ed25519"].line.strip()


def field(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def number(value: int) -> bytes:
    return field(value.to_bytes(value.bit_length() // 8 + 1, "big"))


def line_of(algorithm: str, *fields: bytes, tail: bytes = b"") -> str:
    blob = field(algorithm.encode()) + b"".join(fields) + tail
    return f"{algorithm} {base64.b64encode(blob).decode()}"


def rsa_line(bits: int) -> str:
    # The form only: the modulus is odd and long enough, and nobody knows its factors.
    return line_of("ssh-rsa", number(65537), number((1 << (bits - 1)) | 1))


def refusal(text: str) -> str:
    """Return the message for `text`, after checking what holds for every message."""
    with pytest.raises(InvalidKey) as caught:
        parse_public_key(text)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert caught.value.hint
    # Nothing of the text that could be secret: no run of base64 from it but those we print ourselves.
    without_fingerprints = re.sub(r"SHA256:\S+", "", message)
    for run in re.findall(r"[A-Za-z0-9+/=]{16,}", text):
        if run not in ("ssh-ed25519", "nistp256"):
            assert run not in without_fingerprints
    return message


# --- what is accepted -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_described_as_ssh_keygen_describes_it(pairs: dict[str, Pair], kind: str) -> None:
    """Size, both fingerprints and comment are those that `ssh-keygen -l` shows."""
    pair = pairs[kind]
    key = parse_public_key(pair.line)
    bits, sha256, *comment, _ = pair.shown("sha256")
    assert (str(key.bits), key.fingerprint, key.comment) == (bits, sha256, " ".join(comment))
    assert key.md5_fingerprint == pair.shown("md5")[1]
    assert key.body == " ".join(pair.line.split()[:2])
    assert key.algorithm == pair.line.split()[0]
    assert key.algorithm in ACCEPTED_ALGORITHMS
    assert fingerprint_of(base64.b64decode(key.body.split()[1])) == sha256


def test_every_accepted_algorithm_is_among_the_tested_kinds(pairs: dict[str, Pair]) -> None:
    """No algorithm is accepted without having been held against ssh-keygen."""
    assert {pair.line.split()[0] for pair in pairs.values()} == set(ACCEPTED_ALGORITHMS)


@pytest.mark.parametrize("bits", [2048, 4096, 8192])
def test_long_rsa_keys_are_accepted(bits: int) -> None:
    """RSA from 2048 bits on, as long as the line keeps to Transfer Family's length."""
    assert parse_public_key(rsa_line(bits)).bits == bits


@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        "{}\n",
        "{}\r\n",
        "\n\n  {}  \n\n",
        "\t{}\t",
        "# from our partner\n{}\n# end\n",
        "  # indented\r\n\r\n{}\r\n",
        "\ufeff{}\r\n",
        "# ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ an old one\n{}\n",
    ],
)
def test_lines_that_are_not_keys_are_passed_over(line: str, frame: str) -> None:
    """Blank lines, comment lines, CRLF and a byte order mark change nothing."""
    assert parse_public_key(frame.format(line)) == parse_public_key(line)


def test_blanks_between_the_fields_may_be_tabs_or_many(line: str) -> None:
    """The kept body has one blank, whatever was pasted."""
    algorithm, encoded, _ = line.split(" ", 2)
    assert parse_public_key(f"{algorithm} \t {encoded}").body == f"{algorithm} {encoded}"


@pytest.mark.parametrize(
    ("comment", "kept"),
    [
        ("", ""),
        ("alice@laptop", "alice@laptop"),
        ("two  words ", "two  words"),
        ("\x1b[31mred\x07", "[31mred"),
        ("a\tb\x7fc\x85d", "abcd"),
        ("\u202egnp.exe\u2066", "gnp.exe"),
        ("line\u2028break\x0b\x0c", "linebreak"),
        ("Jürgen 日本", "Jürgen 日本"),
        ("# not a comment line", "# not a comment line"),
        ("\x00", ""),
    ],
)
def test_comments_lose_their_control_characters(line: str, comment: str, kept: str) -> None:
    """What is kept of a comment can be shown in a terminal."""
    body = " ".join(line.split()[:2])
    parsed = parse_public_key(f"{body} {comment}")
    assert (parsed.comment, parsed.body) == (kept, body)


def test_a_parsed_key_parses_again(line: str) -> None:
    """The kept body is itself a key, without comment."""
    key = parse_public_key(line)
    again = parse_public_key(key.body)
    assert (again.body, again.fingerprint, again.comment) == (key.body, key.fingerprint, "")


# --- what is refused, and with what words -----------------------------------------------------


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\r\n", "# only a remark\n", "\ufeff", "\t\n#"])
def test_nothing_is_refused_as_empty(text: str) -> None:
    """Blank lines and remarks are no key."""
    assert "empty" in refusal(text)


def test_private_keys_are_refused_before_all_else(pairs: dict[str, Pair]) -> None:
    """Every private key that ssh-keygen can write is called one, however it arrives."""
    for pair in pairs.values():
        text = pair.private.read_text()
        body = text.splitlines()[1]
        for shape in (
            text,
            text.replace("\n", "\r\n"),
            text.replace("\n", " "),
            pair.line + text,
            text[:100],
            text[-60:],
            body,
            "# " + text,
        ):
            message = refusal(shape)
            assert "this is a private key: do not send it to anyone" in message
            assert ".pub" in message


@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
def test_private_keys_in_pem_are_refused(pairs: dict[str, Pair], tmp_path: Path, form: str) -> None:
    """The older forms of private keys are known as well, encrypted or not."""
    for kind, password in (("rsa-2048", ""), ("ecdsa-256", "a password")):
        private = shutil.copy(pairs[kind].private, tmp_path / kind)
        ssh_keygen("-q", "-p", "-m", form, "-N", password, "-f", private)
        assert "this is a private key" in refusal(Path(private).read_text())


@pytest.mark.parametrize(
    "text",
    [
        "PuTTY-User-Key-File-2: ssh-ed25519\r\nEncryption: none\r\nComment: x\r\nPublic-Lines: 2\r\n",
        "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: aes256-cbc\n",
        "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nP2/56wAAAi4AAAA3\n",
        "-----BEGIN DSA PRIVATE KEY-----\nMIIBuw\n",
    ],
)
def test_private_keys_of_other_programs_are_refused(text: str) -> None:
    """PuTTY's .ppk, SSH.com's and OpenSSL's forms are private keys too."""
    assert "this is a private key" in refusal(text)


@pytest.mark.parametrize(
    ("kind", "form", "option"),
    [
        *[(kind, "RFC4716", "-i -f FILE") for kind in KINDS],
        *[(kind, "PKCS8", "-m PKCS8") for kind in KINDS if kind != "ed25519"],
        ("rsa-2048", "PEM", "-m PEM"),
    ],
)
def test_other_public_forms_are_refused_with_a_command_that_converts_them(
    pairs: dict[str, Pair], tmp_path: Path, kind: str, form: str, option: str
) -> None:
    """The command in the hint, run on the file, gives the key we accept."""
    exported = ssh_keygen("-e", "-m", form, "-f", pairs[kind].public)
    message = refusal(exported)
    assert option in message
    found = re.search(r"ssh-keygen (-i.*) -f FILE", message)
    assert found
    file = tmp_path / "exported"
    file.write_text(exported)
    converted = ssh_keygen(*found[1].split(), "-f", file)
    assert parse_public_key(converted).body == parse_public_key(pairs[kind].line).body


def test_ed25519_in_pem_is_refused_without_a_command_that_would_fail() -> None:
    """ssh-keygen cannot convert this one, so the hint does not send the partner to it."""
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    message = refusal(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
    assert "Ed25519" in message
    assert "give the .pub file" in message


@pytest.mark.parametrize("name", ["CERTIFICATE", "PGP PUBLIC KEY BLOCK", "EC PARAMETERS"])
def test_other_armoured_blocks_are_refused(name: str) -> None:
    """An X.509 certificate or a PGP key is not taken for a damaged SSH key."""
    assert "armoured" in refusal(f"-----BEGIN {name}-----\nMIIC\n-----END {name}-----\n")


@pytest.mark.parametrize("joint", ["\n", "\r\n", "\n\n# and\n", " ", ""])
def test_two_keys_are_refused_however_they_are_joined(pairs: dict[str, Pair], joint: str) -> None:
    """A doubled paste and two different keys are one mistake: there must be exactly one key."""
    one, other = pairs["ed25519"].line.strip(), pairs["rsa-2048"].line.strip()
    bare = " ".join(one.split()[:2])
    for text in (one + joint + one, one + joint + other, bare + joint + bare):
        assert "2 keys" in refusal(text)


def test_a_base64_pasted_twice_is_refused(line: str) -> None:
    """Without the type between them the copies form one blob with surplus bytes."""
    algorithm, encoded, _ = line.split(" ", 2)
    message = refusal(f"{algorithm} {encoded}{encoded}")
    assert "surplus bytes" in message


def test_a_key_broken_over_lines_is_refused(pairs: dict[str, Pair]) -> None:
    """Mail programs break long lines; the message says to put it on one."""
    text = pairs["rsa-2048"].line
    assert "put it on one line" in refusal(text[:76] + "\n" + text[76:152] + "\n" + text[152:])


@pytest.mark.parametrize(
    "front",
    ['from="10.0.0.0/8" ', 'command="echo hi there",no-pty ', "restrict ", "sftp.example.com ", "1. ", "> "],
)
def test_anything_in_front_of_the_key_is_refused(pairs: dict[str, Pair], front: str) -> None:
    """Options of authorized_keys would be lost without a word, so they are refused; the key is named."""
    for pair in pairs.values():
        message = refusal(front + pair.line)
        assert "in front of the key" in message
        assert pair.shown("sha256")[1] in message


def test_a_missing_key_type_is_named(pairs: dict[str, Pair]) -> None:
    """The base64 alone is not enough, though we can say which key it is."""
    pair = pairs["ed25519"]
    message = refusal(pair.line.split(" ", 1)[1])
    assert "type in front is missing" in message
    assert pair.shown("sha256")[1] in message


def test_certificates_are_refused_by_name(pairs: dict[str, Pair], tmp_path: Path) -> None:
    """A certificate signed by a CA is called one, for every kind of key."""
    authority = pairs["ed25519"].private
    for kind, pair in pairs.items():
        copy = Path(shutil.copy(pair.public, tmp_path / f"{kind}.pub"))
        ssh_keygen("-q", "-s", authority, "-I", "partner", "-n", "partner", copy)
        text = (tmp_path / f"{kind}-cert.pub").read_text()
        message = refusal(text)
        assert f"certificates ({text.split()[0]})" in message


def test_dsa_is_refused_by_name() -> None:
    """DSA is named, with the fingerprint of the key."""
    blob = field(b"ssh-dss") + number(7) * 4
    message = refusal(line_of("ssh-dss", number(7) * 4))
    assert "DSA" in message
    assert fingerprint_of(blob) in message


@pytest.mark.parametrize("algorithm", ["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"])
def test_security_keys_are_refused_by_name(algorithm: str) -> None:
    """Keys that live on a token are named: Transfer Family cannot hold them."""
    assert f"security keys ({algorithm})" in refusal(line_of(algorithm, field(bytes(32)), field(b"ssh:")))


@pytest.mark.parametrize("bits", [512, 1024, 2047])
def test_short_rsa_keys_are_refused_with_their_size(bits: int) -> None:
    """The message says how long the key is and how long it must be."""
    message = refusal(rsa_line(bits))
    assert f"{bits} bits" in message
    assert "2048" in message
    assert "SHA256:" in message


def test_a_short_rsa_key_of_ssh_keygen_is_refused_with_its_fingerprint(tmp_path: Path) -> None:
    """The same for a real key: the fingerprint lets the partner find the file."""
    ssh_keygen("-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", tmp_path / "short")
    pair = Pair(tmp_path / "short")
    assert pair.shown("sha256")[1] in refusal(pair.line)


@pytest.mark.parametrize(
    "text",
    [
        "ssh-ed448 AAAACXNzaC1lZDQ0OAAAADk",
        "ssh-xmss@openssh.com AAAAFHNzaC14bXNzQG9wZW5zc2guY29t",
        "ecdsa-sha2-nistk163 AAAAE2VjZHNhLXNoYTItbmlzdGsxNjM=",
        "SSH-ED25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==",
        "hunter2",
        "my password is correct horse battery staple",
        "ssh_ed25519",
        "/home/alice/.ssh/id_ed25519.pub",
        "https://github.com/alice.keys",
        "<html>",
        "\x00\x01\x02",
        "日本語",
        "\ud800",
    ],
)
def test_what_is_no_known_key_is_refused_with_the_types_we_accept(text: str) -> None:
    """The hint lists the accepted types; the text is not repeated."""
    message = refusal(text)
    assert "ssh-ed25519, ecdsa-sha2-nistp256" in message
    assert text not in message


@pytest.mark.parametrize(
    "text", ["password: hunter22", "AAAAhunter22", "x ssh-foo AAAAhunter22", "ssh-foo hunter22"]
)
def test_what_is_no_key_has_no_fingerprint(text: str) -> None:
    """The hash of a short secret would give it away, so only keys are hashed."""
    assert "SHA256" not in refusal(text)


@pytest.mark.parametrize(
    "change",
    [
        lambda encoded: "",
        lambda encoded: encoded[:-1],
        lambda encoded: encoded[:-2],
        lambda encoded: encoded[:-3],
        lambda encoded: encoded + "=",
        lambda encoded: encoded + "A",
        lambda encoded: encoded[:20] + "*" + encoded[21:],
        lambda encoded: encoded[:20] + "-_" + encoded[22:],
        lambda encoded: encoded[:20] + "é" + encoded[21:],
        lambda encoded: encoded[:20] + "…",
        lambda encoded: encoded[:20] + "\x0b" + encoded[20:],
        lambda encoded: "AAAA====",
    ],
)
def test_damaged_base64_is_refused(line: str, change: object) -> None:
    """Base64 that is cut, stretched or holds other characters is called damaged."""
    assert callable(change)
    algorithm, encoded, _ = line.split(" ", 2)
    assert "damaged or cut short" in refusal(f"{algorithm} {change(encoded)}")


def test_base64_with_loose_bits_at_the_end_is_refused(pairs: dict[str, Pair]) -> None:
    """One key has one spelling: the bits behind the last byte must be zero, as OpenSSH demands."""
    for kind in ("ecdsa-256", "ecdsa-384", "ecdsa-521"):
        algorithm, encoded, _ = pairs[kind].line.split(" ", 2)
        core = encoded.rstrip("=")
        assert core != encoded
        other = core[:-1] + chr(ord(core[-1]) + 1) + "=" * (len(encoded) - len(core))
        assert base64.b64decode(other) == base64.b64decode(encoded)
        assert "damaged" in refusal(f"{algorithm} {other}")


@pytest.mark.parametrize("kept", [4, 8, 15, 18, 19, 30, 50])
def test_a_truncated_blob_is_refused(kept: int) -> None:
    """Whole base64 of half a key says that the key is cut short."""
    encoded = base64.b64encode(ED25519_BLOB[:kept]).decode()
    assert "cut short" in refusal(f"ssh-ed25519 {encoded}")


@pytest.mark.parametrize("tail", [b"\0", b"x", b"\0\0\0\0", b"\0\0\0\x01x", ED25519_BLOB])
def test_bytes_behind_the_key_are_refused(tail: bytes) -> None:
    """A blob must end where its key ends."""
    assert "surplus bytes" in refusal(line_of("ssh-ed25519", field(bytes(range(32))), tail=tail))


@pytest.mark.parametrize(
    ("claimed", "named"),
    [
        ("ssh-rsa", "ssh-ed25519"),
        ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp256"),
        ("ssh-ed25519", "ssh-dss"),
        ("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"),
    ],
)
def test_the_name_in_front_must_be_the_name_inside(claimed: str, named: str) -> None:
    """A key relabelled by hand is refused with both names."""
    encoded = line_of(named, field(bytes(32))).split()[1]
    message = refusal(f"{claimed} {encoded}")
    assert claimed in message
    assert named in message


def test_an_unknown_name_inside_is_not_repeated() -> None:
    """What stands inside in place of a known name is not shown: it can be anything."""
    encoded = base64.b64encode(field(b"\x1b[31m secret") + field(bytes(32))).decode()
    message = refusal(f"ssh-ed25519 {encoded}")
    assert "something else" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    "text",
    [
        line_of("ssh-ed25519", field(bytes(31))),
        line_of("ssh-ed25519", field(bytes(33))),
        line_of("ssh-ed25519", field(b"")),
        line_of("ecdsa-sha2-nistp256", field(b"nistp256"), field(b"\4" + bytes(64))),  # not on the curve
        line_of("ecdsa-sha2-nistp256", field(b"nistp256"), field(b"\2" + bytes(32))),  # compressed
        line_of("ecdsa-sha2-nistp256", field(b"nistp384"), field(b"\4" + b"\1" * 64)),
        line_of("ecdsa-sha2-nistp256", field(b""), field(b"")),
        line_of("ssh-rsa", number(1), number((1 << 2047) | 1)),
        line_of("ssh-rsa", number(65536), number((1 << 2047) | 1)),
        line_of("ssh-rsa", number(0), number((1 << 2047) | 1)),
        line_of("ssh-rsa", number(65537), field(b"\x80" + bytes(254) + b"\1")),  # negative
        line_of("ssh-rsa", number(65537), field(b"\0\0\x80" + bytes(254) + b"\1")),  # surplus zeros
        line_of("ssh-rsa", field(b"\0\1\0\1"), number((1 << 2047) | 1)),
    ],
)
def test_numbers_that_are_no_key_are_refused(text: str) -> None:
    """Values that cannot be a key, or are written in a second way, are refused with the fingerprint."""
    message = refusal(text)
    assert "SHA256:" in message
    assert "numbers" in message


def test_a_line_longer_than_transfer_family_takes_is_refused(line: str) -> None:
    """The line may have 2048 characters, its comment included; remarks around it do not count."""
    full = line + " " + "c" * (2048 - len(line) - 1)
    assert parse_public_key("# " + "x" * 5000 + "\n" + full).algorithm == "ssh-ed25519"
    assert "2049" in refusal(full + "c")
    assert "2048" in refusal(rsa_line(16384))


@pytest.mark.parametrize(
    "unit",
    [
        "ssh-",
        "ssh-a",
        "ssh-a ",
        "ssh-rsa \t",
        "sk-",
        "BEGIN ",
        "BEGIN A ",
        "AAAA",
        "\n",
        "\r\n#",
        "-",
        "=",
        " ",
    ],
)
def test_a_huge_paste_is_answered_in_linear_time(unit: str) -> None:
    """Megabytes of nearly a key are refused without a search that goes back and forth."""
    refusal(unit * (1_000_000 // len(unit)))


# --- whatever the input -----------------------------------------------------------------------

fragments = st.sampled_from(
    [
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        " ",
        "\t",
        "\n",
        "#",
        "AAAA",
        "=",
        base64.b64encode(ED25519_BLOB).decode(),
        'from="x"',
        "-----BEGIN ",
        "PRIVATE KEY",
        "\ufeff",
    ]
)


@given(st.one_of(st.text(), st.lists(st.one_of(fragments, st.text(max_size=3)), max_size=8).map("".join)))
def test_any_text_is_a_key_or_a_refusal_of_one_line(text: str) -> None:
    """Whatever is pasted, the answer is a parsed key or InvalidKey in one line with a hint."""
    try:
        key = parse_public_key(text)
    except InvalidKey as refused:
        lines, hint = str(refused).splitlines(), refused.hint
    else:
        lines, hint = [key.body], key.fingerprint
    assert len(lines) == 1
    assert hint


@given(st.sampled_from(ACCEPTED_ALGORITHMS), st.binary(max_size=600), st.booleans())
def test_any_blob_is_a_key_or_a_refusal(algorithm: str, blob: bytes, named: bool) -> None:
    """Whatever bytes stand in the base64, the library beneath lets no other error through."""
    encoded = base64.b64encode(field(algorithm.encode()) * named + blob).decode()
    try:
        key = parse_public_key(f"{algorithm} {encoded}")
    except InvalidKey:
        return
    assert isinstance(key, ParsedKey)
    assert key.body == f"{algorithm} {encoded}"


# Without capitals no comment can hold what marks a private key or a second key.
comments = st.text(st.characters(exclude_categories=["Lu"]), max_size=40)


@given(st.binary(min_size=32, max_size=32), comments)
def test_no_comment_changes_the_key(value: bytes, comment: str) -> None:
    """The comment is kept beside the key and has no part in it."""
    plain = line_of("ssh-ed25519", field(value))
    tidy = re.sub(r"[\r\n]", "", comment)
    key = parse_public_key(f"{plain} {tidy}")
    assert key.body == plain
    assert key.comment == "".join(key.comment.splitlines())


def test_keys_made_by_the_library_are_accepted_too() -> None:
    """A key that Python's cryptography wrote is the same to us, except the kinds we refuse."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    text = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert parse_public_key(text).body == text
