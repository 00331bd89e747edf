"""Asks the six questions, until each answer is one that can be right."""

from collections.abc import Callable
from dataclasses import dataclass

import typer

from operations.deploy.parameters import Refused, checked


@dataclass(frozen=True)
class Question:
    """A question, the flag that answers it, and what parses an answer or raises ``Refused``."""

    prompt: str
    flag: str
    parse: Callable[[str], str]
    default: str = ""


def ask(question: Question, given: str | None) -> str:
    """Return the answer: the flag's, else what somebody types; a wrong one is asked for again.

    Raises ``Refused`` for a flag's that is wrong, and when nobody answers.
    """
    if given is not None:
        try:
            return question.parse(given.strip())
        except Refused as error:
            raise Refused(f"{question.flag} {given!r}: {error}.") from error
    while True:
        try:
            answer: str = typer.prompt(
                question.prompt,
                default=question.default,
                show_default=bool(question.default),
                prompt_suffix=" ",
            )
        except typer.Abort as error:
            raise Refused(
                f"Stopped at “{question.prompt}”; nothing was made. "
                f"{question.flag} answers it without asking."
            ) from error
        try:
            return question.parse(answer.strip())
        except Refused as error:
            typer.echo(f"  Not so: {error}.")


def confirm(prompt: str, *, default: bool) -> None:
    """Raise ``Refused`` unless somebody agrees."""
    try:
        agreed = typer.confirm(prompt, default=default, prompt_suffix=" ")
    except typer.Abort:
        agreed = False
    if not agreed:
        raise Refused("Stopped; nothing was made. --yes agrees without asking.")


def of_parameter(name: str, *, is_required: bool = False) -> Callable[[str], str]:
    """Return what parses the value of one of the template's parameters."""

    def parse(text: str) -> str:
        if not text and is_required:
            raise Refused("it can't be empty")
        return checked(name, text)

    return parse
