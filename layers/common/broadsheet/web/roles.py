"""Which role each of the authors' routes needs.

A route that API Gateway opens to everybody is not here. A test, ``test_roles.py``, walks the
template's routes with every role.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broadsheet.domain.authors import Role, require

if TYPE_CHECKING:
    from broadsheet.web.request import Request

ROLES = {
    "POST /issues": Role.WRITE,  # a draft; its endpoint requires PUBLISH of anything else
    "GET /issues": Role.WRITE,
    "GET /issues/{id}": Role.WRITE,
    "GET /issues/{id}/content": Role.WRITE,
    "PUT /issues/{id}": Role.WRITE,  # of a draft; its service requires PUBLISH for anything else
    "DELETE /issues/{id}": Role.WRITE,  # only a draft
    "POST /issues/{id}/publish": Role.PUBLISH,
    "POST /issues/preview": Role.WRITE,
    "POST /issues/test": Role.WRITE,  # with WRITE alone, to the author's own test addresses
    "POST /issues/{id}/test": Role.WRITE,
    "POST /issues/{id}/ask": Role.WRITE,
    "GET /issues/{id}/statement": Role.WRITE,
    "GET /issues/{id}/links": Role.PUBLISH,
    "PUT /issues/{id}/links/{number}": Role.PUBLISH,  # readers have the mails
    "GET /issues/{id}/deliveries": Role.PUBLISH,  # it names every recipient
    "POST /images": Role.WRITE,
    "POST /issues/{id}/pause": Role.PUBLISH,
    "POST /issues/{id}/resume": Role.PUBLISH,
    "POST /issues/{id}/cancel": Role.PUBLISH,
    "POST /issues/{id}/retry": Role.PUBLISH,
    "POST /issues/{id}/schedule": Role.PUBLISH,
    "POST /issues/{id}/archive": Role.PUBLISH,
    "POST /issues/{id}/correct": Role.PUBLISH,
    "GET /welcome": Role.WRITE,
    "PUT /welcome": Role.PUBLISH,  # readers get it
    "POST /studio/links": Role.WRITE,
    "GET /subscribers": Role.MANAGE,
    "POST /subscribers": Role.MANAGE,
    "GET /subscribers/{id}": Role.MANAGE,
    "POST /subscribers/{id}/unsubscribe": Role.MANAGE,
    "POST /subscribers/{id}/erase": Role.MANAGE,
    "POST /subscribers/{id}/forgive": Role.MANAGE,
    "PUT /subscribers/{id}/tags": Role.MANAGE,
    "GET /issues/{id}/recipients/{email}": Role.MANAGE,  # also of who is in no ledger
    "GET /statistics": Role.MANAGE,
    "GET /webhooks": Role.MANAGE,
    "POST /webhooks": Role.MANAGE,
    "GET /webhooks/{id}": Role.MANAGE,
    "DELETE /webhooks/{id}": Role.MANAGE,
    "POST /webhooks/{id}/test": Role.MANAGE,
    "POST /webhooks/{id}/replay": Role.MANAGE,
    "POST /webhooks/{id}/enable": Role.MANAGE,
    "POST /webhooks/{id}/rotate": Role.MANAGE,
    "POST /exports": Role.MANAGE,
    "GET /exports/{id}": Role.MANAGE,
    "GET /imports": Role.MANAGE,
    "POST /imports": Role.MANAGE,
    "GET /imports/{id}": Role.MANAGE,
    "GET /imports/{id}/lines": Role.MANAGE,
    "POST /imports/{id}/read": Role.MANAGE,
    "POST /imports/{id}/apply": Role.MANAGE,
    "POST /imports/{id}/confirm": Role.MANAGE,
    "POST /imports/{id}/undo": Role.MANAGE,
    "GET /segments": Role.MANAGE,
    "GET /segments/{name}": Role.MANAGE,
    "PUT /segments/{name}": Role.MANAGE,
    "DELETE /segments/{name}": Role.MANAGE,
}


def check(route: str, request: Request) -> None:
    """Raise ``RoleNeeded`` when the request's author may not call this route.

    A request that the authorizer let in, on a route that is missing in the table, fails.
    """
    if not request.author and route not in ROLES:
        return  # a route for everybody
    require(ROLES[route], request.role)
