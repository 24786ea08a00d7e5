"""Google's C++ engine as the second opinion on what an expression means."""

from functools import lru_cache
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]

from openlane_authentik.errors import FilterError
from openlane_authentik.filter import compile_filter

_ENVIRONMENT = cel.NewEnv(
    variables={
        "payload": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
        "envelope": cel.Type.DYN,
        "variant": cel.Type.STRING,
        "resource": cel.Type.STRING,
        "action": cel.Type.STRING,
    }
)


@lru_cache(maxsize=512)
def _compiled(expression: str) -> cel.Expression | None:
    try:
        return _ENVIRONMENT.compile(expression)
    except Exception:  # noqa: BLE001 - the binding raises several types, all of them for a refused expression
        return None


def as_host_decodes(value: Any) -> Any:
    """Turn whole doubles into ints, as the host does when it decodes a record."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, list):
        return [as_host_decodes(item) for item in value]
    if isinstance(value, dict):
        return {key: as_host_decodes(item) for key, item in value.items()}
    return value


def oracle_verdict(expression: str, payload: dict[str, Any], resource: str = "r") -> str:
    """Return "true", "false" or "error": anything else is no verdict."""
    compiled = _compiled(expression)
    if compiled is None:
        return "error"
    decoded = as_host_decodes(payload)
    data = {
        "payload": decoded,
        "resource": resource,
        "action": "",
        "variant": "",
        "envelope": {"payload": decoded, "resource": resource},
    }
    try:
        value = compiled.eval(data=data)
    except Exception:  # noqa: BLE001 - as above, for a failed evaluation
        return "error"
    if value.type() != cel.Type.BOOL:
        return "error"
    return "true" if value.value() else "false"


def our_verdict(expression: str, payload: dict[str, Any], resource: str = "r") -> str:
    """Return this package's verdict in the oracle's words."""
    try:
        verdict = compile_filter(expression, {}).judge(payload, resource=resource)
    except FilterError:
        return "error"
    if verdict.kept:
        return "true"
    return "false" if verdict.reason == "false" else "error"
