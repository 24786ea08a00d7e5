"""What requests and answers of the API look like; the OpenAPI document is made from these."""

from typing import Annotated, Any, Final, Literal

import msgspec

from openlane_authentik.emit.envelope import Schema
from openlane_authentik.host.attention import Attention, Candidate
from openlane_authentik.host.installations import Installation, SaveRequest
from openlane_authentik.host.runs import Run
from openlane_authentik.host.store.as_of import MEANT, PATTERN
from openlane_authentik.host.store.export import ExportFormat
from openlane_authentik.host.store.lists import Change, Record
from openlane_authentik.host.store.proofs import Proof

_LARGEST: Final = 2**31 - 1
_YEAR: Final = 366 * 86400
_WEEK: Final = 7 * 86400

Text = Annotated[str, msgspec.Meta(max_length=200)]
AsOf = Annotated[
    str,
    msgspec.Meta(
        pattern=PATTERN, description=f"Now if not given; else {MEANT}: the newest run that had ended by then."
    ),
]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1000, description="At most so many.")]
After = Annotated[str, msgspec.Meta(max_length=4000, description="`next` of the page before.")]
ChangeKind = Literal["added", "changed", "returned", "succeeded", "in_scope", "removed", "replaced", "out_of_scope"]


class Asked(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What comes from outside: an unknown name is an error, as it may be a misspelt one."""


class Schedule(Asked, frozen=True):
    """When an installation is synced: every so many seconds, or by the adaptive rule."""

    frequency_seconds: Annotated[int, msgspec.Meta(ge=60, le=_YEAR)] | None = None
    timeout_seconds: Annotated[int, msgspec.Meta(ge=1, le=_WEEK)] = 3600


class Breaker(Asked, frozen=True):
    """Above which part of a set, and how many at least, removals and replaced accounts need an operator."""

    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.2
    least: Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)] = 10


class SaveBody(Asked, frozen=True):
    """What an installation is to be; without `installationId` a directory is connected.

    Empty fields of `credential` keep what is stored, and null removes what need not be there. Everything else is taken
    as a whole.
    """

    organisation: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    installation_id: str | None = None
    name: Text = ""
    credential: dict[str, Any] | None = None
    user_input: dict[str, Any] = {}
    config: dict[str, Any] = {}
    schedule: Schedule = Schedule()
    breaker: Breaker = Breaker()
    keep_filter_copy: Annotated[
        bool,
        msgspec.Meta(
            description="Keep, sealed, what filters may name of everybody, to count what a save would drop; "
            "else the directory is read."
        ),
    ] = True
    confirm: Annotated[
        int,
        msgspec.Meta(
            ge=0, le=_LARGEST, description="How many records may go out of scope by this save, as its refusal told."
        ),
    ] = 0

    def request(self) -> SaveRequest:
        """Return it as the save takes it."""
        return SaveRequest(
            organisation=self.organisation,
            name=self.name,
            credential=self.credential,
            user_input=self.user_input,
            config=self.config,
            frequency_seconds=self.schedule.frequency_seconds,
            timeout_seconds=self.schedule.timeout_seconds,
            breaker_share=self.breaker.share,
            breaker_least=self.breaker.least,
            keep_filter_copy=self.keep_filter_copy,
            confirmed=self.confirm,
        )


class OperationBody(Asked, frozen=True):
    """Which operation to run."""

    operation: Literal["DirectorySync", "HealthCheck"]


class InstallationsQuery(Asked, frozen=True):
    """Which installations."""

    organisation: Text | None = None


class RunsQuery(Asked, frozen=True):
    """Which runs."""

    status: Literal["PENDING", "RUNNING", "COMPLETED", "FAILED"] | None = None
    after: After | None = None
    limit: Limit = 50


class RunChangesQuery(Asked, frozen=True):
    """Which lines of a run's changes."""

    external_id: (
        Annotated[
            str,
            msgspec.Meta(
                description="Of one record, of memberships the account's; with those of the accounts that it succeeded."
            ),
        ]
        | None
    ) = None
    schema: Schema | None = None
    kind: ChangeKind | None = None
    search: Annotated[
        str, msgspec.Meta(max_length=200, description="A part of a name, e-mail address, id or username.")
    ] = ""
    after: After | None = None
    limit: Limit = 100


class ChangesQuery(RunChangesQuery, frozen=True):
    """Which lines of the change log."""


class RecordsQuery(Asked, frozen=True):
    """Which accounts or groups."""

    search: Annotated[
        str, msgspec.Meta(max_length=200, description="A part of a name, e-mail address, id or username.")
    ] = ""
    as_of: AsOf | None = None
    after: After | None = None
    limit: Limit = 100


class AccountsQuery(RecordsQuery, frozen=True):
    """Which accounts."""

    account: Annotated[str, msgspec.Meta(description="Only the one of this external id.")] | None = None


class GroupsQuery(RecordsQuery, frozen=True):
    """Which groups."""

    group: Annotated[str, msgspec.Meta(description="Only the one of this external id.")] | None = None


class MembershipsQuery(Asked, frozen=True):
    """Which memberships."""

    account: Annotated[str, msgspec.Meta(description="Only those of this account.")] | None = None
    group: Annotated[str, msgspec.Meta(description="Only those in this group.")] | None = None
    as_of: AsOf | None = None
    after: After | None = None
    limit: Limit = 100


class ExportQuery(Asked, frozen=True):
    """How and as of when to write who has what."""

    format: ExportFormat = ExportFormat.CSV
    as_of: AsOf | None = None


class AttentionQuery(Asked, frozen=True):
    """Which questions; open ones if not said otherwise."""

    status: Literal["open", "confirmed", "dismissed", "superseded", "resolved", "applied", "all"] = "open"


class CandidatesQuery(Asked, frozen=True):
    """Which of a question's records."""

    after: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,9}$", description="`next` of the page before.")] = "0"
    limit: Limit = 100


class Listing(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Some of a list; `next` goes into `after` for the following page, and is null at the end."""

    next: str | None = None


class Providers(Listing, frozen=True):
    """The integrations that are installed, each as its own card says."""

    items: list[dict[str, Any]]


class Installations(Listing, frozen=True):
    """All installations."""

    items: list[Installation]


class Runs(Listing, frozen=True):
    """Runs, the newest first."""

    items: list[Run]


class Records(Listing, frozen=True):
    """Records by name; memberships by ids. `proof` is what the newest run has proven of them, null if none tells."""

    items: list[Record]
    proof: Proof | None = None


class Changes(Listing, frozen=True):
    """Lines of the change log, the oldest first."""

    items: list[Change]


class Questions(Listing, frozen=True):
    """Questions to an operator, the newest first."""

    items: list[Attention]


class Candidates(Listing, frozen=True):
    """A question, and the records that would be removed, or replaced."""

    attention: Attention
    items: list[Candidate]


class Health(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a health check found: `checks` are `{check, status, code, seen, remedy}`."""

    status: str
    exit_code: int
    checks: list[dict[str, Any]]
    checked_at: str | None
