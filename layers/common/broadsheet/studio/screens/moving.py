"""Moving in and out: files are imported after a look at what they would do, and exported."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import ValidationError

from broadsheet.domain import errors
from broadsheet.domain.authors import Role
from broadsheet.domain.everything import EverythingFormat
from broadsheet.domain.exports import PeopleExportRequest
from broadsheet.domain.imports import FileStanding, ImportRequest, ImportStatus, ReadRequest
from broadsheet.domain.people import PeopleFormat
from broadsheet.services.people import exports, importing, imports, stalled_imports
from broadsheet.storage import downloads, uploads
from broadsheet.studio import forms, pages
from broadsheet.studio.screens.people import wrong_fields
from broadsheet.studio.visit import Route
from broadsheet.web import sentences
from broadsheet.web.authors_sentences import IMPORT_FAILURES, IMPORT_REASONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from broadsheet.database.connection import Connection
    from broadsheet.domain.imports import Import
    from broadsheet.studio.visit import Visit
    from broadsheet.web.response import Response

_SHOWN = 20  # imports


def list_imports(visit: Visit) -> Response:
    """List the newest imports, and ask for a file."""
    return _imports(visit)


def _imports(visit: Visit, wrong: str = "") -> Response:
    with visit.connected() as connection:
        found = imports.newest(connection, _SHOWN)
    return pages.show(
        visit,
        "imports.html",
        status=HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK,
        imports=found,
        standings=[each for each in FileStanding if each.departure],
        wrong=wrong,
        most_megabytes=forms.LARGEST // 1_000_000,
    )


def upload(visit: Visit) -> Response:
    """Store a file, and have it read: nobody is added yet."""
    file = visit.form.files.get("file")
    if file is None:
        return _imports(visit, visit.request.language.gettext("Choose a file first."))
    try:
        standing = visit.form.line("standing") or None
        wanted = ImportRequest.model_validate({"file_name": file.name, "standing": standing})
    except ValidationError as error:
        return _imports(visit, " ".join(wrong_fields(visit, error).values()))
    with visit.connected() as connection:
        known = imports.create(
            connection, visit.author.name, wanted.file_name, None, wanted.standing
        )
        uploads.store(known.id, file.content)
        importing.read(connection, known.id, None)
    return pages.redirect(visit, f"/people/imports/{known.id}")


def show_import(visit: Visit) -> Response:
    """Show how far an import is, and what becomes of its rows."""
    with visit.connected() as connection:
        known = imports.find(connection, _id(visit, errors.ImportNotFound))
        stalled_imports.kick(known)
    return _import(visit, known)


def _import(visit: Visit, known: Import, wrong: str = "") -> Response:
    is_moving = known.waits_for_worker or known.status in {
        ImportStatus.READING,
        ImportStatus.JUDGING,
        ImportStatus.APPLYING,
        ImportStatus.UNDOING,
    }
    outcomes = sorted(known.counts.items(), key=lambda each: -each[1])
    say = visit.request.language.gettext

    def reason(code: str) -> str:
        return say(IMPORT_REASONS[code]) if code in IMPORT_REASONS else code

    rows = [(*name.partition(":")[::2], name, count) for name, count in outcomes]
    return pages.show(
        visit,
        "import.html",
        status=HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK,
        known=known,
        is_moving=is_moving,
        outcomes=[(verdict, reason(why), name, count) for verdict, why, name, count in rows],
        failure=say(IMPORT_FAILURES[known.failure]) if known.failure else "",
        candidates=known.found.get("candidates", []),
        standings=[] if known.standing else known.found.get("standings", []),
        problem=reason(known.found.get("problem") or ""),
        unused_columns=known.found.get("unused_columns", []),
        wrong=wrong,
    )


def _id(visit: Visit, missing: type[errors.BroadsheetError]) -> UUID:
    try:
        return UUID(visit.path["id"])
    except ValueError:
        raise missing from None


def say_what_it_is(visit: Visit) -> Response:
    """Have a file read as what its author says it is."""

    def act(connection: Connection, import_id: UUID) -> None:
        fields = {name: visit.form.line(name) or None for name in ReadRequest.model_fields}
        wanted = ReadRequest.model_validate(fields)
        importing.read(connection, import_id, wanted.format, wanted.standing)

    return _act(visit, act)


def apply(visit: Visit) -> Response:
    """Apply an import that has been looked at."""
    return _act(visit, importing.apply)


def undo(visit: Visit) -> Response:
    """Undo an import, as far as nothing newer depends on it."""
    return _act(visit, importing.undo)


def ask_to_confirm(visit: Visit) -> Response:
    """Mail the next of those whom an import added to confirm."""
    request = visit.request

    def act(connection: Connection, import_id: UUID) -> None:
        importing.ask_to_confirm(
            connection, import_id, visit.author.name, request.origin, request.correlation_id
        )

    return _act(visit, act, said="asked-to-confirm")


def _act(visit: Visit, act: Callable[[Connection, UUID], object], said: str = "") -> Response:
    import_id = _id(visit, errors.ImportNotFound)
    with visit.connected() as connection:
        try:
            act(connection, import_id)
        except ValidationError as error:
            wrong = " ".join(wrong_fields(visit, error).values())
        except (errors.ImportNotReady, errors.ImportFileMissing) as error:
            wrong = sentences.on_page(error, visit.request.language)
        else:
            return pages.redirect(visit, f"/people/imports/{import_id}", said=said)
        return _import(visit, imports.find(connection, import_id), wrong)


def show_exports(visit: Visit) -> Response:
    """Ask which format the file should have."""
    return pages.show(
        visit, "exports.html", formats=list(PeopleFormat), everything=EverythingFormat.EVERYTHING
    )


def export(visit: Visit) -> Response:
    """Have everybody, or everything, written into a file."""
    try:
        wanted = PeopleExportRequest.model_validate({"format": visit.form.line("format")})
    except ValidationError:
        raise errors.InvalidForm from None
    with visit.connected() as connection:
        known = exports.begin(connection, visit.author.name, wanted.format)
    return pages.redirect(visit, f"/people/exports/{known.id}")


def show_export(visit: Visit) -> Response:
    """Show where an export's file is, once it is written."""
    with visit.connected() as connection:
        known = exports.find(connection, _id(visit, errors.ExportNotFound))
    is_ready = known.ready_at is not None
    return pages.show(
        visit,
        "export.html",
        known=known,
        download=downloads.address(known.id, exports.file_name(known)) if is_ready else "",
    )


ROUTES = {
    "GET /people/imports": Route(list_imports, Role.MANAGE),
    "POST /people/imports": Route(upload, Role.MANAGE),
    "GET /people/imports/{id}": Route(show_import, Role.MANAGE),
    "POST /people/imports/{id}/read": Route(say_what_it_is, Role.MANAGE),
    "POST /people/imports/{id}/apply": Route(apply, Role.MANAGE),
    "POST /people/imports/{id}/undo": Route(undo, Role.MANAGE),
    "POST /people/imports/{id}/confirm": Route(ask_to_confirm, Role.MANAGE),
    "GET /people/exports": Route(show_exports, Role.MANAGE),
    "POST /people/exports": Route(export, Role.MANAGE),
    "GET /people/exports/{id}": Route(show_export, Role.MANAGE),
}
