"""Reads the fields of answers with http-sfv, as the types that their specifications give them."""

import datetime
import email.utils
import http.client
import json
import sys
import time

import http_sfv

HOST, PORT = sys.argv[1].rsplit(":", 1)


def ask(path, headers={}):
    connection = http.client.HTTPConnection(HOST, int(PORT), timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.body = answer.read()
    return answer


def parse(kind, answer, name):
    """All lines of a field as one structured field; it must be there."""
    lines = answer.headers.get_all(name)
    assert lines, (name, answer.headers.as_string())
    found = kind()
    found.parse(", ".join(lines).encode())
    return found


def items(answer, name):
    """A List of Strings with parameters that are Integers."""
    found = [(item.value, dict(item.params)) for item in parse(http_sfv.List, answer, name)]
    for value, parameters in found:
        assert type(value) is str, value
        assert all(type(number) is int and number >= 0 for number in parameters.values()), parameters
    return found


# RateLimit and RateLimit-Policy: a route's limit, the tier's, and the day's.
KEY = {"X-Api-Key": "k-alice"}
for left in (1, 0):
    answer = ask("/limited", KEY)
    assert answer.status == 200, answer.status
    policies, limits = items(answer, "RateLimit-Policy"), items(answer, "RateLimit")
    assert policies == [("route", {"q": 2, "w": 60}), ("gold", {"q": 50, "w": 3600}),
                        ("daily", {"q": 100, "w": 86400})], policies
    assert [name for name, _ in limits] == ["route", "gold", "daily"], limits
    assert all(set(parameters) == {"r", "t"} for _, parameters in limits), limits
    assert [parameters["r"] for _, parameters in limits] == [left, 48 + left, 98 + left], limits
    assert limits[0][1]["t"] <= 60 and limits[2][1]["t"] <= 86400, limits
answer = ask("/limited", KEY)
assert answer.status == 429, answer.status
(name, parameters), = items(answer, "RateLimit")
assert (name, parameters["r"]) == ("route", 0) and 0 < parameters["t"] <= 60, parameters
assert items(answer, "RateLimit-Policy") == [("route", {"q": 2, "w": 60})]
assert int(answer.headers["Retry-After"]) >= parameters["t"], answer.headers.as_string()
problem = json.loads(answer.body)
assert answer.headers["Content-Type"] == "application/problem+json"
assert problem["type"].endswith("#quota-exceeded") and problem["violated-policies"] == ["route"], problem


# Cache-Status (RFC 9211): a List of the caches on the way, each a Token or a String.
def caches(answer):
    return [(item.value, dict(item.params)) for item in parse(http_sfv.List, answer, "Cache-Status")]


assert ask("/cached").headers["Cache-Status"] is None
answer = ask("/cached")
(cache, parameters), = caches(answer)
assert type(cache) is http_sfv.Token and str(cache) == "quarterdeck", cache
assert parameters == {"hit": True}, parameters
assert int(answer.headers["Age"]) < 60, answer.headers.as_string()
# What a cache behind this one said of itself stands before it.
ask("/behind-a-cache")
theirs, (cache, parameters) = caches(ask("/behind-a-cache"))
assert theirs == ("a cache of theirs", {"hit": True, "ttl": 30}), theirs
assert (str(cache), parameters) == ("quarterdeck", {"hit": True}), cache
# Passed on, because what is here is past its time; given all the same, because the service fails.
assert ask("/once").status == 200
time.sleep(1.1)
answer = ask("/once")
assert answer.status == 200, answer.status
(cache, parameters), = caches(answer)
assert str(cache) == "quarterdeck" and type(parameters["fwd"]) is http_sfv.Token, parameters
assert {name: str(value) for name, value in parameters.items()} == {"fwd": "stale"}, parameters

# Deprecation (RFC 9745): an Item that is a Date. Sunset (RFC 8594) is older: an HTTP-date. Link is no structured field.
answer = ask("/api/v1/orders")
assert answer.status == 200, answer.status
deprecated = parse(http_sfv.Item, answer, "Deprecation")
assert type(deprecated.value) is datetime.datetime and not deprecated.params, deprecated
moment = deprecated.value.replace(tzinfo=deprecated.value.tzinfo or datetime.timezone.utc)
assert moment == datetime.datetime(2026, 6, 30, 23, 59, 59, tzinfo=datetime.timezone.utc), moment
ends = email.utils.parsedate_to_datetime(answer.headers["Sunset"])
assert ends == datetime.datetime(2036, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc), ends
assert answer.headers.get_all("Link") == [
    '<https://example.com/moving>; rel="deprecation"', '<https://example.com/moving>; rel="sunset"',
    '</api/v2>; rel="successor-version"'], answer.headers.as_string()
answer = ask("/api/v2/orders")
assert answer.status == 200 and not {"Deprecation", "Sunset", "Link"} & set(answer.headers), answer.headers
print("OK")
