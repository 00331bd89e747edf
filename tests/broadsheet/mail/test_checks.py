"""What an author is warned of: for each code, texts that have it, and texts that nearly do.

A false alarm is as bad as a miss: after a few, nobody reads the warnings.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broadsheet import i18n
from broadsheet.domain.findings import ERRORS
from broadsheet.domain.issue_requests import IssueDraft
from broadsheet.mail.checks import structure
from broadsheet.mail.issue_mail import render_issue
from broadsheet.services.issues import checking
from broadsheet.web.sentences import SENTENCES, of_findings
from tests.broadsheet.mail.mails import NEWSLETTER, markdown_issue, send

YEAR = datetime.now(UTC).year
# Enough text that an image in it isn't all there is.
TEXT = "The harbour master wrote again, about the tide and the boats, and about the new quay."
FILES = "![a boat](https://x.test/b.png)"


def found(
    fields: dict[str, object], language: str = NEWSLETTER.language
) -> list[tuple[str, str | None]]:
    """Return the codes and places of all that is found in an issue with a preheader, no page."""
    draft = IssueDraft.model_validate({"title": "A title", "preheader": "It begins"} | fields)
    newsletter = NEWSLETTER.model_copy(update={"language": language})
    rendering = render_issue(
        draft.title, draft.content, NEWSLETTER, draft.preheader, has_page=False
    )
    findings = [*rendering.findings, *checking.of_content(draft, rendering, newsletter)]
    assert len(of_findings(findings)) == len(findings)  # each has a sentence
    return [(each.code, each.where) for each in findings]


def in_markdown(markdown: str) -> list[tuple[str, str | None]]:
    return found({"markdown": markdown})


def in_html(html: str, text: str = "Hello") -> list[tuple[str, str | None]]:
    return found({"content": {"html": html, "text": text}})


MARKDOWN: dict[str, list[str]] = {
    "unknown-placeholder": [
        "[[nome]]",
        "Dear [[ name ]],",
        "[x](https://x.test/?n=[[nome]])",
        "| [[nome]] | b |\n|---|---|",
    ],
    "relative-link": ["[x](about.html)", "[x](/about)", "[x](www.example.com)", "[x](//x.test/)"],
    "relative-image": [f"![a boat](boat.png)\n\n{TEXT}"],
    "missing-alt": [f"![](https://x.test/b.png)\n\n{TEXT}", f"![ ](https://x.test/b.png) {TEXT}"],
    "alt-looks-default": [
        f"![{alt}](https://x.test/b.png) {TEXT}"
        for alt in (
            *("IMG_2041.jpg", "IMG_2041", "DSC00123", "image1", "image", "Image 2", "Screenshot"),
            *("screenshot.png", "Screenshot 2026-11-28 at 10.12.13", "Bildschirmfoto 2026-11-28"),
            *("untitled", "alt text", "Foto 3", "photo", "PXL_20261128_101213"),
        )
    ],
    "empty-link-text": ["[](https://x.test/)", "[ ](https://x.test/)"],
    "link-text-is-another-address": [
        "[https://bank.example/](https://evil.example/)",
        "[www.bank.example](https://evil.example/login)",
        "[bank.com](https://evil.example/)",
        "[bank.org/login](https://evil.example/)",
        "[ann@x.test](mailto:bob@x.test)",
    ],
    "url-shortener": [
        "[the programme](https://bit.ly/3xYz)",
        "<https://tinyurl.com/abc>",
        "[x](HTTP://WWW.T.CO/a)",
    ],
    "image-only": ["![a poster of the concert](https://x.test/p.png)", f"Hello\n\n{FILES}"],
    "large-image": [f"![a boat](data:image/png;base64,{'A' * 100_001}) {TEXT}"],
    "todo-left": [
        "TK",
        "It costs TK euros.",
        "TKTK: a quote",
        "TODO: ask Ann",
        "FIXME",
        "Lorem ipsum dolor sit amet",
        "## TODO",
        "- lorem\n  ipsum",
    ],
    "old-copyright-year": [
        f"© {YEAR - 1} Example Ltd.",
        f"Copyright {YEAR - 2} Example",
        f"(c) 2019-{YEAR - 1} Example",
        f"Copyright © {YEAR - 1}",
    ],
    "attachment-mentioned": [
        "Please find the attached invoice.",
        "See attached.",
        "The schedule is attached to this email.",
        "I have attached a map.",
        "Attached you will find the minutes.",
        "See the attachment.",
        "Details stand\nin the attachment.",
        "Den Plan findet ihr im Anhang.",
        "Anbei findet ihr den Plan.",
    ],
    "heading-order": ["### Deep", "## One\n\n#### Three", "# A\n\n### C", "> ### Deep"],
    "raw-html-in-markdown": [
        "a <b>c</b>",
        "<div class='x'>y</div>",
        '<img src="https://x.test/b.png">',
        "line</p>",
        "<center>x",
        "<a href='https://x.test'>x</a>",
    ],
    "front-matter-in-body": [
        "---\ntitle: One\n---\nHello",
        "---\ntitle: One\ntags:\n  - a\n  - b\n\ndate: 2026-11-28\n---\n\nHello",
        "\n---\nsubject: x\n---",
        "+++\ntitle = 'One'\n+++\nHello",
        "\ufeff---\r\ntitle: One\r\n---\r\nHello",
    ],
    "clipped": [f"{TEXT} " * 1300, "[[name]] " * 80 + "x " * 6000],
    "unsupported-css": [
        f"![a boat](https://x.test/b.webp) {TEXT}",
        f"![a boat](https://x.test/b.SVG?v=2) {TEXT}",
    ],
    "unfinished-comment": ["a <!-- b"],
    "no-archive-page": ["[[archive]]", "[x]([[archive]])", "[x](https://x.test/[[archive]])"],
    "footnote-unused": ["a\n\n[^b]: c"],
    "footnote-twice": ["a[^b]\n\n[^b]: c\n\n[^b]: d"],
    "footnote-undefined": ["a[^b]", "# a[^b]\n\n[^c]: d"],
    "no-address": ["[x]()"],
    "name-in-host": ["[x](https://[[name]].x.test/)"],
    "too-complex": ["> " * 60 + "x"],
}
NEARLY_MARKDOWN: dict[str, list[str]] = {
    "unsupported-css": [f"![a .webp boat](https://x.test/b.jpg) {TEXT}", "[x](https://x.test/b.svg)"],
    "no-archive-page": ["\\[[archive]]", "`[[archive]]`", "[x]([[manage]])", "[the archive]"],
    "unknown-placeholder": ["[[name]]", "`[[nome]]`", "\\[[nome]]", "[[1]]", "[[ -f x ]]"],
    "relative-link": ["[x](https://x.test)", "[x](mailto:a@x.test)", "`[x](about.html)`"],
    "missing-alt": [f"{FILES} {TEXT}", f"`![](b.png)` {TEXT}"],
    "alt-looks-default": [
        f"![{alt}](https://x.test/IMG_2041.jpg) {TEXT}"
        for alt in (
            *("A photo of the pier", "Screenshot of the settings page", "The image of a saint"),
            *("Figure 2: tides by month", "Logo", "Our logo", "P2P network", "Pictures at a show"),
        )
    ],
    "empty-link-text": ["[x](https://x.test/)", "[![a boat](https://x.test/b.png)](https://x.test/)",
                        "<https://x.test/>", "[`x`](https://x.test/)"],
    "link-text-is-another-address": [
        "[https://bank.example/](https://bank.example/login)",
        "<https://bank.example/>",
        "[www.bank.example](https://bank.example/)",
        "[bank.com](https://news.bank.com/1)",
        "[https://news.bank.com/](https://bank.com/)",
        "[README.md](https://x.test/)",
        "[socket.io](https://x.test/)",
        "[node.js](https://x.test/)",
        "[the bank.com affair](https://x.test/)",
        "[ann@x.test](mailto:Ann@x.test?subject=Hi)",
        "[ann@x.test](https://x.test/ann)",
        "[münchen.org](https://xn--mnchen-3ya.org/)",
        "[x](https://x.test/?u=https://y.test/)",
    ],
    "url-shortener": [
        "[x](https://bit.ly.example.com/)",
        "[x](https://notbit.ly/)",
        "[x](https://x.test/bit.ly/)",
        "[x](https://youtu.be/abc)",
        "bit.ly is a company",
    ],
    "image-only": [f"{FILES}\n\n{TEXT}", "Hello", f"{FILES} " + "港の船長が潮と船と新しい岸壁" * 5],
    "todo-left": [
        "my todo list",
        "The TODO list is long",
        "TODO comments",
        "TK Maxx",
        "TK-98",
        "`TODO`",
        "    TODO in code",
        "```\n# TODO\n```",
        "MTK",
        "Die Tk.",
        "things to do",
        "an ipsum",
    ],
    "old-copyright-year": [
        f"© {YEAR} Example Ltd.",
        f"© 2019\N{EN DASH}{YEAR} Example",
        "In 2019, copyright changed.",
        "Photo: © 2019 Jane Doe",
        "`© 2019`",
        "© Example",
        "Copyright 20190 things",
    ],
    "attachment-mentioned": [
        "He is attached to the harbour.",
        "We attached great importance to it.",
        "the buoy that we attached to the pier",
        "emotionally attached",
        "attachment theory",
        "In the attachment theory of Bowlby",
        "no strings attached",
        "im Anhang des Buches",
        "ein Anhänger",
        "See attached to the mast a flag.",
    ],
    "heading-order": [
        "## One\n\n### Two\n\n## Three",
        "# A\n\n## B\n\n### C\n\n# D",
        "Text",
        "## One\n\n# Own",
        "```\n#### x\n```",
    ],
    "raw-html-in-markdown": [
        "a < b and c > d",
        "`<b>`",
        "\\<b>c\\</b>",
        "Vec<i>",
        "List<String>",
        "<https://x.test/>",
        "<ann@x.test>",
        "a<br>b",
        "<!-- a note -->",
        "press <Enter>",
        "<name>",
        "    <b>code</b>",
        "I <3 boats",
    ],
    "front-matter-in-body": [
        "---\n\nHello",
        "---\nHello there: a rule, then a text\nthat goes on\n\n---\n\nx",
        "Hello\n\n---\ntitle: One\n---",
        "---\nHello\n---",
        "***\ntitle: x\n***",
        "---\n---\nHello",
        "---\ntitle: it never ends",
    ],
    "clipped": [f"{TEXT} " * 900, "[[name]] " * 20],
}  # fmt: skip
HTML: dict[str, list[str]] = {
    "missing-alt": [f"<p>{TEXT}</p><img src='https://x.test/b.png'>"],
    "alt-looks-default": [f"<p>{TEXT}</p><img src='https://x.test/b.png' alt='b.png'>"],
    "empty-link-text": [
        "<a href='https://x.test/'></a>",
        "<a href='https://x.test/'>&nbsp; </a>",
        f"{TEXT}<a href='https://x.test/'><img src='https://x.test/b.png' alt=''></a>",
        "<a href='https://x.test/'><span></span>",
    ],
    "link-text-is-another-address": [
        "<a href='https://evil.example/'><b>https://bank</b>.example/</a>"
    ],
    "url-shortener": ["<a href='https://bit.ly/x'>x</a>"],
    "image-only": ["<img src='https://x.test/b.png' alt='A poster with much text, of a concert'>"],
    "large-image": [
        f"{TEXT}<img src='https://x.test/b.png' alt='boat' width='1600'>",
        f"{TEXT}<img src='https://x.test/b.png' alt='boat' width=2400px>",
        f"{TEXT}<img alt='boat' src='data:image/png;base64,{'A' * 100_001}'>",
    ],
    "todo-left": ["<p>TK</p>", "<p title='x'>Lorem <b>ipsum</b></p>"],
    "old-copyright-year": [f"<p>&copy; {YEAR - 1} Example Ltd.</p>"],
    "attachment-mentioned": ["<p>See <b>attached</b></p>"],
    "heading-order": ["<h1>a</h1><h3>b</h3>", "<h4>a</h4>"],
    "low-contrast": [
        "<p style='color:#ccc'>x</p>",
        "<p style='color:#999; background:#fff'>x</p>",
        "<p style='background-color:rgb(0,0,0);color:#333'>x</p>",
        "<table bgcolor='#000000'><tr><td>x</td></tr></table>",
        "<font color='yellow'>x</font>",
        "<h1 style='color:#bbb'>x</h1>",
        "<style>b{margin:0}</style><p style='color:#ccc;background:#fff'>x</p>",
        "<div style='background:#fff;color:#ccc'><p>x<p>y</div>",
    ],
    "unsupported-css": [
        "<div style='display:flex'>x</div>",
        "<style>p{color:var(--ink)}</style><p>x</p>",
        "<p style='position:absolute'>x</p>",
        "<p style='background:#fff url(https://x.test/b.png)'>x</p>",
        "<p style='background:linear-gradient(#fff, #eee)'>x</p>",
        "<style>p{background-image:url(https://x.test/b.png)}</style><p>x</p>",
        "<svg></svg>",
        "<video src='https://x.test/v.mp4'></video>",
        "<form action='https://x.test/'><input type=text></form>",
    ],
    "placeholder-in-markup": ["<script>'[[name]]'</script>", "<p onclick=\"x('[[name]]')\">y"],
    "unfinished-markup": ["<p>x<!-- y", "<p>x</p><a href='"],
}
NEARLY_HTML: dict[str, list[str]] = {
    "unsupported-css": [
        "<p style='border-radius:3px'>x</p>",
        "<p style='background:#fff;background-image:none'>x</p>",
        "<style>@media (max-width:480px){div{display:flex}}</style><div>x</div>",
        "<p style='display:block'>x</p>",
        "<section>x</section>",
        "<code>display:flex</code>",
        "<!-- <svg> -->",
        "<p title='display:flex'>x</p>",
    ],
    "missing-alt": [
        f"<p>{TEXT}</p><img src='https://x.test/b.png' alt=''>",
        f"<p>{TEXT}</p><img alt src='https://x.test/b.png'>",
        f"<p>{TEXT}</p><!-- <img src='x.png'> -->",
    ],
    "empty-link-text": [
        "<a href='https://x.test/'>x</a>",
        "<a name='top'></a>",
        f"{TEXT}<a href='https://x.test/'><img src='https://x.test/b.png' alt='boat'></a>",
        "<a href='https://x.test/' aria-label='Our page'></a>",
        "<a href='https://x.test/'><code>x</code></a>",
    ],
    "large-image": [
        f"{TEXT}<img src='https://x.test/b.png' alt='boat' width='1200'>",
        f"{TEXT}<img src='https://x.test/b.png' alt='boat' width='100%'>",
        f"{TEXT}<img src='https://x.test/{'a' * 300}.png' alt='boat'>",
    ],
    "todo-left": [
        "<code>TODO</code>",
        "<pre>// TODO</pre>",
        "<!-- TODO -->",
        "<style>/* TODO */</style>",
        "<p title='TODO'>x</p>",
    ],
    "heading-order": ["<h1>a</h1><h2>b</h2>", "<h2>a</h2><h3>b</h3><h2>c</h2>", "<h1>a</h1><h1>b"],
    "low-contrast": [
        "<p style='color:#555'>x</p>",
        "<p style='color:#ccc'></p>",
        "<p style='color:#ccc'>  </p>",
        "<div style='background:#000'><p style='color:#ccc'>x</p></div>",
        "<div style='background:#000;color:#fff'><p>x</p></div><p>y</p>",
        "<p style='color:#ccc; background: url(https://x.test/b.png)'>x</p>",
        "<td background='https://x.test/b.png' style='color:#fff'>x</td>",
        "<style>.d{background:#000}</style><div class=d><p style='color:#ccc'>x</p></div>",
        "<p style='color:rgba(0,0,0,.4)'>x</p>",
        "<h1 style='color:#888'>x</h1>",
        "<p style='font-size:24px;color:#888'>x</p>",
        "<p style='color:inherit'>x</p>",
        f"<p style='color:{'(' * 5000}'>x</p>",
        "<a href='https://x.test/' style='background:#003'>x</a>",
    ],
    "relative-link": ["<a href='#top'>x</a><a name=top>y</a>"],
}


def cases(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(code, text) for code, texts in table.items() for text in texts]


def named(text: str) -> str:
    return text[:40]


@pytest.mark.parametrize(("code", "markdown"), cases(MARKDOWN), ids=named)
def test_a_fault_of_markdown_is_found(code: str, markdown: str) -> None:
    assert code in [each for each, _ in in_markdown(markdown)]


@pytest.mark.parametrize(("code", "markdown"), cases(NEARLY_MARKDOWN), ids=named)
def test_markdown_that_only_looks_like_it_is_left_alone(code: str, markdown: str) -> None:
    assert code not in [each for each, _ in in_markdown(markdown)]


@pytest.mark.parametrize(("code", "html"), cases(HTML), ids=named)
def test_a_fault_of_html_is_found(code: str, html: str) -> None:
    assert code in [each for each, _ in in_html(html)]
    if code not in {"heading-order", "large-image", "placeholder-in-markup", "unfinished-markup"}:
        assert code in [each for each, _ in in_html(f"<html><body>{html}</body></html>")]


@pytest.mark.parametrize(("code", "html"), cases(NEARLY_HTML), ids=named)
def test_html_that_only_looks_like_it_is_left_alone(code: str, html: str) -> None:
    assert code not in [each for each, _ in in_html(html)]
    assert code not in [each for each, _ in in_html(f"<html><body>{html}</body></html>")]


def test_a_fault_has_the_line_of_the_authors_source() -> None:
    markdown = (
        f"{TEXT}\n\n{TEXT}\nTK\n\n- one\n- two, see\n  [](https://x.test/)\n\n"
        f"![](https://x.test/b.png)\n\n#### Deep\n\n> {TEXT}\n> see attached\n\n| a | <b> |\n|-|-|"
    )

    assert sorted(in_markdown(markdown), key=lambda each: int(str(each[1]).split()[1])) == [
        ("todo-left", "line 4"),
        ("empty-link-text", "line 8"),
        ("missing-alt", "line 10"),
        ("heading-order", "line 12"),
        ("attachment-mentioned", "line 15"),
        ("raw-html-in-markdown", "line 17"),
    ]


def test_a_fault_has_the_line_of_the_authors_html_and_text() -> None:
    html = (
        f"<p>{TEXT}</p>\n<p\n  class='x'>TK,\n  and see <b>the\nattachment</b></p>\n"
        "<img\n src='https://x.test/b.png'>\n<p style='color:#ccc'>y</p>"
    )

    assert in_html(html, "one\ntwo\nTK") == [
        ("missing-alt", "line 6 of the HTML"),
        ("todo-left", "line 3 of the HTML"),
        ("todo-left", "line 3 of the text"),
        ("attachment-mentioned", "line 4 of the HTML"),
        ("low-contrast", "line 8 of the HTML"),
    ]


@pytest.mark.parametrize(
    ("title", "codes"),
    [
        ("x" * 79, ["subject-long"]),
        ("x" * 78, []),
        ("[[name]]" + "x" * 68, []),
        ("[[name]]" + "x" * 69, ["subject-long"]),
        ("TODO: a title", ["todo-left"]),
        ("My todo list", []),
    ],
)
def test_the_subject_is_checked(title: str, codes: list[str]) -> None:
    assert found({"title": title, "markdown": "Hello"}) == [(code, "the title") for code in codes]


def test_the_preheader_is_checked() -> None:
    assert found({"preheader": None, "markdown": "Hello"}) == [("no-preheader", None)]
    assert found({"preheader": "TK", "markdown": "Hello"}) == [("todo-left", "the preheader")]
    assert found({"preheader": "Hello", "markdown": "Hello"}) == []


def test_a_mail_is_measured_with_the_longest_name_and_footer() -> None:
    without, with_names = (
        structure.largest_bytes(markdown_issue(f"{TEXT}\n\nHello {names}"), NEWSLETTER)
        for names in ("", "[[name]]" * 3)
    )
    sent = [
        len(send(markdown_issue(f"{TEXT}\n\nHello ").html, language=each.tag).encode())
        for each in i18n.languages()
    ]

    assert without > max(sent) > min(sent)
    assert with_names - without == pytest.approx(3 * 256 * len("&#x27;"), abs=10)


REAL = f"""Dear [[name]],

the **harbour** opens [again](https://example.com/harbour) on Monday, at 8:00.

![Boats at the new quay](https://example.com/quay.jpg)

## Tides

| Day | High |
|---|--:|
| Monday | 08:15 |

- Bring a [map](https://example.com/map.pdf).
- Ask the harbour master: <harbour@example.com>.

### Questions

Write to us, or see [example.com](https://www.example.com/).

© 2019\N{EN DASH}{YEAR} The Harbour Letter
"""


def test_a_real_issue_has_no_finding() -> None:
    assert in_markdown(REAL) == []


def test_a_real_issue_of_html_has_no_finding() -> None:
    html = f"""<!doctype html><html lang="en"><head><title>The letter</title></head>
<body style="margin:0;background:#f4f4f4"><table role="presentation" width="600" bgcolor="#ffffff">
<tr><td style="padding:20px;color:#222222;font-size:16px"><h1 style="color:#003366">Tides</h1>
<p>{TEXT}</p><p><a href="https://example.com/" style="color:#0050a0">Read on</a></p>
<img src="https://example.com/quay.jpg" width="560" alt="Boats at the new quay"></td></tr></table>
<p style="color:#555555">&copy; {YEAR} The Harbour Letter</p></body></html>"""

    assert in_html(html, TEXT) == []


def test_every_error_is_tried_here_and_every_code_has_its_sentence() -> None:
    tried = {*MARKDOWN, *HTML}

    assert tried - SENTENCES.keys() <= {"too-complex"}  # which has one for each reason
    # In test_publish.py, and in test_segments.py.
    assert ERRORS - tried == {"too-large", "unknown-segment"}


def in_row(cell: str) -> list[str]:
    return re.findall(r"`([a-z-]+)`", cell)


def test_every_code_is_documented_with_its_severity_and_has_a_sentence() -> None:
    layer = Path(checking.__file__).parents[2]
    sources = "\n".join(path.read_text() for path in layer.rglob("*.py"))
    added = r"(?:findings(?:\([\w.]*\))?\.add|\bFinding)\(\s*\"([a-z-]+)\""
    used = set(re.findall(added, sources)) | {"relative-link", "relative-image"}
    used.add("nobody-to-send-to")
    errors, warnings = (
        {code for row in re.findall(r"^\|([^|]*)\|", part, re.MULTILINE) for code in in_row(row)}
        for part in (layer.parents[2] / "docs/warnings.md").read_text().split("| warning |")
    )

    assert used - SENTENCES.keys() == {"too-complex"}  # which has one for each reason
    assert errors == ERRORS
    assert warnings == used - ERRORS


@pytest.mark.parametrize(
    ("markdown", "language", "is_found"),
    [
        ("Hallo [[name]]!", "de", True),
        ("[Hallo](https://x.test/[[name]])", "de-AT", True),
        ("Hallo [[name|zusammen]]!", "de", False),
        ("Hallo!", "de", False),
        ("Hello [[name]]!", "en-GB", False),
    ],
)
def test_a_name_needs_a_fallback_where_ours_would_be_english(
    markdown: str, language: str, *, is_found: bool
) -> None:
    codes = [code for code, _ in found({"markdown": markdown}, language)]
    assert ("name-without-fallback" in codes) is is_found
