"""Language: a brand with a locale says everything in it, whatever is asked for."""

from typing import Any

import pytest

from openlane_authentik.testing import Directory, FakeAuthentik
from tests.unit.testing.conftest import Ask

USERS = "/api/v3/core/users/"

SENTENCES = {
    "en": (
        "Authentication credentials were not provided.",
        "You do not have permission to perform this action.",
        "Not found.",
        "Invalid page.",
    ),
    "de": (
        "Anmeldedaten fehlen.",
        "Sie sind nicht berechtigt, diese Aktion durchzuführen.",
        "Nicht gefunden.",
        "Ungültige Seite.",
    ),
    "fr": (
        "Informations d'authentification non fournies.",
        "Vous n'avez pas la permission d'effectuer cette action.",
        "Non trouvé.",
        "Page non valide.",
    ),
}


@pytest.fixture
def directory() -> Directory:
    """Thirty users."""
    return Directory.generate(30, 4)


def refusals(ask: Ask, fake: FakeAuthentik) -> list[tuple[int, Any]]:
    """Refusals of every kind but a wrong token."""
    return [
        ask(fake, USERS, "no_header"),
        ask(fake, USERS, "none"),
        ask(fake, f"{USERS}junk/"),
        ask(fake, f"{USERS}?page=99"),
    ]


@pytest.mark.parametrize("locale", SENTENCES)
def test_a_brands_locale_decides_what_refusals_say(ask: Ask, directory: Directory, locale: str) -> None:
    """The sentences are those of Django REST Framework's catalogues; status and shape are the same in all."""
    fake = FakeAuthentik(directory, locale=locale)
    said = [{"detail": sentence} for sentence in SENTENCES[locale]]
    assert refusals(ask, fake) == list(zip((403, 403, 404, 404), said, strict=True))
    other = FakeAuthentik(directory)
    other.locale = locale
    assert refusals(ask, other) == refusals(ask, fake)


@pytest.mark.parametrize("locale", ["de", "fr"])
def test_some_sentences_stay_english(ask: Ask, directory: Directory, locale: str) -> None:
    """A refused token, as measured, and a missing object, which Django does not translate."""
    fake = FakeAuthentik(directory, locale=locale)
    assert ask(fake, USERS, "wrong") == (403, {"detail": "Token invalid/expired"})
    assert ask(fake, f"{USERS}999/") == (404, {"detail": "No User matches the given query."})


def test_accept_language_is_ignored(directory: Directory) -> None:
    """Asked in English, a German brand answers German and says so in `Content-Language`."""
    fake = FakeAuthentik(directory, locale="de")
    answer = fake.respond("GET", USERS, "", {"accept-language": "en"}).answer
    assert "Anmeldedaten fehlen." in answer.body.decode()
    assert dict(fake.headers_of(answer))["content-language"] == "de"


def test_a_language_without_messages_is_refused(directory: Directory) -> None:
    """The error names those there are."""
    with pytest.raises(ValueError, match="en, de, fr"):
        FakeAuthentik(directory, locale="it")
