"""
Reading the public key a partner sent.

What arrives is whatever was at hand: a private key, two keys, half a key, a key from another program.
Each is refused with the reason and the way to mend it. The text itself is in no message, because
it may be a secret; algorithm names are quoted only from the tables below.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

from tidegate.core.errors import InvalidKey
from tidegate.core.limits import RSA_MIN_BITS, SSH_PUBLIC_KEY_MAX_CHARS

# How many fields the blob has, its algorithm name included, and the size where the name decides it.
# Source: RFC 4253 section 6.6 (RSA), RFC 5656 section 3.1 (ECDSA), RFC 8709 section 4 (Ed25519).
_FIELD_COUNT = {
    "ssh-ed25519": 2,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
    "ssh-rsa": 3,
}
_BITS = {
    "ssh-ed25519": 256,
    "ecdsa-sha2-nistp256": 256,
    "ecdsa-sha2-nistp384": 384,
    "ecdsa-sha2-nistp521": 521,
}
ACCEPTED_ALGORITHMS = tuple(_FIELD_COUNT)

_SECURITY_KEYS = ("sk-ssh-ed25519", "sk-ecdsa-sha2-nistp256")
_CERTIFICATES = frozenset(
    f"{name}-cert-v01@openssh.com" for name in (*ACCEPTED_ALGORITHMS, *_SECURITY_KEYS, "ssh-dss")
)
_REFUSED = {
    "ssh-dss": "DSA keys (ssh-dss) are not accepted",
    **{
        f"{name}@openssh.com": f"security keys ({name}@openssh.com) are not accepted"
        for name in _SECURITY_KEYS
    },
}

# Names of blobs whose hash is what OpenSSH calls the fingerprint; it is not so for certificates.
_PLAIN_NAMES = frozenset({*_FIELD_COUNT, *_REFUSED})

_NEW_KEY = "make one with: ssh-keygen -t ed25519"
_COPY_AGAIN = "copy the whole line of the .pub file again"

# The start of a key. A blob opens with the length of a short name, which in base64 is always AAAA.
# The repeats are bounded so that the time stays linear in whatever was pasted.
_KEY_START = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-[a-z0-9-]{1,40}(?:@openssh\.com)?[ \t]{1,8}AAAA")

# "b3BlbnNzaC1rZXktdjE" is "openssh-key-v1", how the inside of an OpenSSH private key begins.
_PRIVATE = re.compile(r"(?:BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY|PuTTY-User-Key-File|b3BlbnNzaC1rZXktdjE")

_FOREIGN_FORMS = (
    ("BEGIN SSH2 PUBLIC KEY", "an RFC 4716 (SSH2) public key", "convert it: ssh-keygen -i -f FILE"),
    ("BEGIN RSA PUBLIC KEY", "a PEM (PKCS #1) public key", "convert it: ssh-keygen -i -m PEM -f FILE"),
    # How every Ed25519 key in PEM begins; ssh-keygen 9.2 says "unsupported pubkey type" to those.
    (
        "MCowBQYDK2VwAyEA",
        "a PEM (PKCS #8) Ed25519 public key",
        "ssh-keygen cannot convert it: give the .pub file",
    ),
    ("BEGIN PUBLIC KEY", "a PEM (PKCS #8) public key", "convert it: ssh-keygen -i -m PKCS8 -f FILE"),
)


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """
    A public key that may be stored.

    Args:
        algorithm: One of `ACCEPTED_ALGORITHMS`.
        body: `algorithm base64`, exactly as `ssh-keygen` writes it, without comment.
        fingerprint: `SHA256:…`, as `ssh-keygen -l` shows it.
        md5_fingerprint: `MD5:aa:bb:…`, as `ssh-keygen -l -E md5` shows it.
        comment: What stood behind the key, without control characters; often empty.
        bits: The size `ssh-keygen -l` shows.
    """

    algorithm: str
    body: str
    fingerprint: str
    md5_fingerprint: str
    comment: str
    bits: int


def fingerprint_of(blob: bytes) -> str:
    """Return the `SHA256:…` fingerprint of a key in its wire form, as OpenSSH writes it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def parse_public_key(text: str) -> ParsedKey:
    """
    Return the one OpenSSH public key in `text`.

    Blank lines, lines starting with `#`, a byte order mark and CRLF line ends are passed over.

    Raises:
        InvalidKey: Anything else. One line: the reason, the fingerprint where it can be computed, and
            how to mend it; never the text itself.
    """
    _refuse_other_forms(text)
    algorithm, encoded, comment = _fields_of_line(_only_line(text))
    _refuse_algorithm(algorithm, encoded)
    blob = _decoded(encoded)
    bits = _check_blob(algorithm, blob)
    body = f"{algorithm} {encoded}"
    _check_numbers(body, blob)
    return ParsedKey(algorithm, body, fingerprint_of(blob), _md5_fingerprint_of(blob), _plain(comment), bits)


# --- the text ---------------------------------------------------------------------------------


def _refuse_other_forms(text: str) -> None:
    if _PRIVATE.search(text):
        raise InvalidKey(
            "this is a private key: do not send it to anyone",
            hint="give the .pub file; if it has left its owner's machine, replace the key",
        )
    for mark, name, hint in _FOREIGN_FORMS:
        if mark in text:
            raise InvalidKey(f"this is {name}, not an OpenSSH one-line key", hint=hint)
    if "-----BEGIN " in text:
        raise InvalidKey("this is an armoured block, not an OpenSSH one-line key", hint="give the .pub file")


def _only_line(text: str) -> str:
    stripped = (line.strip() for line in re.split(r"[\r\n]+", text.removeprefix("\ufeff")))
    lines = [line for line in stripped if line and not line.startswith("#")]
    if not lines:
        raise InvalidKey("there is no key in it: it is empty", hint="give the line of the .pub file")
    count = sum(len(_KEY_START.findall(line)) for line in lines)
    if count > 1:
        raise InvalidKey(
            f"there are {count} keys in it, or one pasted {count} times", hint="give one at a time"
        )
    if len(lines) > 1:
        raise InvalidKey(f"the key is spread over {len(lines)} lines", hint="put it on one line")
    if len(lines[0]) > SSH_PUBLIC_KEY_MAX_CHARS:
        raise InvalidKey(
            f"the line has {len(lines[0])} characters; a key may have {SSH_PUBLIC_KEY_MAX_CHARS}",
            hint="leave out the comment, or use a shorter key",
        )
    return lines[0]


def _fields_of_line(line: str) -> tuple[str, str, str]:
    """Return algorithm, base64 and comment, none of them checked."""
    found = _KEY_START.search(line)
    if found and found.start() > 0:
        encoded = re.split(r"[ \t]+", line[found.start() :])[1]
        raise InvalidKey(
            "something stands in front of the key" + _fingerprint_note(encoded),
            hint="options such as from= or command= are not honoured: give the line of the .pub file alone",
        )
    algorithm, encoded, comment = (*re.split(r"[ \t]+", line, maxsplit=2), "", "")[:3]
    if algorithm.startswith("AAAA"):
        raise InvalidKey(
            "the key type in front is missing" + _fingerprint_note(algorithm),
            hint="give the whole line of the .pub file, starting with ssh- or ecdsa-",
        )
    return algorithm, encoded, comment


def _refuse_algorithm(algorithm: str, encoded: str) -> None:
    if algorithm in _CERTIFICATES:
        raise InvalidKey(f"certificates ({algorithm}) are not accepted", hint="give the plain .pub file")
    if algorithm in _REFUSED:
        raise InvalidKey(_REFUSED[algorithm] + _fingerprint_note(encoded), hint=_NEW_KEY)
    if algorithm not in _FIELD_COUNT:
        raise InvalidKey(
            "this does not start with a key type we accept" + _fingerprint_note(encoded),
            hint="give the line of a .pub file that starts with one of " + ", ".join(ACCEPTED_ALGORITHMS),
        )


def _plain(comment: str) -> str:
    # Comments end up in terminals and logs: no escapes, no line ends, no characters that turn text round.
    unfit = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return "".join(each for each in comment if unicodedata.category(each) not in unfit).strip()


# --- the blob ---------------------------------------------------------------------------------


def _decoded(encoded: str) -> bytes:
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    # As OpenSSH does, refuse base64 that says the same in another way.
    if not blob or base64.b64encode(blob).decode("ascii") != encoded:
        raise InvalidKey("the base64 of the key is damaged or cut short", hint=_COPY_AGAIN)
    return blob


def _check_blob(algorithm: str, blob: bytes) -> int:
    """Return the size in bits of a blob whose fields are those of its algorithm."""
    fields, rest = _strings(blob, _FIELD_COUNT[algorithm])
    named = fields[0].decode("ascii", "replace") if fields else algorithm
    if named != algorithm:
        other = named if named in _PLAIN_NAMES | _CERTIFICATES else "something else"
        raise InvalidKey(f"the line says {algorithm}, but the key in it is {other}", hint=_COPY_AGAIN)
    if len(fields) < _FIELD_COUNT[algorithm]:
        raise InvalidKey("the key is cut short", hint=_COPY_AGAIN)
    note = f"; its fingerprint is {fingerprint_of(blob)}"
    if rest:
        raise InvalidKey("there are surplus bytes behind the key" + note, hint=_COPY_AGAIN)
    if algorithm != "ssh-rsa":
        return _BITS[algorithm]
    bits = int.from_bytes(fields[2], "big").bit_length()
    if bits < RSA_MIN_BITS:
        raise InvalidKey(
            f"an RSA key of {bits} bits is too short, {RSA_MIN_BITS} are needed{note}", hint=_NEW_KEY
        )
    return bits


def _strings(blob: bytes, count: int) -> tuple[list[bytes], bytes]:
    """Return up to `count` length-prefixed fields that are there in full, and what is left."""
    fields: list[bytes] = []
    while len(fields) < count and len(blob) >= 4:
        end = 4 + int.from_bytes(blob[:4], "big")
        if end > len(blob):
            break
        fields.append(blob[4:end])
        blob = blob[end:]
    return fields, blob


def _check_numbers(body: str, blob: bytes) -> None:
    try:
        key = load_ssh_public_key(body.encode("ascii"))
        written = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
    except (ValueError, UnsupportedAlgorithm, NotImplementedError):  # the last: a compressed EC point
        written = ""
    # A number written with surplus zeros would give one key a second fingerprint.
    if written != body:
        raise InvalidKey(
            f"the numbers in the key are not those of a valid key; its fingerprint is {fingerprint_of(blob)}",
            hint=_COPY_AGAIN,
        )


def _md5_fingerprint_of(blob: bytes) -> str:
    return "MD5:" + hashlib.md5(blob, usedforsecurity=False).digest().hex(":")


def _fingerprint_note(encoded: str) -> str:
    """Return words to append; empty unless the base64 is a key, since a hash can give a password away."""
    try:
        blob = _decoded(encoded)
    except InvalidKey:
        return ""
    fields, _ = _strings(blob, 1)
    is_key = bool(fields) and fields[0].decode("ascii", "replace") in _PLAIN_NAMES
    return f"; its fingerprint is {fingerprint_of(blob)}" if is_key else ""
