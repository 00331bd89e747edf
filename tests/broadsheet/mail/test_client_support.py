"""What mail clients can do: found in HTML by one table, and our own mails use nothing they lack."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.domain.findings import Findings
from broadsheet.mail import client_support
from broadsheet.mail.confirmation_mail import render_already_subscribed, render_confirmation
from broadsheet.mail.html_source import Source
from tests.broadsheet.mail.mails import NEWSLETTER, UNTIMED, markdown_issue, send

OUTLOOK = "Outlook (Windows)"
GMAIL = ("Gmail (web)", "Gmail (iOS)", "Gmail (Android)", "Gmail (mobile web)")


def lacking(html: str) -> dict[str, tuple[str, ...]]:
    """Return the features that HTML uses and some clients lack, with those clients."""
    return {gap.feature: gap.clients for gap in client_support.gaps(Source(html, Findings()))}


def test_the_table_has_the_named_clients_a_date_and_its_licence() -> None:
    table = client_support._read()
    names = {name.partition(" (")[0] for name in client_support.clients()}
    assert names == {"Gmail", "Outlook", "Apple Mail", "Yahoo"}
    assert dt.date.fromisoformat(str(table["date"])).year >= 2026
    assert "Copyright (c) 2019 Rémi Parmentier" in table["license"]
    assert len(client_support.features()) > 300


@pytest.mark.parametrize(
    ("html", "feature"),
    [
        ('<p style="display: flex">', "css-display-flex"),
        ('<p style="DISPLAY: inline-grid">', "css-display-grid"),
        ('<p style="border-radius: 3px">', "css-border-radius"),
        ('<p style="background: url(x.png)">', "css-background"),
        ('<p style="background: #fff url(x.png)">', "css-background-image"),
        ("<p style=\"BACKGROUND: URL('x.png') #fff\">", "css-background-image"),
        ('<p style="background: -webkit-linear-gradient(red, blue)">', "css-background-image"),
        ('<p style="background-image: image-set(url(x.png) 2x)">', "css-background-image"),
        ("<style>td { background: radial-gradient(red, blue) }</style>", "css-background-image"),
        ('<p style="grid-template-columns: 1fr">', "css-grid-template"),
        ('<p style="top: 0">', "css-left-right-top-bottom"),
        ('<p style="position: absolute">', "css-position"),
        ('<p style="color: var(--ink)">', "css-variables"),
        ('<p style="--ink: red">', "css-variables"),
        ('<p style="width: min(10px, 50%)">', "css-function-min"),
        ('<p style="width: calc(100% - (2 * 3px))">', "css-unit-calc"),
        ('<p style="font-size: 2rem">', "css-unit-rem"),
        ('<p style="background: linear-gradient(red, blue)">', "css-linear-gradient"),
        ('<p style="font-family: system-ui">', "css-sytem-ui"),
        ('<p style="margin-inline-start: 1px">', "css-margin-inline-start-end"),
        ("<style>p { color: red }</style>", "html-style"),
        ("<style>@media (max-width: 9px) { p { color: red } }</style>", "css-at-media"),
        (
            "<style>@media (prefers-color-scheme: dark) { }</style>",
            "css-at-media-prefers-color-scheme",
        ),
        ("<style>@font-face { font-family: x; src: url(x) }</style>", "css-at-font-face"),
        ("<style>@import url(x.css);</style>", "css-at-import"),
        ("<style>a:hover { color: red }</style>", "css-pseudo-class-hover"),
        ("<style>p:not(.x) { color: red }</style>", "css-pseudo-class-not"),
        ("<style>p::before { content: 'x' }</style>", "css-pseudo-element-before"),
        ("<style>ul > li { color: red }</style>", "css-selector-child"),
        ("<style>[class] { color: red }</style>", "css-selector-attribute"),
        ("<style>p { a { color: red } }</style>", "css-nesting"),
        ('<video src="x.mp4"></video>', "html-video"),
        ("<svg></svg>", "html-svg"),
        ('<picture><source srcset="x"></picture>', "html-picture"),
        ("<section></section>", "html-semantics"),
        ('<img src="https://x.example/a.png" srcset="b.png 2x">', "html-srcset"),
        ('<img src="https://x.example/a.SVG?x=1.png">', "image-svg"),
        ('<img src="https://x.example/a.webp#x">', "image-webp"),
        ('<img src="data:image/png;base64,AA">', "image-base64"),
        ('<img src="x.png" loading="lazy">', "html-loading-attribute"),
        ('<input type="checkbox">', "html-input-checkbox"),
        ('<button type="submit">', "html-button-submit"),
        ('<a href="#note">', "html-anchor-links"),
        ('<p hidden="">', "html-hidden"),
        ('<p aria-labelledby="x">', "html-aria-labelledby"),
        ('<meta name="color-scheme" content="dark">', "html-meta-color-scheme"),
    ],
)
def test_a_feature_is_found(html: str, feature: str) -> None:
    assert feature in client_support.features()
    assert feature in {used for used, _ in client_support._used(Source(html, Findings()))}


@pytest.mark.parametrize(
    "html",
    [
        '<p style="color: #111111; font-size: 16px; display: block; padding-left: 3px">x</p>',
        '<table role="presentation" width="600" cellpadding="0"><tr><td align="left">x</table>',
        '<a href="https://x.example/?a=1#top">x</a> <img src="https://x.example/a.jpeg" alt="">',
        "<h1>x</h1> <ul><li>x</ul> <!-- <video> --> &lt;video&gt;",
        '<p style="background: #ffffff; background-image: none; color: rgb(0, 0, 0)">x</p>',
        '<p title="display: flex">display: flex; <code>var(--x)</code></p>',
    ],
)
def test_what_every_client_can_do_is_no_gap(html: str) -> None:
    assert not any(GMAIL[0] in clients or OUTLOOK in clients for clients in lacking(html).values())


def test_a_gap_names_the_clients_and_the_place() -> None:
    source = Source(
        '<p>\n<p style="display: flex; display: FLEX">\n<p style="gap: 1px">', Findings()
    )
    flex, gap = client_support.gaps(source)
    assert (flex.title, flex.clients, flex.where) == (
        "display:flex",
        (OUTLOOK,),
        "line 2 of the HTML",
    )
    assert gap.where == "line 3 of the HTML"
    assert OUTLOOK in gap.clients


def test_rules_for_clients_that_know_a_query_are_no_gaps_of_their_own() -> None:
    html = "<style>@media (max-width: 9px) { p { display: flex; color: var(--x) } }</style>"
    assert set(lacking(html)) == {"html-style", "css-at-media"}


@given(st.text(alphabet="<>/=\"'{}()[]:;@-#!abpstyle \n", max_size=60))
@UNTIMED
def test_no_text_is_too_odd_to_look_through(text: str) -> None:
    lacking(f'{text}<style>{text}</style><p style="{text}">')


def test_brackets_in_brackets_without_end_are_left_to_the_renderer() -> None:
    assert "css-variables" not in lacking(f'<p style="width: {"(" * 5000}; --x: 1">')


# What our own mails use although a client lacks it, and why every reader can still read them.
ACCEPTED = {
    "html-meta-color-scheme": "says that both schemes are fine; nothing is lost without",
    "css-selector-attribute": "Outlook's own marks on what it recoloured; no other client has them",
    "css-display-none": "hides the preheader; Outlook on Windows reads mso-hide",
    "css-max-height": "hides it once more, where display is ignored",
    "html-style": "holds what can't be inline; everything else is inline",
    "css-at-media": "a smaller headline and the dark scheme; without, the mail is light and fluid",
    "css-at-media-prefers-color-scheme": "dark colours; without, light ones or the client's own",
    "html-aria-hidden": "a sign beside the name; where it isn't known, it is read out",
    "html-body": "its background is on the table within, too",
    "css-table-layout": "keeps a wide word from widening a phone's column; Outlook has no phone's",
    "css-overflow-wrap": "word-wrap says the same where it is not known",
    "css-word-wrap": "Outlook on Windows breaks a line anywhere only if it must, and can scroll",
    "css-word-break": "breaks a long address; Yahoo scrolls",
    "css-border-radius": "a button's corners; without, they are square",
    "css-sytem-ui": "the first of several fonts for code",
    "css-overflow": "a wide table scrolls by itself; Outlook on Windows shows it whole",
    "css-min-width": "a table's long cell; Outlook lays the table out by itself",
    "css-white-space": "Outlook on Windows keeps the lines of pre as they are",
    "css-height": "of images, auto: they keep their own proportions",
}


def own_mails() -> dict[str, str]:
    markdown = "# T\n\n> *a* `b`\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n1. x\n\n---\n\n~~~\nx\n~~~\n"
    return {
        "issue": send(markdown_issue(f"{markdown}\n![x](https://x.example/a.png)").html),
        "confirmation": render_confirmation(
            NEWSLETTER, "https://news.example.com/confirm", "12345678"
        ).html,
        "already subscribed": render_already_subscribed(NEWSLETTER).html,
    }


@pytest.mark.parametrize("kind", own_mails())
def test_our_own_mails_use_nothing_that_breaks_reading_in_a_named_client(kind: str) -> None:
    assert lacking(own_mails()[kind]).keys() <= ACCEPTED.keys()
