"""What schemathesis cannot know: passwords and names that a policy takes, and how to log in. Of the sign-ups that it
makes up, some become good ones, so that it gets to what comes after a sign-up; and who calls with a token is somebody
whose account and session are still there."""

import itertools
import os
import re

import requests
import schemathesis

PASSWORD = "a staple for the battery"
numbers = itertools.count()


@schemathesis.hook
def map_body(context, body):
    number = next(numbers)
    if context.operation.label == "POST /auth/register" and number % 2 and is_described(body):
        return {"email": f"ann{number}@example.com", "password": PASSWORD, "name": "Ann"}
    return body


def is_described(body):
    """Whether it fits the schema: what breaks it on purpose must stay broken."""
    return (
        isinstance(body, dict)
        and sorted(body) == ["email", "name", "password"]
        and all(isinstance(value, str) and value for value in body.values())
        and re.fullmatch(r"[a-z0-9]+@[a-z0-9.]+\.[a-z]+", body["email"]) is not None
    )


@schemathesis.auth(refresh_interval=1)
class Owner:
    """Anew each second, since the calls that are tried end sessions and delete accounts."""

    def get(self, case, context):
        owner = {"email": f"owner{next(numbers)}@example.com", "password": PASSWORD}
        post("register", {**owner, "name": "Owner"})
        return post("login", owner)["access_token"]

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


def post(call, body):
    answer = requests.post(f"{os.environ['SERVER']}/auth/{call}", json=body, timeout=30)
    answer.raise_for_status()
    return answer.json()
