"""Another implementation's opinion of our tokens, and its own tokens and forgeries for us to judge.

Reads one JSON object on stdin and answers with one on stdout; see `tests/jwt.rs`.
Needs: pip install "PyJWT[crypto]".
"""

import base64
import hashlib
import hmac
import json
import sys
import time
import uuid

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def part(value):
    return b64(json.dumps(value, separators=(",", ":")).encode())


def verified(token, jwks, issuer, audience):
    """Verifies a token of ours as a careful service would, by the published keys alone."""
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "at+jwt", header
    key = jwt.PyJWKSet.from_dict(jwks)[header["kid"]]
    return jwt.decode(
        token,
        key,
        algorithms=[key.algorithm_name],
        issuer=issuer,
        audience=audience,
        options={"require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"]},
    )


def raw_and_pem(jwk):
    key = jwt.PyJWK.from_dict(jwk).key
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    raw = unb64(jwk["x"])
    if "y" in jwk:
        raw = b"\x04" + raw + unb64(jwk["y"])
    return [
        raw,
        key.public_bytes(serialization.Encoding.DER, spki),
        key.public_bytes(serialization.Encoding.PEM, spki),
        json.dumps(jwk).encode(),
    ]


def forgeries(token, jwk, stranger):
    """Everything that a verifier must refuse, made of a good token and public knowledge."""
    header, payload, signature = token.split(".")
    head, claims = json.loads(unb64(header)), json.loads(unb64(payload))
    promoted = part({**claims, "sub": str(uuid.uuid4()), "email": "eve@example.com"})
    yield "changed payload", f"{header}.{promoted}.{signature}"
    yield "no signature", f"{header}.{promoted}."
    for alg in ["none", "None", "nOnE"]:
        unsigned = part({**head, "alg": alg})
        yield f"alg {alg}", f"{unsigned}.{promoted}."
        yield f"alg {alg}, old signature", f"{unsigned}.{payload}.{signature}"
    for secret in raw_and_pem(jwk):
        signed = f"{part({**head, 'alg': 'HS256'})}.{promoted}"
        tag = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        yield "HS256 with the public key", f"{signed}.{b64(tag)}"
    alg = head["alg"]
    evil = json.loads(json.dumps(claims)) | {"email": "eve@example.com"}
    yield "another key", jwt.encode(evil, stranger[alg], algorithm=alg, headers=head)
    own = jwt.get_algorithm_by_name(alg).to_jwk(stranger[alg].public_key(), as_dict=True)
    own = {name: value for name, value in own.items() if name in ("kty", "crv", "x", "y")}
    embedded = {**head, "jwk": own}
    yield "embedded key", jwt.encode(evil, stranger[alg], algorithm=alg, headers=embedded)
    other = "ES256" if alg == "EdDSA" else "EdDSA"
    yield "other algorithm", jwt.encode(
        evil, stranger[other], algorithm=other, headers={**head, "alg": other}
    )


def new_keys():
    return {
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
    }


def main():
    asked = json.load(sys.stdin)
    issuer, audience, jwks = asked["issuer"], asked["audience"], asked["jwks"]
    stranger = new_keys()
    answer = {"verified": [], "keys": [], "accepted": [], "forged": []}

    for token in asked["tokens"]:
        answer["verified"].append(verified(token, jwks, issuer, audience))
        kid = jwt.get_unverified_header(token)["kid"]
        jwk = next(key for key in jwks["keys"] if key["kid"] == kid)
        answer["forged"] += forgeries(token, jwk, stranger)

    # As the old service calls it, to the letter.
    token, secret = asked["compatibility_token"], asked["compatibility_secret"]
    answer["compatibility"] = jwt.decode(token, secret, algorithms=["HS256"])

    for alg, key in new_keys().items():
        jwk = jwt.get_algorithm_by_name(alg).to_jwk(key.public_key(), as_dict=True)
        jwk = {name: jwk[name] for name in ("kty", "crv", "x", "y") if name in jwk}
        jwk["kid"] = f"pyjwt-{alg}"
        now = int(time.time())
        claims = {
            "iss": issuer, "aud": audience, "sub": str(uuid.uuid4()),
            "iat": now, "nbf": now, "exp": now + 300, "jti": uuid.uuid4().hex,
            "email": "bob@example.com", "name": "Bob", "cv": 2, "sid": str(uuid.uuid4()),
        }  # fmt: skip
        headers = {"typ": "at+jwt", "kid": jwk["kid"]}
        token = jwt.encode(claims, key, algorithm=alg, headers=headers)
        answer["keys"].append(jwk)
        answer["accepted"].append(token)
        answer["forged"] += forgeries(token, jwk, stranger)
        for name in claims:
            fewer = {claim: value for claim, value in claims.items() if claim != name}
            answer["forged"].append(
                (f"no {name}", jwt.encode(fewer, key, algorithm=alg, headers=headers))
            )
        for typ in ["JWT", "application/at+jwt", "AT+JWT"]:
            other = jwt.encode(claims, key, algorithm=alg, headers={**headers, "typ": typ})
            answer["forged"].append((f"typ {typ}", other))
        late = {**claims, "iat": now - 600, "nbf": now - 600, "exp": now - 1}
        early = {**claims, "iat": now + 300, "nbf": now + 300, "exp": now + 600}
        several = {**claims, "aud": [audience]}
        for name, wrong in [("late", late), ("early", early), ("aud in an array", several)]:
            answer["forged"].append((name, jwt.encode(wrong, key, algorithm=alg, headers=headers)))

    json.dump(answer, sys.stdout)


main()
