"""What a route asks of a file beyond that it was closed: a section of its own, `accept`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from tidegate.core.acceptance import Duplicates, Rules
from tidegate.core.last_lines import pattern_problem
from tidegate.core.limits import S3_MAX_OBJECT_BYTES
from tidegate.core.sidecars import MANIFEST, Sidecar, SidecarKind, tells_from_data, would_not_be_compared
from tidegate.settings.kinds import Count, Words, refused
from tidegate.settings.problems import Place, Problem, shown
from tidegate.settings.sections import Section

_LONGEST_PATTERN = 500


def _pattern(pattern: str) -> str:
    if problem := pattern_problem(pattern):
        raise refused(f"{shown(pattern)} {problem}")
    return pattern


def _sidecar(sidecar: str) -> str:
    if would_not_be_compared(sidecar):
        raise refused(
            f"{shown(sidecar)} would not be compared: of digests only SHA-256 is, in .sha256 or .sha256sum"
        )
    return sidecar


def _manifest(pattern: str) -> str:
    if not tells_from_data(pattern):
        raise refused(
            f"{shown(pattern)} could be the name of any data, and sidecars are asked nothing: begin with two"
            " fixed characters or more, as in day-*.txt, or end in manifest, sha256 or sums"
        )
    return pattern


LinePattern: TypeAlias = Annotated[str, Field(max_length=_LONGEST_PATTERN), AfterValidator(_pattern)]
SidecarName: TypeAlias = Annotated[
    str,
    Field(pattern=r"^(manifest|\.[0-9A-Za-z_-]{1,20})$"),
    AfterValidator(_sidecar),
    Words(form=".sha256, another suffix such as .ok, or manifest"),
]
ManifestPattern: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[^/\[\]\x00-\x1f]{1,200}$"),
    AfterValidator(_manifest),
    Words(form="a file's name, in which * stands for anything and ? for one character"),
]


class AcceptSettings(Section):
    """What a file must be, or it is held back as SUSPECT. Sidecars themselves are asked nothing."""

    minimum_bytes: Count = Field(
        default=0, ge=0, le=S3_MAX_OBJECT_BYTES, description="Size of the smallest file."
    )
    last_line: LinePattern | None = Field(
        default=None, description="Regular expression that the whole last line that is not empty must match."
    )
    sidecar: SidecarName | None = Field(
        default=None, description="File that must come beside it: .sha256, a suffix such as .ok, or manifest."
    )
    manifest: ManifestPattern | None = Field(
        default=None, description="With sidecar manifest: the manifests' names, in the same directory."
    )
    duplicates: Literal["keep", "reject", "flag"] = Field(
        default="keep", description="What becomes of a file whose content came before."
    )
    duplicate_days: Count = Field(
        default=0,
        ge=0,
        le=366,
        description="Days back that the partner's files of other names are compared; 0 means not at all.",
    )

    def rules(self) -> Rules:
        """Return them as the gateway judges by them."""
        return Rules(
            minimum_bytes=self.minimum_bytes,
            last_line=self.last_line,
            sidecar=self._sidecar(),
            duplicates=Duplicates(self.duplicates),
            duplicate_days=self.duplicate_days,
        )

    def problems(self, place: Place) -> Iterator[Problem]:
        """Yield what does not go together in it; `place` is its own."""
        if (self.sidecar == MANIFEST) != (self.manifest is not None):
            given, text = "sidecar", "needs to be told which files are manifests: write manifest, too"
            if self.manifest is not None:
                given, text = "manifest", "does nothing unless sidecar is manifest"
            yield Problem((*place, given), text)
        if self.duplicate_days and self.duplicates == "keep":
            yield Problem((*place, "duplicate_days"), "does nothing unless duplicates is reject or flag")

    def _sidecar(self) -> Sidecar | None:
        if self.sidecar == MANIFEST:
            return Sidecar(SidecarKind.MANIFEST, self.manifest or "")
        return Sidecar.with_suffix(self.sidecar) if self.sidecar else None
