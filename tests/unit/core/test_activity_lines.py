"""Lines of logs, as Transfer Family writes them: members, their order, and no others."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tidegate.core.activities import (
    Activity,
    AuthFailure,
    Changed,
    Closed,
    Connected,
    Disconnected,
    Ended,
    Failed,
    KexFailure,
    Opened,
    Visitor,
    legacy_group_of,
    stream_of,
)
from tidegate.core.activity_lines import structured, text_line, type_of
from tidegate.core.servers import Server

SERVER = Server("s-0aa11bb22cc33dd44")
ARN = "arn:aws:transfer:eu-west-1:111122223333:server/s-0aa11bb22cc33dd44"
ROLE = "arn:aws:iam::111122223333:role/sftp-ana"
ANA = Visitor(SERVER, "ana", "0f1e2d3c4b5a6978", "198.51.100.7")
AT = datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
FILE = "/inbox-bkt/ana/a.csv"

CONNECTED = Connected(
    ANA,
    AT,
    client="SSH-2.0-OpenSSH_9.6",
    kex="ecdh-sha2-nistp256",
    ciphers=("aes256-gcm@openssh.com", "aes128-ctr"),
    home_directory=None,
    key_type="ssh-ed25519",
    key_body="AAAAC3Nz",
    key_fingerprint="SHA256:abc=",
    role=ROLE,
)
OPENED = Opened(ANA, AT, FILE, "CREATE|TRUNCATE|WRITE")
UPLOADED = Closed(ANA, AT, FILE, "in", 2048, AT, "9b2c")
DOWNLOADED = replace(UPLOADED, direction="out")
REFUSED = AuthFailure(SERVER, AT, "198.51.100.7", "ana", "RSA SHA256:xyz")
NO_KEX = KexFailure(
    SERVER, AT, "198.51.100.7", "No matching key exchange algorithm found", "diffie-hellman-group1-sha1"
)
NOT_CLOSED = Failed(ANA, AT, "CLOSE", FILE, "Permission denied", AT, direction="in", size=13)
SESSION = ("resource-arn", ARN), ("session-id", ANA.session_id)

LINES: list[tuple[Activity, str, str]] = [
    (
        CONNECTED,
        (
            f'{{"role":"{ROLE}","activity-type":"CONNECTED","ciphers":"aes256-gcm@openssh.com,aes128-ctr",'
            f'"client":"SSH-2.0-OpenSSH_9.6","source-ip":"198.51.100.7","resource-arn":"{ARN}","home-dir":"/",'
            '"ssh-public-key":"AAAAC3Nz","ssh-public-key-fingerprint":"SHA256:abc",'
            '"ssh-public-key-type":"ssh-ed25519","user":"ana","kex":"ecdh-sha2-nistp256",'
            '"session-id":"0f1e2d3c4b5a6978"}'
        ),
        (
            "ana.0f1e2d3c4b5a6978 CONNECTED SourceIP=198.51.100.7 User=ana HomeDir=LOGICAL"
            f" Client=SSH-2.0-OpenSSH_9.6 Role={ROLE}"
        ),
    ),
    (
        OPENED,
        (
            f'{{"mode":"CREATE|TRUNCATE|WRITE","path":"{FILE}","activity-type":"OPEN","resource-arn":"{ARN}",'
            '"session-id":"0f1e2d3c4b5a6978"}'
        ),
        f"ana.0f1e2d3c4b5a6978 OPEN Path={FILE} Mode=CREATE|TRUNCATE|WRITE",
    ),
    (
        UPLOADED,
        (
            f'{{"path":"{FILE}","activity-type":"CLOSE","resource-arn":"{ARN}","bytes-in":"2048",'
            '"session-id":"0f1e2d3c4b5a6978"}'
        ),
        f"ana.0f1e2d3c4b5a6978 CLOSE Path={FILE} BytesIn=2048",
    ),
    (
        DOWNLOADED,
        (
            f'{{"path":"{FILE}","activity-type":"CLOSE","resource-arn":"{ARN}","bytes-out":"2048",'
            '"session-id":"0f1e2d3c4b5a6978"}'
        ),
        f"ana.0f1e2d3c4b5a6978 CLOSE Path={FILE} BytesOut=2048",
    ),
    (
        replace(UPLOADED, size=0, is_partial=True),
        (
            f'{{"path":"{FILE}","activity-type":"PARTIAL_CLOSE","resource-arn":"{ARN}","bytes-in":"0",'
            '"session-id":"0f1e2d3c4b5a6978"}'
        ),
        f"ana.0f1e2d3c4b5a6978 PARTIAL_CLOSE Path={FILE} BytesIn=0",
    ),
    *[
        (
            Changed(ANA, AT, operation, FILE, AT),
            (
                f'{{"path":"{FILE}","activity-type":"{operation}","resource-arn":"{ARN}",'
                '"session-id":"0f1e2d3c4b5a6978"}'
            ),
            f"ana.0f1e2d3c4b5a6978 {operation} Path={FILE}",
        )
        for operation in ("DELETE", "MKDIR", "RMDIR", "SETSTAT")
    ],
    (
        Changed(ANA, AT, "RENAME", FILE, AT, "/inbox-bkt/ana/b.csv"),
        (
            f'{{"path":"{FILE}","new-path":"/inbox-bkt/ana/b.csv","activity-type":"RENAME",'
            f'"resource-arn":"{ARN}","session-id":"0f1e2d3c4b5a6978"}}'
        ),
        f"ana.0f1e2d3c4b5a6978 RENAME Path={FILE} NewPath=/inbox-bkt/ana/b.csv",
    ),
    (
        NOT_CLOSED,
        (
            f'{{"message":"Permission denied","operation":"CLOSE","path":"{FILE}","activity-type":"ERROR",'
            f'"resource-arn":"{ARN}","bytes-in":"13","session-id":"0f1e2d3c4b5a6978"}}'
        ),
        f'ana.0f1e2d3c4b5a6978 ERROR Message="Permission denied" Operation=CLOSE Path={FILE} BytesIn=13',
    ),
    (
        Ended(ANA, AT, "the client did nothing for 1800 seconds"),
        (
            '{"message":"the client did nothing for 1800 seconds","activity-type":"EXIT_REASON",'
            f'"resource-arn":"{ARN}","session-id":"0f1e2d3c4b5a6978"}}'
        ),
        'ana.0f1e2d3c4b5a6978 EXIT_REASON Message="the client did nothing for 1800 seconds"',
    ),
    (
        Disconnected(ANA, AT),
        f'{{"activity-type":"DISCONNECTED","resource-arn":"{ARN}","session-id":"0f1e2d3c4b5a6978"}}',
        "ana.0f1e2d3c4b5a6978 DISCONNECTED",
    ),
    (
        REFUSED,
        (
            '{"method":"publickey","activity-type":"AUTH_FAILURE","source-ip":"198.51.100.7",'
            f'"resource-arn":"{ARN}","message":"RSA SHA256:xyz","user":"ana"}}'
        ),
        'ERRORS AUTH_FAILURE Method=publickey User=ana Message="RSA SHA256:xyz" SourceIP=198.51.100.7',
    ),
    (
        NO_KEX,
        (
            f'{{"activity-type":"KEX_FAILURE","source-ip":"198.51.100.7","resource-arn":"{ARN}",'
            '"message":"No matching key exchange algorithm found","kex":"diffie-hellman-group1-sha1"}'
        ),
        (
            'ERRORS KEX_FAILURE Message="No matching key exchange algorithm found" SourceIP=198.51.100.7'
            " Kex=diffie-hellman-group1-sha1"
        ),
    ),
]


@pytest.mark.parametrize(("activity", "line", "text"), LINES, ids=[type_of(each[0]) for each in LINES])
def test_the_line_of_each_type(activity: Activity, line: str, text: str) -> None:
    """Each type has the members of AWS's samples in their order, as JSON and as text."""
    assert structured(activity, ARN) == line
    assert text_line(activity) == text


def test_a_home_of_type_path_is_said() -> None:
    """A PATH home shows its directory, and a session policy is said last."""
    line = structured(replace(CONNECTED, home_directory="/bkt/ana", policy="{}"), ARN)
    assert '"home-dir":"/bkt/ana"' in line
    assert line.endswith(',"session-id":"0f1e2d3c4b5a6978","user-policy":"{}"}')
    assert "HomeDir=/bkt/ana " in text_line(replace(CONNECTED, home_directory="/bkt/ana"))


def test_a_client_behind_a_balancer() -> None:
    """That its address comes from a PROXY header is said last."""
    proxied = replace(CONNECTED, proxied=True)
    assert structured(proxied, ARN).endswith('"proxy-protocol-v2-header":"applied"}')
    assert text_line(proxied).endswith(" ProxyProtocolV2Header=applied")


def test_streams() -> None:
    """A session has a stream of its own, whose name ends in its id; what has no session shares one."""
    assert stream_of(UPLOADED) == "ana.0f1e2d3c4b5a6978"
    assert stream_of(REFUSED) == stream_of(NO_KEX) == "ERRORS"
    assert legacy_group_of(SERVER) == "/aws/transfer/s-0aa11bb22cc33dd44"


@pytest.mark.parametrize("odd", ['a"b', "a\nb", "a\\b", "a\u202eb", "a\u2028b", "a\ud800b", "a\x7fb", "ü 日"])
def test_odd_names_stay_in_their_line(odd: str) -> None:
    """Whatever a client names its file, the line is one line, and its JSON says the very name."""
    opened = replace(OPENED, path=f"/b/{odd}")
    line = structured(opened, ARN)
    assert json.loads(line)["path"] == f"/b/{odd}"
    assert not set(line) & set("\n\u202e\u2028\ud800\x7f")
    text = text_line(opened)
    assert len(text.splitlines()) == 1
    assert "\u202e" not in text
