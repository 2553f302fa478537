"""The section of the control port: where the Transfer API answers, and to whom."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from tidegate.settings.kinds import Count, FilePath, HostName, Secret, Words, refused
from tidegate.settings.sections import Section


def _ports(text: str) -> str:
    first, last = (int(each) for each in text.split("-"))
    if not 1 <= first <= last <= 65535:
        raise refused("expected the first and the last of some ports, such as 2300-2349")
    return text


PortRange: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[0-9]{1,5}-[0-9]{1,5}$"),
    Words(form="the first and the last port, such as 2300-2349"),
    AfterValidator(_ports),
]
AccessKeyId: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_+=,.@-]{1,128}$"),
    Words(form="an access key id of up to 128 letters, digits and _ + = , . @ -"),
]


class CredentialSettings(Section):
    """A pair of keys that may sign requests."""

    access_key_id: AccessKeyId = Field(description="What requests name; it is no secret.")
    secret_access_key: Secret = Field(description="What they are signed with; as ${NAME} of a variable.")
    session_token: Secret | None = Field(
        default=None, description="What requests must bring beside it; as ${NAME} of a variable."
    )
    access: Literal["read", "admin"] = Field(
        default="admin", description="Whether it may only look, or change everything."
    )


class ControlSettings(Section):
    """The Transfer Family API of `serve`."""

    host: HostName = Field(default="127.0.0.1", description="Address to answer on.")
    port: Count | None = Field(
        default=None, ge=0, le=65535, description="Port to answer on; 0 takes a free one, null means not to."
    )
    certificate_file: FilePath | None = Field(
        default=None, description="TLS certificate and its chain (PEM); null means no TLS."
    )
    key_file: FilePath | None = Field(default=None, description="Private key of the certificate (PEM).")
    credentials: tuple[CredentialSettings, ...] = Field(
        default=(), description="Who may call it; everybody else is refused."
    )
    sftp_ports: PortRange | None = Field(
        default=None,
        description="Ports for servers that the API makes; null means that it makes none.",
    )
