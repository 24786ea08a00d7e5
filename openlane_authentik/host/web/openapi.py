"""The OpenAPI document, made from the operations' own declarations and the shapes they name."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from openlane_authentik.described import describe_fields
from openlane_authentik.host.web.hosts import ASKED_BY_ANY_NAME
from openlane_authentik.host.web.problems import JSON, Failure
from openlane_authentik.host.web.routes import Answer, Operation

_REFERENCE: Final = "#/components/schemas/{name}"
_PLACE: Final = re.compile(r"\{(\w+)\}")
_REASONS: Final = {
    401: "The request does not carry the API token.",
    404: "There is none of this id.",
    409: "It contradicts what is stored, or how it stands now.",
    413: "The body is too large.",
    422: "The request is not of this shape, or cannot be done as asked; `report` tells of a failed health check.",
    421: "The request's Host header is no name of this host.",
    429: "Too many wrong API tokens came from this address (then with `Retry-After`), or exports are being read.",
    500: "The host failed; its log says more.",
    502: "The provider did not answer as it should; try again.",
    503: "The host cannot work now: `code` tells whether that is its database, its key, its folder or a disk.",
}
_SCHEME: Final = "apiToken"


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the document (OpenAPI 3.1)."""
    listed = list(operations)
    shapes = list(dict.fromkeys(_shapes(listed)))
    schemas, components = msgspec.json.schema_components(shapes, ref_template=_REFERENCE)
    told = dict(zip(shapes, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in listed:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, told, components)
    queries = {operation.query.__name__ for operation in listed if operation.query is not None}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Openlane host",
            "version": "1",
            "description": "Installations, their syncs, and the directory they give. Moments are RFC 3339 in UTC.",
        },
        "paths": paths,
        "components": {
            "schemas": {name: _plain(schema) for name, schema in components.items() if name not in queries},
            "securitySchemes": {_SCHEME: {"type": "http", "scheme": "bearer"}},
        },
        "security": [{_SCHEME: []}],
    }


def _shapes(operations: Iterable[Operation]) -> Iterator[Any]:
    yield Failure
    for operation in operations:
        yield from (shape for shape in (operation.query, operation.body) if shape is not None)
        yield from (answer.shape for answer in operation.answers.values() if answer.shape is not None)


def _operation(operation: Operation, told: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PLACE.findall(operation.path)
    ]
    in_query = [] if operation.query is None else list(_parameters(components[operation.query.__name__]))
    statuses = {*operation.errors, 500, 503}
    statuses |= set() if operation.open else {401, 429}
    statuses |= set() if operation.path in ASKED_BY_ANY_NAME else {421}
    statuses |= {404} if in_path else set()
    statuses |= {422} if in_path or in_query or operation.body is not None else set()
    statuses |= {413} if operation.body is not None else set()
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {str(status): _answer(answer, told) for status, answer in operation.answers.items()}
        | {
            str(status): {"description": _REASONS[status], "content": {JSON: {"schema": told[Failure]}}}
            for status in sorted(statuses)
        },
    }
    if in_path or in_query:
        found["parameters"] = [*in_path, *in_query]
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": told[operation.body]}}}
    if operation.open:
        found["security"] = []
    return found


def _parameters(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, field in schema["properties"].items():
        shape = _plain(field)
        if "anyOf" in shape:
            # A query knows no null: what may be None may be left out.
            (shape,) = [choice for choice in shape["anyOf"] if choice != {"type": "null"}]
        parameter = {"name": name, "in": "query", "required": name in schema.get("required", ())}
        if "description" in shape:
            parameter["description"] = shape["description"]
        yield {**parameter, "schema": {key: value for key, value in shape.items() if key != "description"}}


def _answer(answer: Answer, told: dict[Any, Any]) -> dict[str, Any]:
    schema = {"type": "string"} if answer.shape is None else told[answer.shape]
    return {"description": answer.description, "content": {kind: {"schema": schema} for kind in answer.media_types}}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with prose at its fields, and without null defaults."""
    return {key: value for key, value in describe_fields(schema).items() if not (key == "default" and value is None)}
