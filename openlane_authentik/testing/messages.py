"""The sentences of authentik's refusals, in the languages a brand may speak.

The German and French ones are those of the translation catalogues of Django REST Framework, which authentik's answers
come from. Two stay English in every language: ``Token invalid/expired``, as measured, and ``No User matches the given
query.``, which Django does not translate. What is said of a filter's value, with a 400, is in English here.
"""

from typing import Final

from openlane_authentik.testing.answers import READ_ONLY, Answer, refusal

NOT_PROVIDED: Final = "Authentication credentials were not provided."
NO_PERMISSION: Final = "You do not have permission to perform this action."
NOT_FOUND: Final = "Not found."
INVALID_PAGE: Final = "Invalid page."

_TRANSLATIONS: Final[dict[str, dict[str, str]]] = {
    "en": {},
    "de": {
        NOT_PROVIDED: "Anmeldedaten fehlen.",
        NO_PERMISSION: "Sie sind nicht berechtigt, diese Aktion durchzuführen.",
        NOT_FOUND: "Nicht gefunden.",
        INVALID_PAGE: "Ungültige Seite.",
    },
    "fr": {
        NOT_PROVIDED: "Informations d'authentification non fournies.",
        NO_PERMISSION: "Vous n'avez pas la permission d'effectuer cette action.",
        NOT_FOUND: "Non trouvé.",
        INVALID_PAGE: "Page non valide.",
    },
}


class Language:
    """The language a server's brand speaks, whatever a request asks for."""

    def __init__(self, locale: str) -> None:
        self.locale = locale

    @property
    def locale(self) -> str:
        """``en``, ``de`` or ``fr``."""
        return self._locale

    @locale.setter
    def locale(self, locale: str) -> None:
        if locale not in _TRANSLATIONS:
            raise ValueError(f"no messages in {locale}; there are {', '.join(_TRANSLATIONS)}")
        self._locale = locale

    def refusal(self, status: int, message: str, allow: str = READ_ONLY) -> Answer:
        """A refusal that says a message in this language; one without a translation stays English."""
        return refusal(status, _TRANSLATIONS[self._locale].get(message, message), allow)
