"""
The kinds of values settings hold: what each must look like, and the words to say so.

A pattern or bound is written once, here or on the field; `Words` beside it is what an error says
in place of the pattern. Validators quote the value they refuse unless it may hold a secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from tidegate.core.errors import InvalidName
from tidegate.core.homes import check_home, home_from_target
from tidegate.core.limits import S3_MAX_KEY_BYTES
from tidegate.core.users import Home, HomeDirectoryType, Mapping, check_user_name
from tidegate.settings.problems import shown

# Marks errors whose text is already in our words.
OWN_WORDS = "tidegate"
# Key of the validation context: the directory that relative paths start from.
DIRECTORY = "directory"

# Whatever is put after it must still be a bucket's name.
NAME_PREFIX_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$"

_REFERENCE = r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"


@dataclass(frozen=True, slots=True)
class Words:
    """
    How an error explains a rule of its setting.

    Args:
        form: What a pattern asks for, as in "expected ..., not 'x'".
        least: Why the lower bound is where it is.
        most: Why the upper bound is where it is.
    """

    form: str = ""
    least: str = ""
    most: str = ""


def refused(text: str) -> PydanticCustomError:
    """Return the error a validator raises; `text` reaches the administrator as it is."""
    return PydanticCustomError(OWN_WORDS, "{text}", {"text": text})


def _partner_name(name: str) -> str:
    with _in_own_words():
        return check_user_name(name)


def _home(home: str) -> str:
    with _in_own_words():
        return home_from_target(home).target


def _bucket(name: str) -> str:
    # Two dots together and IP addresses are more than a pattern of the schema can say.
    with _in_own_words():
        home_from_target(f"/{name}")
    return name


@contextmanager
def _in_own_words() -> Iterator[None]:
    try:
        yield
    except InvalidName as error:
        raise refused(f"{error.detail}; {error.hint}" if error.hint else error.detail) from error


def _prefix(prefix: str) -> str:
    if prefix and not prefix.endswith("/"):
        # The prefix and the key are joined as they are: "copies" would give "copiesacme/a.csv".
        raise refused(f"{shown(prefix)} must end in /")
    if any(step in ("", ".", "..") for step in prefix.split("/")[:-1]):
        raise refused(f"{shown(prefix)} starts with / or has an empty, . or .. step")
    return prefix


def refused_file_name(name: str) -> str:
    """Return why a text is no name of a file here; empty if it is one."""
    if Path(name) == Path():
        return "expected the name of a file"
    return "~ is not expanded; write the whole path" if name.startswith("~") else ""


def _file(path: Path, info: ValidationInfo) -> Path:
    if words := refused_file_name(str(path)):
        raise refused(words)
    directory = (info.context or {}).get(DIRECTORY)
    return path if directory is None else Path(directory) / path


def _network(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise refused(f"expected a network such as 10.0.0.0/16, not {shown(text)}") from None
    if "/" in text and network.network_address != ip_address(text.partition("/")[0]):
        # One address was meant, or the whole network: they differ in who is trusted.
        raise refused(f"{shown(text)} is an address in {network}; write the one that is meant")
    return str(network)


def _virtual_directory(path: str) -> str:
    # The rules are those of mappings, over which routes are laid.
    with _in_own_words():
        check_home(Home(HomeDirectoryType.LOGICAL, "/", (Mapping(path, "/bucket"),)))
    return path


def _only_in_a_file(name: str) -> str:
    # Whoever builds settings in Python would be given nothing of what the file says.
    raise refused(f"{shown(name)} is not read here: only `load` follows extends")


def _endpoint(url: str) -> str:
    if not _is_endpoint(url):
        # Not quoted: a URL may hold a password.
        raise refused("expected http://HOST or https://HOST, with a port if need be and nothing after it")
    return url


def _is_endpoint(url: str) -> bool:
    # urlsplit drops line ends and tabs without a word.
    if not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    more = "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment
    return parts.scheme in ("http", "https") and has_host and not more


Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Count: TypeAlias = Annotated[int, Field(strict=True)]
Seconds: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]

# The schema describes the file, where a secret is only ever named.
Secret: TypeAlias = Annotated[SecretStr, WithJsonSchema({"type": "string", "pattern": _REFERENCE})]

HostName: TypeAlias = Annotated[
    str, Field(pattern=r"^[0-9A-Za-z._:%-]{1,253}$"), Words(form="a host name or IP address")
]
AlgorithmName: TypeAlias = Annotated[
    str, Field(pattern=r"^[0-9A-Za-z@._-]{1,64}$"), Words(form="one SSH algorithm name")
]
Region: TypeAlias = Annotated[
    str, Field(pattern=r"^[a-z0-9-]{1,32}$"), Words(form="a Region such as eu-central-1")
]
ServerId: TypeAlias = Annotated[
    str, Field(pattern=r"^s-[0-9a-f]{17}$"), Words(form="s- and 17 hexadecimal digits")
]
BucketName: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"),
    AfterValidator(_bucket),
    Words(form="a bucket name (3 to 63 lower-case letters, digits, . or -)"),
]
TableName: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[0-9A-Za-z_.-]{3,255}$"),
    Words(form="a table name (3 to 255 letters, digits, _ . or -)"),
]
KmsKey: TypeAlias = Annotated[
    str,
    Field(pattern=r"^(alias/[\w/-]+|arn:aws[\w-]*:kms:[\w:/-]+|mrk-[0-9a-f]{32}|[0-9a-fA-F-]{36})$"),
    Words(form="alias/NAME, a key id or an ARN"),
]
TargetName: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[a-z0-9-]{1,40}$"),
    Words(form="1 to 40 lower-case letters, digits or -"),
]
Prefix: TypeAlias = Annotated[str, Field(max_length=S3_MAX_KEY_BYTES), AfterValidator(_prefix)]
PartnerName: TypeAlias = Annotated[str, AfterValidator(_partner_name)]
HomeDirectory: TypeAlias = Annotated[str, AfterValidator(_home)]
EndpointUrl: TypeAlias = Annotated[str, AfterValidator(_endpoint)]
# Relative ones start from the directory of the configuration file.
FilePath: TypeAlias = Annotated[Path, AfterValidator(_file)]
BaseFile: TypeAlias = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_only_in_a_file)]
NamePrefix: TypeAlias = Annotated[
    str,
    Field(pattern=NAME_PREFIX_PATTERN),
    Words(form="1 to 30 lower-case letters, digits or -, the first and last no -"),
]
Network: TypeAlias = Annotated[str, AfterValidator(_network)]
VirtualDirectory: TypeAlias = Annotated[str, AfterValidator(_virtual_directory)]
UserPattern: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[0-9A-Za-z_.@*?-]{1,100}$"),
    Words(form="a partner's name, in which * stands for anything and ? for one character"),
]
FilePattern: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[^/\[\]\x00]{1,255}$"),
    Words(form="a file's name without /, in which * stands for anything and ? for one character"),
]
EventTarget: TypeAlias = Annotated[
    str,
    Field(pattern=r"^(eventbridge|arn:aws[\w-]*:(sqs|lambda):[\w:-]+)$"),
    Words(form="eventbridge, or the ARN of a queue or a function"),
]
ProviderName: TypeAlias = Annotated[
    str,
    Field(pattern=r"^(arn:[a-z-]+:lambda:\S{1,160}|https?://\S{1,247})$"),
    Words(form="the ARN of a Lambda function, or the URL of an API"),
]
ProviderUrl: TypeAlias = Annotated[
    str, Field(pattern=r"^https?://[!-~]{1,2000}$"), Words(form="http://HOST/PATH or https://HOST/PATH")
]
CallableName: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$"),
    Words(form="module:function"),
]
LogGroupName: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[0-9A-Za-z_./#-]{1,512}$"),
    Words(form="the name of a log group, such as /sftp/activity"),
]
EventBusName: TypeAlias = Annotated[
    str,
    Field(pattern=r"^(arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/)?[0-9A-Za-z_./-]{1,256}$"),
    Words(form="default, the name of an event bus or its ARN"),
]
ServiceName: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[a-z0-9-]+\.amazonaws\.com(\.cn)?$"),
    Words(form="a service such as ecs-tasks.amazonaws.com"),
]
RolePattern: TypeAlias = Annotated[
    str,
    Field(pattern=r"^arn:aws[\w-]*:iam::[0-9]{12}:role/[\w+=,.@/*?-]*[\w+=,.@/?-][\w+=,.@/*?-]*$"),
    Words(form="a role's ARN, its name not * alone"),
]
StorageClass: TypeAlias = Literal[
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
]
