"""What can go wrong, each with the status that a command ends with."""

from typing import Any, ClassVar

REFUSED, WRONG_ARGUMENTS, UNREACHED, NO_ACCESS, CHANGED, INTERRUPTED = 1, 2, 3, 4, 5, 130


class CommandFailed(Exception):
    """A command can't do what was asked; its text is a sentence for the author."""

    exit_status: ClassVar[int] = REFUSED


class NotReached(CommandFailed):
    """The newsletter doesn't answer, or fails."""

    exit_status = UNREACHED


class NotUnderstood(NotReached):
    """The answer is none of this API, as when another site is at the address."""


class OutcomeUnknown(NotReached):
    """The connection was lost, and the request may have been carried out."""


class NoAccess(CommandFailed):
    """Nobody is logged in, the token isn't valid, or the author's role is too small."""

    exit_status = NO_ACCESS


class Changed(CommandFailed):
    """Somebody else changed the issue, or made it from another text."""

    exit_status = CHANGED


class Refused(CommandFailed):
    """The newsletter refuses a request with a problem document (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code", ""))
        sentences = [str(problem.get("detail") or problem.get("title") or f"status {status}")]
        fields = problem.get("errors")
        if isinstance(fields, dict):
            # The detail has the first of them.
            each = (f"{name}: {sentence}" for name, sentence in fields.items())
            sentences += [one for one in each if one not in sentences]
        super().__init__("\n".join(sentences))
