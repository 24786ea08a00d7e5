"""What a filter says about a record."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a record is kept, and if not, why; never with a value of the record.

    Attributes:
        kept: The filter is exactly true.
        failed: The filter has no verdict for this record: it must be counted as failed, not as left out.
        reason: "" when kept, "false", "missing:<field path>" or "null" when left out, else a stable cause such as
            "type_mismatch", "overflow", "budget_exceeded" or "not_bool".
    """

    kept: bool
    failed: bool
    reason: str


KEPT: Final = Verdict(kept=True, failed=False, reason="")
LEFT_OUT: Final = Verdict(kept=False, failed=False, reason="false")
