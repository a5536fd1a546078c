"""Verifies tokens by the JWKS that a URL answers, as PyJWT fetches and keeps it; see `jwks_peers.rs`.

Reads JSON lines: first `{url, issuer, audience}`, then `{token}` each answered by `{sub}` or `{refused}`.
Needs: pip install "PyJWT[crypto]".
"""

import json
import sys

import jwt

start = json.loads(sys.stdin.readline())
# Without the pause between two fetches, which only spares the server.
keys = jwt.PyJWKClient(start["url"], cooldown_duration=0)
for line in sys.stdin:
    token = json.loads(line)["token"]
    try:
        key = keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(
            token,
            key,
            algorithms=["EdDSA", "ES256"],
            issuer=start["issuer"],
            audience=start["audience"],
            options={"require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"]},
        )
        answer = {"sub": claims["sub"]}
    except jwt.PyJWTError as error:
        answer = {"refused": type(error).__name__}
    print(json.dumps(answer), flush=True)
