"""Measures what ``POST /issues/preview`` takes, which an author's editor calls while they type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from bench.draining import percentiles
from bench.events import call
from bench.tables import NOT_MEASURED
from bench.tables import table as table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.stage import Stage

PREVIEWS = 50
CHARACTERS = (1_000, 10_000, 100_000)
READERS = 1_000
LIMITED, LIMIT = 10_000, 0.1  # processor seconds for a text of so many characters
_PARAGRAPHS = (
    "Dear [[name]], the harbour opens [again](https://example.com/) on **Monday**, "
    "and *all* the boats go out.\n\n- one\n- two\n\n## Tides\n\n"
    "| Day | High |\n|---|--:|\n| Monday | 08:15 |\n\n"
    "![A boat at the quay](https://example.com/boat.jpg)\n\n"
)
_PARAGRAPH_OF_HTML = (
    '<p style="color: #222222; font-size: 16px">Dear [[name]], the harbour opens '
    '<a href="https://example.com/">again</a> on <b>Monday</b>.</p>\n'
)


class PreviewResult(BaseModel):
    """The seconds that a preview took, and its CPU seconds."""

    model_config = ConfigDict(frozen=True)

    form: str
    characters: int
    p50: float
    p99: float
    cpu: float

    @property
    def is_good(self) -> bool:
        """Return whether the preview keeps within its limit; only one length has one."""
        return self.characters != LIMITED or self.cpu <= LIMIT


def run(stage: Stage) -> list[PreviewResult]:
    """Preview Markdown and HTML of several lengths, with all checks and the audience."""
    (worker,) = stage.start_workers("preview", 1)
    stage.seed(READERS)
    results = []
    for characters in CHARACTERS:
        for form, content in _contents(characters).items():
            event = call("POST", "/issues/preview", body={"title": "Number one", **content})
            worker.invoke(event)
            before = worker.invocations[-1].cpu
            first = len(worker.invocations)
            for _ in range(PREVIEWS):
                answer = worker.invoke(event).answer
                if answer["statusCode"] != 200:  # noqa: PLR2004 - HTTP's own
                    raise RuntimeError(f"preview answered {answer['statusCode']}")
            p50, p99 = percentiles(worker.invocations[first:])
            cpu = (worker.invocations[-1].cpu - before) / PREVIEWS
            results.append(
                PreviewResult(form=form, characters=characters, p50=p50, p99=p99, cpu=cpu)
            )
    worker.close()
    return results


def _contents(characters: int) -> dict[str, dict[str, object]]:
    markdown = (_PARAGRAPHS * characters)[:characters]
    html = _PARAGRAPH_OF_HTML * (characters // len(_PARAGRAPH_OF_HTML))
    return {
        "Markdown": {"markdown": markdown},
        "HTML": {"content": {"html": html, "text": markdown}},
    }


def table(results: Sequence[PreviewResult]) -> str:
    """Return a table, one text a line."""
    return table_of(
        ("form", "characters", "POST /issues/preview p50 ms", "p99 ms", "CPU ms", "limit"),
        [
            (
                one.form,
                one.characters,
                one.p50 * 1000,
                one.p99 * 1000,
                one.cpu * 1000,
                ("kept" if one.is_good else "MISSED")
                if one.characters == LIMITED
                else NOT_MEASURED,
            )
            for one in results
        ],
    )
