"""The HTML of the sign-in page: in the reader's language, without a script, and below any path.

Whatever is put into it is escaped: a token, a password or a name is never among that.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import Final
from urllib.parse import quote

from dashboards.wallboard.addresses import in_language
from dashboards.wallboard.words import LANGUAGES, Words

_INVALID: Final = ' aria-invalid="true" aria-describedby="problem"'


class SignInForm:
    """The page and its style."""

    def __init__(self) -> None:
        folder = files(__package__).joinpath("login")
        self._page = Template(folder.joinpath("login.html").read_text("utf-8"))
        self._form = Template(folder.joinpath("form.html").read_text("utf-8"))
        self.style = folder.joinpath("login.css").read_bytes()

    def page(self, words: Words, next_page: str, problem: str, *, what: str, wrong: bool = False) -> str:
        """Return the page with the message `problem` and a field for `what` to sign in with; either may be empty.

        `next_page`: where it leads then. `wrong`: the problem is what was given.
        """
        title = words.t("Sign in")
        form = self._form.substitute(
            next=escape(next_page),
            what=escape(what),
            invalid=_INVALID if wrong else "",
            tv=escape(words.t("Stay signed in on this screen for 30 days")),
            title=escape(title),
        )
        return self._page.substitute(
            language=words.language,
            title=escape(title),
            problem=f'<p class="problem" id="problem" role="alert">{escape(problem)}</p>' if problem else "",
            form=form if what else "",
            languages_label=escape(words.t("Language")),
            languages="\n    ".join(_link(language, next_page, words.language) for language in LANGUAGES),
        )


def _link(language: str, next_page: str, current: str) -> str:
    """Write a link to the same page in another language, which the wallboard then uses too."""
    there = quote(in_language(next_page, language), safe="/")
    mark = ' aria-current="true"' if language == current else ""
    return f'<a href="login?next={there}" lang="{language}" hreflang="{language}"{mark}>{LANGUAGES[language]}</a>'
