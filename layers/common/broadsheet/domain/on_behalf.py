"""What those who manage people ask for on somebody's behalf."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from broadsheet.domain.requests import none_if_blank
from broadsheet.domain.subscribers import EmailAddress, Language, SubscriberName
from broadsheet.domain.tags import Tags
from broadsheet.domain.times import Timestamp

MAX_EVIDENCE_CHARACTERS = 1000  # the database bounds it too

Evidence = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_EVIDENCE_CHARACTERS),
]


class StatedConsent(BaseModel):
    """A consent that is held elsewhere: when it was given, and where that can be looked up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Timestamp
    source: Evidence


class AddRequest(BaseModel):
    """A new subscriber, who is mailed to confirm.

    ``confirmed``: a consent that was given before, and needs no mail. ``language``: of the mails;
    by default the newsletter's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    email: EmailAddress
    name: Annotated[SubscriberName | None, BeforeValidator(none_if_blank)] = None
    tags: Tags = ()
    language: Language | None = None
    confirmed: StatedConsent | None = None


class ActRequest(BaseModel):
    """How somebody asked for what is done on their behalf, if that is to be kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Evidence | None = None


class ForgiveRequest(BaseModel):
    """Why a bounce or a complaint counts no more: what the subscriber asked for, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Evidence


class TagsRequest(BaseModel):
    """All tags that a subscriber has from now on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tags: Tags
