"""The form of an AWS API, read from the model that botocore ships. Files are read, nothing is called."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from botocore.loaders import Loader
from botocore.model import ListShape, ServiceModel, Shape, StringShape, StructureShape

from tidegate.adapters.aws.patterns import compiled
from tidegate.core.shapes import ErrorShape, Kind, OperationShape, ServiceShape
from tidegate.core.shapes import Shape as OurShape

_NOTHING = OurShape("Nothing", "structure")


@cache
def transfer_model() -> ServiceShape:
    """Return the Transfer Family API as the installed botocore knows it."""
    return read_model("transfer")


def read_model(service: str) -> ServiceShape:
    """Return the API of a service whose protocol is AWS JSON."""
    told = Loader().load_service_model(service, "service-2")
    model = ServiceModel(told, service)
    operations = (model.operation_model(name) for name in model.operation_names)
    return ServiceShape(
        target_prefix=str(model.metadata["targetPrefix"]),
        signing_name=model.signing_name,
        operations={
            each.name: OperationShape(
                each.name,
                _shape(each.input_shape) if each.input_shape else _NOTHING,
                _shape(each.output_shape) if each.output_shape else None,
                frozenset(error.name for error in each.error_shapes),
            )
            for each in operations
        },
        errors={
            # botocore's shapes do not tell whose fault an error is; what they are made from does.
            each.name: ErrorShape(_shape(each), 500 if told["shapes"][each.name].get("fault") else 400)
            for each in model.error_shapes
        },
    )


def _shape(shape: Shape) -> OurShape:
    about: dict[str, Any] = shape.metadata
    members: dict[str, OurShape] = {}
    required: tuple[str, ...] = ()
    item = None
    if isinstance(shape, StructureShape):
        members = {name: _shape(member) for name, member in shape.members.items()}
        required = tuple(shape.required_members)
    elif isinstance(shape, ListShape):
        item = _shape(shape.member)
    pattern = about.get("pattern", "")
    return OurShape(
        name=shape.name,
        kind=cast("Kind", shape.type_name),
        members=members,
        required=required,
        item=item,
        least=about.get("min"),
        most=about.get("max"),
        pattern=compiled(pattern) if pattern else None,
        pattern_text=pattern,
        enum=tuple(shape.enum) if isinstance(shape, StringShape) else (),
        is_secret=bool(about.get("sensitive")),
    )
