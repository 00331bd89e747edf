"""Mail domains whose readers have nothing to do with each other: no budget counts them as one.

The largest providers of mailboxes for everybody, by their own documentation of domains.
"""

SHARED_BY_EVERYBODY = frozenset(
    (
        *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com"),
        *("outlook.de", "outlook.fr", "hotmail.co.uk", "hotmail.fr", "hotmail.de", "hotmail.it"),
        *("hotmail.es", "live.co.uk", "live.fr", "live.nl", "yahoo.com", "yahoo.co.uk"),
        *("yahoo.fr", "yahoo.de", "yahoo.it", "yahoo.es", "yahoo.co.in", "yahoo.co.jp"),
        *("yahoo.com.br", "yahoo.ca", "ymail.com", "rocketmail.com", "aol.com", "icloud.com"),
        *("me.com", "mac.com", "proton.me", "protonmail.com", "pm.me", "gmx.de", "gmx.net"),
        *("gmx.at", "gmx.ch", "gmx.com", "web.de", "t-online.de", "freenet.de", "posteo.de"),
        *("mailbox.org", "tutanota.com", "fastmail.com", "zoho.com", "orange.fr", "free.fr"),
        *("laposte.net", "sfr.fr", "wanadoo.fr", "libero.it", "virgilio.it", "tiscali.it"),
        *("btinternet.com", "sky.com", "virginmedia.com", "ntlworld.com", "comcast.net"),
        *("verizon.net", "att.net", "sbcglobal.net", "cox.net", "charter.net", "mail.ru"),
        *("yandex.ru", "yandex.com", "seznam.cz", "wp.pl", "o2.pl", "interia.pl", "onet.pl"),
        *("bluewin.ch", "telenet.be", "skynet.be", "ziggo.nl", "kpnmail.nl", "xs4all.nl"),
        *("uol.com.br", "bol.com.br", "terra.com.br", "qq.com", "163.com", "126.com", "sina.com"),
        *("naver.com", "daum.net", "hanmail.net", "rediffmail.com", "bigpond.com", "hey.com"),
    )
)
