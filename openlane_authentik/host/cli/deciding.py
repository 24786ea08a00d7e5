"""What only a person decides: which records are really no more or replaced, and that an installation ends."""

from openlane_authentik.host.attention import Attention, Candidate, confirm, dismiss, list_attention, list_candidates
from openlane_authentik.host.cli.opening import find_installation, opened_host
from openlane_authentik.host.cli.tables import say
from openlane_authentik.host.cli.words import own_words, print_told
from openlane_authentik.host.errors import ConflictError, UnknownRecordError
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import disconnect
from openlane_authentik.terminal import open_console, print_json

_PAGE = 1_000


def show_attention(meant: str, *, as_json: bool) -> None:
    """Show the open questions of an installation with every record they are about.

    Raises:
        HostError: See ``find_installation``.
    """
    with opened_host() as host:
        one = find_installation(host, meant)
        console = open_console(stderr=False)
        listed = []
        for question in list_attention(host, one.id):
            records: list[Candidate] = []
            while page := list_candidates(host, one.id, question.id, offset=len(records), limit=_PAGE):
                records += page
            listed.append({"attention": question, "records": records})
            if as_json:
                continue
            say(console, f"{question.id}: {question.message}", style="bold")
            for record in records:
                where = f" in {record.group_id}" if record.group_id else ""
                then = f" is now {record.successor}" if record.successor else ""
                say(
                    console,
                    f"  {record.schema} {record.external_id}{where}{then}  {record.display_name or ''}".rstrip(),
                )
            say(console, f"  --confirm {question.id} ends exactly these so; --dismiss {question.id} keeps them")
    if as_json:
        print_json(listed)
    elif not listed:
        say(console, "Nothing needs attention.")


def decide(meant: str, attention_id: str, *, confirmed: bool, as_json: bool) -> None:
    """Confirm or dismiss a list.

    Raises:
        HostError: See ``find_installation`` and ``attention.confirm``; or no list is meant.
    """
    with opened_host() as host:
        one = find_installation(host, meant)
        question = _find_question(host, one.id, attention_id)
        decided = (confirm if confirmed else dismiss)(host, one.id, question.id)
    if as_json:
        print_json(decided)
    elif confirmed:
        say(open_console(stderr=False), "Confirmed: a run was asked for, which ends exactly what it proves again.")
    else:
        say(open_console(stderr=False), "Dismissed: nothing is ended; a later run that misses them asks again.")


def end_installation(meant: str, *, as_json: bool) -> None:
    """Disconnect an installation, and say what is left to do at the provider.

    Raises:
        HostError: See ``find_installation`` and ``disconnect``.
    """
    with opened_host() as host:
        ended = disconnect(host, find_installation(host, meant).id)
    if as_json:
        print_told(ended)
        return
    console = open_console(stderr=False)
    say(console, f"=> {ended.name} {ended.status}", style="bold")
    for part in ("message", "remedy"):
        say(console, f"   {own_words((ended.reason or {}).get(part, ''))}")


def _find_question(host: Host, installation_id: str, meant: str) -> Attention:
    found = [one for one in list_attention(host, installation_id, status=None) if one.id.startswith(meant)]
    if not found or not meant:
        raise UnknownRecordError(f"the installation has no list {meant!r}")
    if len(found) > 1:
        raise ConflictError(f"more than one list is meant by {meant!r}")
    return found[0]
