"""What authors say on the sign-up page, in place of the operator's words."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from broadsheet.domain.writing import has_controls

MOST_CHARACTERS = {"description": 300, "author_name": 100, "frequency": 60}  # as of the parameters


def _one_line(text: str) -> str:
    if has_controls(text):
        raise ValueError("it is one line without control characters")
    return text


def _line(field: str) -> object:
    return StringConstraints(strip_whitespace=True, max_length=MOST_CHARACTERS[field])


class AuthorsVoice(BaseModel):
    """What authors say on the sign-up page. An empty text leaves the operator's in place."""

    model_config = ConfigDict(frozen=True)

    description: Annotated[str, _line("description"), AfterValidator(_one_line)] = ""
    author_name: Annotated[str, _line("author_name"), AfterValidator(_one_line)] = ""
    frequency: Annotated[str, _line("frequency"), AfterValidator(_one_line)] = ""
