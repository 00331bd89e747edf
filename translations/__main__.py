"""``python -m translations update [language…]``, and ``python -m translations pseudo``."""

import sys

from compile_catalogues import compile_all
from translations import catalogues, pseudo


def main(command: str, *new: str) -> None:
    """Update every catalogue, and those of new languages; or write the pseudo-language."""
    if command == "pseudo":
        pseudo.write()
    else:
        _update(new)
    compile_all(catalogues.LOCALES)


def _update(new: tuple[str, ...]) -> None:
    texts = catalogues.template()
    for language in sorted({*catalogues.languages(), *new}):
        catalogues.update(language, texts)
        missing = len(catalogues.untranslated(language))
        print(f"{language}: {missing} of {len(texts)} texts are not translated")
    catalogues.write_formats("en")


if __name__ == "__main__":
    main(*sys.argv[1:])
