"""
Workflows that a server names, between a target and a file.

They never change, and have another id at each target: one is known again by what it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from tidegate.adapters.aws.transfer_directory import TransferUserDirectory
from tidegate.core.drift import own_tags
from tidegate.core.errors import NotFound, Unsupported
from tidegate.core.servers import AttachedWorkflow, Server
from tidegate.services.users import Change
from tidegate.settings.workflows import WorkflowSettings

_ATTACHED = ("on_upload", "on_partial_upload")
# What a step means where it does not say so. Source: Transfer Family API, CopyStepDetails.
_DEFAULTS = {"OverwriteExisting": "FALSE", "SourceFileLocation": "${previous.file}"}


@dataclass(frozen=True, slots=True)
class Settled:
    """
    Members of a server with the ids that its workflows have at the target.

    Args:
        missing: Definitions that are not there yet; the members have their ids of the file.
    """

    server: dict[str, Any]
    missing: tuple[WorkflowSettings, ...] = ()

    @property
    def changes(self) -> list[Change]:
        return [
            Change("add", "", f"workflow {each.id} {each.description}".rstrip(), "workflow", each.id)
            for each in self.missing
        ]


async def settle(
    directory: TransferUserDirectory, server: Mapping[str, Any], defined: Sequence[WorkflowSettings]
) -> Settled:
    """Return the members with each defined workflow found at the target, by its id or by what it does."""
    by_id = {each.id: each for each in defined}
    named = {attached.workflow_id for attached in _attached(server).values()}
    wanted = [by_id[each] for each in sorted(named & by_id.keys())]
    try:
        there = await _there(directory) if wanted else {}
    except Unsupported as error:
        click.echo(f"passed over the workflows of the file: {error.detail}", err=True)
        return Settled(dict(server))
    ids: dict[str, str] = {}
    for each in wanted:
        alike = [found for found, meaning in there.items() if meaning == _meaning(each.members)]
        if alike:
            ids[each.id] = each.id if each.id in alike else alike[0]
    missing = tuple(each for each in wanted if each.id not in ids)
    return Settled(with_ids(server, ids), missing)


async def made(directory: TransferUserDirectory, settled: Settled) -> dict[str, Any]:
    """Make the workflows that are missing, and return the members with their ids."""
    ids = {each.id: await directory.make_workflow(each.members) for each in settled.missing}
    return with_ids(settled.server, ids)


def with_ids(server: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """Return the members with other ids of workflows."""
    changed = {
        name: replace(attached, workflow_id=ids.get(attached.workflow_id, attached.workflow_id))
        for name, attached in _attached(server).items()
    }
    return {**server, **changed}


async def workflow_sections(directory: TransferUserDirectory, server: Server) -> list[dict[str, Any]]:
    """Return the definitions of a server's workflows, as a file has them; what cannot be read is told."""
    members = {name: getattr(server, name) for name in _ATTACHED}
    sections = []
    for workflow_id in sorted({each.workflow_id for each in _attached(members).values()}):
        try:
            sections.append(_section(await directory.workflow(workflow_id)))
        except (NotFound, Unsupported) as error:
            click.echo(f"passed over the workflow {workflow_id}: {error.detail}", err=True)
    return sections


def _section(members: Mapping[str, Any]) -> dict[str, Any]:
    optional = {
        "description": members.get("Description"),
        "steps": members.get("Steps") or [],
        "on_exception_steps": members.get("OnExceptionSteps"),
        "structured_log_destinations": members.get("StructuredLogDestinations"),
        "tags": dict(own_tags(tuple((tag["Key"], tag["Value"]) for tag in members.get("Tags") or ()))),
    }
    said = {name: value for name, value in optional.items() if value or name == "steps"}
    return {"id": members["WorkflowId"], **said}


async def _there(directory: TransferUserDirectory) -> dict[str, Any]:
    """Return what each workflow of the target does, by its id."""
    return {each: _meaning(await directory.workflow(each)) for each in await directory.workflow_ids()}


def _attached(server: Mapping[str, Any]) -> dict[str, AttachedWorkflow]:
    return {name: server[name] for name in _ATTACHED if server.get(name) is not None}


def _meaning(members: Mapping[str, Any]) -> Any:
    """Return what a workflow does, so that two can be compared; its tags do not count."""
    return [
        members.get("Description") or "",
        *(list(map(_plain, members.get(name) or ())) for name in ("Steps", "OnExceptionSteps")),
        list(members.get("StructuredLogDestinations") or ()),
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _plain(inner)
            for name, inner in value.items()
            if inner not in (None, "") and _DEFAULTS.get(name) != inner
        }
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
