"""Limits an author's stylesheet to the author's part of a mail."""

from collections.abc import Iterator, Sequence

import tinycss2
from tinycss2.ast import AtRule, Node, ParseError, QualifiedRule

from broadsheet.mail.limits import TooComplex

AUTHORS_PART = ".html "  # the element around the content in themes/default/issue/html.html
# Their blocks hold descriptions, not rules for elements. Every other block is read as rules.
_DESCRIPTIONS = frozenset(
    (
        *("counter-style", "font-face", "font-feature-values", "font-palette-values"),
        *("keyframes", "-webkit-keyframes", "-moz-keyframes", "-o-keyframes"),
        *("page", "property", "viewport", "-ms-viewport"),
    )
)


def limited(stylesheet: str) -> str:
    """Return a stylesheet whose selectors match nothing outside the author's part.

    What a browser would not understand is left out. Raises ``TooComplex``.
    """
    try:
        written: str = tinycss2.serialize(list(_limited(tinycss2.parse_stylesheet(stylesheet))))
    except RecursionError:
        raise TooComplex("style-brackets") from None
    return written.replace("</", r"\3c /")  # an escape of the author's could end the element


def _limited(rules: Sequence[Node]) -> Iterator[Node]:
    for rule in rules:
        if isinstance(rule, QualifiedRule):
            rule.prelude = list(_limited_selectors(rule.prelude))
            # A rule within a rule could leave the outer one's limits: `p { :not(&) td { } }`.
            if rule.prelude and not any(each.type == "{} block" for each in rule.content):
                yield rule
        elif isinstance(rule, AtRule):
            if rule.content is not None and rule.lower_at_keyword not in _DESCRIPTIONS:
                rule.content = list(_limited(tinycss2.parse_rule_list(rule.content)))
            yield rule


def _limited_selectors(prelude: Sequence[Node]) -> Iterator[Node]:
    """Yield a list of selectors, each with the author's part before it; nothing if one is wrong."""
    prefix = tinycss2.parse_component_value_list(AUTHORS_PART)
    selectors: list[list[Node]] = [[]]
    for token in prelude:
        if isinstance(token, ParseError):
            return
        if token == ",":  # noqa: S105 - a token of CSS
            selectors.append([])
        elif selectors[-1] or token.type not in {"whitespace", "comment"}:
            selectors[-1].append(token)
    # Before `+ div`, the prefix would make a selector of the footer.
    if not all(each and each[0] not in ("+", "~", ">") for each in selectors):
        return
    for place, selector in enumerate(selectors):
        if place:
            yield from tinycss2.parse_component_value_list(",")
        yield from (*prefix, *selector)
