"""``python -m operations``: everything that an operator runs, as one command.

The Makefile's targets are short for it, and ``python -m local`` runs the same commands against the
stack on this machine.
"""

from typing import Any, override

import typer
from typer.core import TyperGroup

from broadsheet.domain.errors import SecretBusy, SecretChangeUnknown
from operations import authors, dead_letters, errors, keys, sign_ups, smoke, unsubscribe
from operations.bill import command as bill
from operations.console import complain
from operations.deploy import command as deploy
from operations.doctor import command as doctor

REFUSED, AWS_FAILED, INTERRUPTED = 1, 3, 130
STATUSES = """Exit status: 0 done; 1 refused, or not as it should be; 2 wrong arguments;
3 AWS or the network failed; 130 interrupted."""


class Commands(TyperGroup):
    """The commands, with the errors that an operator can do something about as sentences."""

    @override
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except errors.OperationFailed as error:
            complain(str(error))
            raise typer.Exit(REFUSED) from error
        except SecretBusy as error:
            complain("Others are changing the same secret at the same time; try again.")
            raise typer.Exit(REFUSED) from error
        except SecretChangeUnknown as error:
            complain(
                "AWS gave no answer, and the change may have been made. Look before you retry."
            )
            raise typer.Exit(AWS_FAILED) from error
        except errors.AWS_ERRORS as error:
            complain(errors.explain(error))
            raise typer.Exit(AWS_FAILED) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error


app = typer.Typer(
    cls=Commands,
    name="python -m operations",
    help="Operate a Broadsheet stack on AWS.",
    epilog=STATUSES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("deploy")(deploy.deploy)
app.command("doctor")(doctor.command)
app.command("smoke")(smoke.command)
app.command("bill")(bill.command)
app.add_typer(authors.app, name="authors")
app.add_typer(keys.app, name="keys")
app.add_typer(dead_letters.app, name="dead-letters")
app.command("sign-ups")(sign_ups.command)
app.command("unsubscribe")(unsubscribe.command)

if __name__ == "__main__":
    app(prog_name="python -m operations")
