"""``python -m translations [language…]``: bring the catalogues up to date; name a new language."""

import sys

from translations import catalogues


def main(new: list[str]) -> None:
    """Update every catalogue, and those of new languages."""
    texts = catalogues.template()
    for language in sorted({*catalogues.languages(), *new}):
        catalogues.update(language, texts)
        print(f"{language}: {_missing(language)} of {len(texts)} texts are not translated")
    catalogues.write_formats("en")


def _missing(language: str) -> int:
    return sum(
        1
        for message in catalogues.read(language)
        if message.id and not catalogues.is_translated(message)
    )


if __name__ == "__main__":
    main(sys.argv[1:])
