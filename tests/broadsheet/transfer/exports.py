"""Exports of posts as peers make them, small."""

import io
import json
import zipfile

SUBSTACK = "post_id,post_date,is_published,email_sent_at,inbox_sent_at,type,audience,title,subtitle"
BUTTONDOWN = "id,secondary_id,subject,publish_date,source,email_type,slug"
BEEHIIV = (
    "id,web_title,status,audience,content_tags,url,web_subtitle,email_subject_line,"
    "email_preview_text,content_html,thumbnail_url,created_at"
)


def archive_of(members: dict[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, text in members.items():
            opened.writestr(name, text)
    return content.getvalue()


def substack(*rows: str, **texts: str) -> bytes:
    """``texts``: by the post's slug, each with the number 1 before it."""
    members: dict[str, str | bytes] = {
        f"posts/1.{slug.replace('_', '-')}.html": text for slug, text in texts.items()
    }
    return archive_of({"posts.csv": "\n".join([f"{SUBSTACK},podcast_url", *rows]), **members})


def substack_row(
    slug: str = "hello",
    *,
    published: str = "true",
    audience: str = "everyone",
    kind: str = "newsletter",
    title: str = "Hello",
) -> str:
    at = "2019-07-26T20:48:19.814Z"
    return f'1.{slug},{at},{published},{at},,{kind},{audience},"{title}",A beginning.,'


def ghost(*posts: dict[str, object], others: str = "") -> bytes:
    usual = {
        "id": "64a",
        "uuid": "c1",
        "title": "Hello",
        "slug": "hello",
        "html": "<p>Text</p>",
        "status": "published",
        "type": "post",
        "visibility": "public",
        "published_at": "2023-01-02T03:04:05.000Z",
        "custom_excerpt": None,
        "feature_image": None,
    }
    data = {"authors": others, "posts": [usual | post for post in posts], "tags": []}
    document = {"db": [{"meta": {"exported_on": 1, "version": "6.0.0"}, "data": data}]}
    return json.dumps(document).encode()


def buttondown(row: str, **texts: str) -> bytes:
    members: dict[str, str | bytes] = {
        f"emails/{slug.replace('_', '-')}.md": text for slug, text in texts.items()
    }
    return archive_of({"emails.csv": f"{BUTTONDOWN}\n{row}\n", **members})


def beehiiv(html: str, status: str = "confirmed", audience: str = "free") -> bytes:
    quoted = html.replace('"', '""')
    return (
        f"{BEEHIIV}\nabcd,Hello,{status},{audience},,https://tea.beehiiv.com/p/hello,A beginning.,"
        f'Hello,,"{quoted}",uploads/asset/image.png,2023-01-18 21:25:27\n'
    ).encode()
