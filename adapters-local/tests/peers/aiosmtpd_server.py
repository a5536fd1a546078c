"""aiosmtpd with STARTTLS required, on a free port of this machine.

Usage: aiosmtpd_server.py CERTIFICATE.pem KEY.pem

Prints one line of JSON with the port, then one for each mail as Python's `email` package reads it.
Ends when its standard input does.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP


def tell(what):
    print(json.dumps(what), flush=True)


def body(mail, kind):
    return mail.get_body((kind,)).get_content().replace("\r\n", "\n")


class Reader:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        tell(
            {
                "encrypted": session.ssl is not None,
                "sender": envelope.mail_from,
                "recipients": envelope.rcpt_tos,
                "headers": mail.keys(),
                "defects": [repr(d) for part in mail.walk() for d in part.defects],
                "from": [str(value) for value in mail.get_all("From")],
                "to": [str(value) for value in mail.get_all("To")],
                "subject": str(mail["Subject"]),
                "text": body(mail, "plain"),
                "html": body(mail, "html"),
            }
        )
        return "250 taken"


async def serve(certificate, key):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)

    def session():
        return SMTP(Reader(), tls_context=tls, require_starttls=True, enable_SMTPUTF8=True)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0)
    tell({"port": server.sockets[0].getsockname()[1]})
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
