"""Golden payloads: what a vendor sends, and every event that must come of it; a file of cases for each source.

`golden/SOURCE/NAME.json` holds one case or a list of them:

    {"case": "what is special", "form": "hook", "account": {"queues": {"7": "billing"}, "bots": ["9"]},
     "headers": {}, "query": {}, "line": 0, "body": {…}  (or "text": "raw text", or "file": "name beside this one"),
     "answers": [{"path": "/tickets/1", "query": [["include", "x"]], "json": {…}}],
     "events": [{…}]  |  "states": [{…}]  |  "nothing": "part of the reason"  |  "unmappable": "field"
     |  "requests": ["/tickets/1"]}

An event of a case has all its fields but `source`, and `contact_id` without `source:account:` in front as `contact`.
"""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from pydantic import SecretStr

from schemas.configuration.mapping_file import MappingFile
from streams.sources.adapter import AccountRules, Payload, Request

FOLDER: Final = Path(__file__).parent / "golden"
ACCOUNT: Final = "acme"
RECEIVED_AT: Final = 1_772_352_000_000


class GoldenCase(NamedTuple):
    """A payload with what must come of it."""

    source: str
    name: str
    form: str
    payload: Payload
    account: AccountRules
    answers: dict[Request, Any]
    wanted: dict[str, Any]


def golden_cases() -> list[GoldenCase]:
    """Read all cases."""
    found = []
    for path in sorted(FOLDER.glob("*/*.json")):
        if path.name.startswith("body-"):
            continue
        given = json.loads(path.read_text(encoding="utf-8"))
        for number, case in enumerate(given if isinstance(given, list) else [given]):
            found.append(_case(path, number, case))
    return found


def _case(path: Path, number: int, case: dict[str, Any]) -> GoldenCase:
    source = path.parent.name
    if "file" in case:
        body = (path.parent / case["file"]).read_bytes()
    else:
        body = case["text"].encode() if "text" in case else orjson.dumps(case["body"])
    headers = {name.lower(): value for name, value in case.get("headers", {}).items()}
    return GoldenCase(
        source,
        f"{source}-{path.stem}-{number}-{case['case']}",
        case.get("form", "hook"),
        Payload(body, headers, case.get("query", {}), received_at=RECEIVED_AT, line=case.get("line", 0)),
        account_rules(source, case.get("account", {})),
        {_request(each): each["json"] for each in case.get("answers", [])},
        case,
    )


def _request(given: dict[str, Any]) -> Request:
    query = tuple((name, value) for name, value in given.get("query", []))
    return Request(given["path"], query, given.get("base", ""), given.get("lasting", False))


def account_rules(source: str, given: dict[str, Any]) -> AccountRules:
    """Make the rules of an account from a case's."""
    known = dict(given)
    for key in ("bots", "former_agents", "left_out", "agent_domains", "mailboxes"):
        known[key] = frozenset(known.get(key, ()))
    if "time_zone" in known:
        known["time_zone"] = ZoneInfo(known["time_zone"])
    if "mapping" in known:
        known["mapping"] = MappingFile.model_validate(known["mapping"])
    known["pseudonym_key"] = SecretStr(known.get("pseudonym_key", "k" * 32))
    return AccountRules(source, ACCOUNT, **known)
