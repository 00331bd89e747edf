"""Where readers of some mail providers find our mail: a link, from their address's domain alone.

Asking DNS who takes a domain's mail would say which domains exist. The addresses are as of
2026-11-28; those with a search are the providers' own way to show one, as their pages make it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from broadsheet.domain.subscribers import EmailAddress


class Inbox(NamedTuple):
    """A mail provider's name, and where it shows our mails or its inbox."""

    provider: str
    url: str


# {sender}: the newsletter's address, quoted.
_INBOXES = {
    Inbox(
        "Gmail",
        "https://mail.google.com/mail/u/0/#search/from%3A({sender})+in%3Aanywhere+newer_than%3A1d",
    ): ("gmail.com", "googlemail.com"),
    Inbox("Outlook", "https://outlook.live.com/mail/0/"): (
        *("outlook.com", "outlook.de", "outlook.fr", "outlook.es", "outlook.it", "outlook.at"),
        *("hotmail.com", "hotmail.co.uk", "hotmail.de", "hotmail.fr", "hotmail.es", "hotmail.it"),
        *("live.com", "live.co.uk", "live.de", "live.fr", "live.it", "live.nl", "msn.com"),
    ),
    Inbox("Yahoo Mail", "https://mail.yahoo.com/d/search/keyword=from:{sender}"): (
        *("yahoo.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "yahoo.es", "yahoo.it"),
        *("yahoo.ca", "yahoo.com.br", "yahoo.co.in", "ymail.com", "rocketmail.com", "myyahoo.com"),
    ),
    Inbox("AOL Mail", "https://mail.aol.com/d/search/keyword=from:{sender}"): (
        *("aol.com", "aol.de", "aol.co.uk"),
    ),
    Inbox("iCloud Mail", "https://www.icloud.com/mail"): ("icloud.com", "me.com", "mac.com"),
    Inbox("Proton Mail", "https://mail.proton.me/u/0/all-mail#from={sender}"): (
        *("proton.me", "protonmail.com", "protonmail.ch", "pm.me"),
    ),
    Inbox("Fastmail", "https://app.fastmail.com/mail/Inbox/"): ("fastmail.com", "fastmail.fm"),
    Inbox("GMX", "https://www.gmx.net/"): ("gmx.de", "gmx.net", "gmx.at", "gmx.ch"),
    Inbox("GMX", "https://www.gmx.com/"): ("gmx.com", "gmx.us", "gmx.co.uk"),
    Inbox("WEB.DE", "https://web.de/"): ("web.de",),
    Inbox("T-Online", "https://email.t-online.de/"): ("t-online.de", "magenta.de"),
    Inbox("freenet Mail", "https://webmail.freenet.de/"): ("freenet.de",),
    Inbox("Posteo", "https://posteo.de/"): ("posteo.de", "posteo.net"),
    Inbox("mailbox.org", "https://app.mailbox.org/"): ("mailbox.org",),
    Inbox("Tuta", "https://app.tuta.com/"): (
        *("tuta.com", "tuta.io", "tutanota.com", "tutanota.de", "tutamail.com", "keemail.me"),
    ),
    Inbox("Zoho Mail", "https://mail.zoho.com/"): ("zoho.com", "zohomail.com"),
    Inbox("Zoho Mail", "https://mail.zoho.eu/"): ("zohomail.eu",),
    Inbox("HEY", "https://app.hey.com/topics/everything"): ("hey.com",),
    Inbox("Yandex Mail", "https://mail.yandex.com/"): ("yandex.com", "yandex.ru", "ya.ru"),
    Inbox("Mail.ru", "https://e.mail.ru/search/?q_from={sender}"): (
        *("mail.ru", "inbox.ru", "list.ru", "bk.ru"),
    ),
    Inbox("Orange Mail", "https://messagerie.orange.fr/"): ("orange.fr", "wanadoo.fr"),
    Inbox("QQ Mail", "https://mail.qq.com/"): ("qq.com", "foxmail.com"),
    Inbox("NAVER Mail", "https://mail.naver.com/"): ("naver.com",),
}
_BY_DOMAIN = {domain: inbox for inbox, domains in _INBOXES.items() for domain in domains}


def inbox_of(reader: EmailAddress, sender: str) -> Inbox | None:
    """Return where a reader finds the mails of ``sender``; None for most domains."""
    inbox = _BY_DOMAIN.get(reader.domain)
    return inbox and Inbox(inbox.provider, inbox.url.replace("{sender}", quote(sender, safe="")))
