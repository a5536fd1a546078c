"""Verifies tokens by PyJWT, as often as it is asked; see `token_rate.rs`.

Reads JSON lines: first what to verify, then `{ algorithm, times }` each answered by `{ nanoseconds }`.
"""

import json
import sys
import time

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key


def verifier(algorithm, key):
    """Its key is loaded once, and it checks what it does by itself: the signature, `exp`, `nbf` and `iat`."""
    loaded = key if algorithm == "HS256" else load_pem_public_key(key.encode())
    # Told no audience, it would refuse a token that has one.
    options = {"verify_aud": False}
    return lambda token: jwt.decode(token, loaded, algorithms=[algorithm], options=options)


verifiers = {}
for question in json.loads(sys.stdin.readline()):
    algorithm, token = question["algorithm"], question["token"]
    verify = verifier(algorithm, question["key"])
    if verify(token) != question["claims"]:
        raise SystemExit("other claims")
    try:
        verify(token[:-2] + ("B" if token[-2] == "A" else "A") + token[-1])
    except jwt.InvalidSignatureError:
        verifiers[algorithm] = (verify, token)
    else:
        raise SystemExit("a forgery passed")

for line in sys.stdin:
    asked = json.loads(line)
    verify, token = verifiers[asked["algorithm"]]
    begin = time.perf_counter_ns()
    for _ in range(asked["times"]):
        verify(token)
    nanoseconds = time.perf_counter_ns() - begin
    print(json.dumps({"nanoseconds": nanoseconds}), flush=True)
