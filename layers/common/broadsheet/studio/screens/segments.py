"""Segments: whom an issue can be for, beside everybody."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from pydantic import ValidationError

from broadsheet.domain.authors import Role
from broadsheet.domain.errors import SegmentInUse, SegmentNotFound
from broadsheet.domain.segments import SegmentFilter, SegmentName
from broadsheet.services.people import segments
from broadsheet.studio import pages
from broadsheet.studio.screens.people import split_tags, wrong_fields
from broadsheet.studio.visit import Route
from broadsheet.web import sentences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broadsheet.domain.segments import Segment
    from broadsheet.studio.visit import Visit
    from broadsheet.web.response import Response

_TAGS = ("any", "all", "none")
_DAYS = ("confirmed_after", "confirmed_before")


def list_all(visit: Visit) -> Response:
    """List all segments, and show the form of a new one."""
    return _listed(visit)


def _listed(visit: Visit, wrong: Mapping[str, str] | None = None) -> Response:
    with visit.connected() as connection:
        found = segments.find_all(connection)
    return pages.show(
        visit,
        "segments.html",
        status=HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK,
        segments=found,
        typed=_typed(visit),
        wrong=wrong or {},
    )


def _typed(visit: Visit, segment: Segment | None = None) -> dict[str, str]:
    """Return what the form shows: what was typed, or a segment as it is stored."""
    names = ("name", *_TAGS, "language", *_DAYS)
    if segment is None or visit.form.fields:
        return {name: visit.form.text(name) for name in names}
    stored = segment.filter
    tags = {name: ", ".join(map(str, getattr(stored.tags, name, None) or ())) for name in _TAGS}
    days = {name: f"{day:%Y-%m-%d}" if (day := getattr(stored, name)) else "" for name in _DAYS}
    language = "" if stored.language is None else str(stored.language)
    return {"name": str(segment.name), **tags, "language": language, **days}


def _filter(visit: Visit) -> SegmentFilter:
    form = visit.form
    tags = {name: found for name in _TAGS if (found := split_tags(form.text(name)))}
    fields: dict[str, object] = {
        name: f"{form.line(name)}T00:00:00Z" for name in _DAYS if form.line(name)
    }
    if tags:
        fields["tags"] = tags
    if form.line("language"):
        fields["language"] = form.line("language")
    return SegmentFilter.model_validate(fields)


def create(visit: Visit) -> Response:
    """Store a new segment."""
    try:
        name = SegmentName(visit.form.line("name"))
    except ValidationError as error:
        return _listed(visit, {"name": next(iter(wrong_fields(visit, error).values()))})
    return _put(visit, name, is_new=True)


def show(visit: Visit) -> Response:
    """Show a segment, with how many are in it now."""
    return _shown(visit)


def _shown(visit: Visit, wrong: Mapping[str, str] | None = None) -> Response:
    with visit.connected() as connection:
        counted = segments.show(connection, _name(visit))
    return pages.show(
        visit,
        "segment.html",
        status=HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK,
        segment=counted.segment,
        audience=counted.audience,
        typed=_typed(visit, counted.segment),
        wrong=wrong or {},
    )


def _name(visit: Visit) -> SegmentName:
    try:
        return SegmentName(visit.path["name"])
    except ValidationError:
        raise SegmentNotFound from None


def replace(visit: Visit) -> Response:
    """Replace a segment's filter."""
    return _put(visit, _name(visit), is_new=False)


def _put(visit: Visit, name: SegmentName, *, is_new: bool) -> Response:
    try:
        wanted = _filter(visit)
    except ValidationError as error:
        wrong = wrong_fields(visit, error)
        return _listed(visit, wrong) if is_new else _shown(visit, wrong)
    with visit.connected() as connection:
        segments.put(connection, name, wanted, visit.author.name)
    return pages.redirect(visit, f"/people/segments/{name}", said="saved")


def delete(visit: Visit) -> Response:
    """Delete a segment that no issue waits for."""
    with visit.connected() as connection:
        try:
            segments.delete(connection, _name(visit))
        except SegmentInUse as error:
            return _shown(visit, {"": sentences.on_page(error, visit.request.language)})
    return pages.redirect(visit, "/people/segments", said="deleted")


ROUTES = {
    "GET /people/segments": Route(list_all, Role.MANAGE),
    "POST /people/segments": Route(create, Role.MANAGE),
    "GET /people/segments/{name}": Route(show, Role.MANAGE),
    "POST /people/segments/{name}": Route(replace, Role.MANAGE),
    "POST /people/segments/{name}/delete": Route(delete, Role.MANAGE),
}
