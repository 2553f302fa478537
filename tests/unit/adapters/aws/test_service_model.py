"""The Transfer Family API as botocore ships it, in our form."""

from __future__ import annotations

from tidegate.adapters.aws.service_model import transfer_model
from tidegate.core.shapes import Shape

MODEL = transfer_model()


def shapes(shape: Shape, *, through: tuple[str, ...] = ()):
    yield shape
    for below in (*shape.members.values(), *([shape.item] if shape.item else [])):
        yield from shapes(below)


def test_what_the_service_is():
    """Its names on the wire, and every operation it has."""
    assert (MODEL.target_prefix, MODEL.signing_name) == ("TransferService", "transfer")
    assert len(MODEL.operations) >= 71
    assert {"CreateUser", "ImportSshPublicKey", "StartServer"} <= MODEL.operations.keys()


def test_members_bounds_and_patterns():
    """A request has its members, and they have their bounds."""
    request = MODEL.operations["CreateUser"].input
    assert set(request.required) == {"Role", "ServerId", "UserName"}
    name = request.members["UserName"]
    assert (name.kind, name.least, name.most, name.pattern_text) == ("string", 3, 100, r"[\w][\w@.-]{2,99}")
    assert request.members["HomeDirectoryType"].enum == ("PATH", "LOGICAL")
    tags = request.members["Tags"]
    assert (tags.kind, tags.least, tags.most) == ("list", 1, 50)
    assert tags.item is not None
    assert tags.item.required == ("Key", "Value")
    assert MODEL.operations["ImportHostKey"].input.members["HostKeyBody"].is_secret


def test_operations_without_an_answer():
    """They answer nothing at all, and not an empty structure."""
    assert MODEL.operations["DeleteUser"].output is None
    assert MODEL.operations["CreateUser"].output is not None


def test_errors_and_their_status():
    """400, but where it is the service's own fault; each operation names those it may answer."""
    statuses = {name: error.status for name, error in MODEL.errors.items()}
    assert {name for name, status in statuses.items() if status == 500} == {
        "InternalServiceError",
        "ServiceUnavailableException",
    }
    assert set(statuses.values()) == {400, 500}
    assert MODEL.errors["ThrottlingException"].text_member is None
    assert MODEL.errors["ResourceNotFoundException"].text_member == "Message"
    assert "ResourceExistsException" in MODEL.operations["CreateUser"].errors


def test_every_kind_and_pattern_is_known():
    """No shape of the service is of a kind that we cannot read, and every pattern is one."""
    kinds = {"structure", "list", "string", "integer", "long", "boolean", "timestamp", "blob"}
    for operation in MODEL.operations.values():
        for shape in shapes(operation.input):
            assert shape.kind in kinds, shape.name
            assert (shape.pattern is None) == (not shape.pattern_text)
