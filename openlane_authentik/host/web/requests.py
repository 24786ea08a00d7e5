"""What was asked, read into the shape that was declared for it, or refused with the place that is wrong."""

from collections.abc import Iterable
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from openlane_authentik.host.errors import InvalidRequestError, TooLargeError

_MOST_BYTES: Final = 1_000_000
_MOST_FIELDS: Final = 500
_DEEPEST: Final = 50
Shape = TypeVar("Shape")


async def read_body(request: Request) -> bytes:
    """Return the body.

    Raises:
        TooLargeError: It is larger than anything that is meant.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise TooLargeError(f"the body has more than {_MOST_BYTES} bytes")
    return bytes(body)


async def read_json(request: Request, shape: type[Shape]) -> Shape:
    """Return the JSON body.

    Raises:
        TooLargeError: See ``read_body``.
        InvalidRequestError: It is no JSON, or of another shape.
    """
    try:
        raw = msgspec.json.decode(await read_body(request))
    except (ValueError, RecursionError):
        # The decoder's own text tells a byte's place only.
        raise InvalidRequestError("the body is no JSON") from None
    return shaped(raw, shape, strict=True)


def read_query(request: Request, shape: type[Shape], *, of_form: bool = False) -> Shape:
    """Return the query.

    Args:
        request: Whose.
        shape: What it is to be.
        of_form: A form sent it, which sends fields that were left empty, too.

    Raises:
        InvalidRequestError: It has unknown names, one twice, or values that are not meant.
    """
    query = _once(request.query_params.multi_items())
    if of_form:
        query = {name: value for name, value in query.items() if value}
    return shaped(query, shape, strict=False)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form that a page sent.

    Raises:
        TooLargeError: See ``read_body``.
        InvalidRequestError: It is no form, or has a field twice.
    """
    try:
        text = (await read_body(request)).decode("ascii")
        fields = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise InvalidRequestError("the body is no form") from None
    form = _once(fields)
    _refuse_nul(form, "")
    return form


def read_path(request: Request) -> dict[str, str]:
    """Return what the path names.

    Raises:
        InvalidRequestError: It holds what no id holds.
    """
    path = {name: str(value) for name, value in request.path_params.items()}
    _refuse_nul(path, "")
    return path


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRequestError(f"{name}: given twice")
        found[name] = value
    return found


def shaped(raw: Any, shape: type[Shape], *, strict: bool = True) -> Shape:
    """Return decoded data as what it is to be; ``strict`` unless numbers may come as text.

    Raises:
        InvalidRequestError: It is something else; names the place and the rule.
    """
    _refuse_nul(raw, "")
    try:
        return msgspec.convert(raw, shape, strict=strict)
    except msgspec.ValidationError as error:
        rule, _, place = str(error).partition(" - at `$")
        place = place.rstrip("`").lstrip(".")
        raise InvalidRequestError(f"{place}: {rule}" if place else rule) from None


def _refuse_nul(value: Any, place: str, depth: int = 0) -> None:
    """Refuse the one character that PostgreSQL cannot hold in a text, and what is nested beyond all reason."""
    if depth > _DEEPEST:
        raise InvalidRequestError(f"{place.split('.', maxsplit=1)[0]}: nested too deeply")
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidRequestError(f"{place}: holds the character NUL")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_nul(key, place)
            _refuse_nul(inner, f"{place}.{key}".lstrip("."), depth + 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _refuse_nul(inner, f"{place}[{number}]", depth + 1)
