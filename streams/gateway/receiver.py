"""Receives one hook: checks who sent it, maps it, has Kafka store its events, and only then answers.

Cheap checks come first. A hook that is answered with 2xx is in Kafka, as events or as a dead letter, or has nothing to
count. If it could not be stored, the answer is 503, so that the vendor sends it again. No answer and no log has
anything that somebody wrote, a signature or a secret.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import aiohttp
from aiohttp import web

from schemas import metric_definitions as declared
from schemas.settings import Settings
from streams.gateway.bodies import Bodies, Body, BodyRefusedError
from streams.gateway.captured import Captured
from streams.gateway.counts import AccountCounts, Outcome
from streams.gateway.hook_accounts import HookAccount
from streams.gateway.mapping import MappedHook, map_hook
from streams.gateway.records import NotTakenError, RecordRefusedError
from streams.gateway.writes import AcknowledgedWrites
from streams.monitoring.peers import Caller, TrustedProxies
from streams.monitoring.prometheus import histogram
from streams.monitoring.rate_limits import RateLimit
from streams.sources.accounts import AccountKey, FaultyAccount
from streams.sources.adapter import Payload, UnmappableError
from streams.sources.answered_mapping import NotFetchedError
from streams.sources.fetching import Fetcher
from streams.sources.vendor_connection import VendorAwayError
from streams.times import now_ms

#: The gateway answers so long before the vendor stops waiting, for the answer to arrive; at most a fifth of that wait.
MARGIN_S: Final = 1.0
_MARGIN_SHARE: Final = 0.2
#: The share of the time that the vendor's API may take; the rest is for writing to Kafka, dead letters included.
_FETCH_SHARE: Final = 0.8
#: When a vendor may try again, in seconds: Zendesk does so only below a minute.
RETRY_AFTER_S: Final = 5
_RETRY_AT_MOST_S: Final = 50

UNSIGNED: Final = "the signature is not accepted\n"

_LOG: Final = logging.getLogger(__name__)


class _AccountState:
    """What is kept of an account as long as `sources.toml` has it, even if its entry changes."""

    def __init__(self, of: HookAccount, session: aiohttp.ClientSession, counts: AccountCounts) -> None:
        self.counts = counts
        self.captured = Captured(of.adapter)
        self.use(of, session)

    def use(self, of: HookAccount, session: aiohttp.ClientSession) -> None:
        """Go on with a changed entry."""
        self.of = of
        self.fetcher = Fetcher(of.account, session)


class Receiver:
    """Receives the hooks of all accounts."""

    def __init__(
        self,
        settings: Settings,
        accounts: Callable[[], Mapping[AccountKey, HookAccount]],
        writes: AcknowledgedWrites,
        session: aiohttp.ClientSession,
        faulty: Callable[[], Sequence[FaultyAccount]] = tuple,
    ) -> None:
        """`accounts` returns the accounts in force, `faulty` the other entries; `session` asks vendors' APIs."""
        self._accounts = accounts
        self._faulty = faulty
        self._writes = writes
        self._session = session
        self.bodies = Bodies(settings.gateway_body_bytes)
        self._proxies = TrustedProxies(settings.wallboard_proxy_from)
        self._of_account = RateLimit(settings.gateway_requests_per_second, settings.gateway_request_burst)
        self._of_address = RateLimit(
            settings.gateway_address_requests_per_second, settings.gateway_address_request_burst
        )
        self._states: dict[AccountKey, _AccountState] = {}
        #: Counts of accounts that are faulty now.
        self._faulty_counts: dict[AccountKey, AccountCounts] = {}
        #: Hooks for accounts that do not exist.
        self.unknown = 0
        self.latency = histogram(declared.GATEWAY_ANSWER)
        self.take_over()

    def take_over(self) -> None:
        """Use the accounts that are in force now."""
        accounts = self._accounts()
        faulty = {
            (each.source, each.name): AccountCounts()
            for each in self._faulty()
            if each.source is not None and each.name is not None
        }
        faulty |= {name: counts for name, counts in self._faulty_counts.items() if name in faulty}
        for name in self._states.keys() - accounts.keys():
            del self._states[name]
        for name, of in accounts.items():
            if name not in self._states:
                counts = self._faulty_counts.get(name) or AccountCounts()
                self._states[name] = _AccountState(of, self._session, counts)
            elif self._states[name].of != of:
                self._states[name].use(of, self._session)
        self._faulty_counts = {name: counts for name, counts in faulty.items() if name not in self._states}

    @property
    def counts(self) -> dict[AccountKey, AccountCounts]:
        """What is counted of each account."""
        return {**self._faulty_counts, **{name: state.counts for name, state in self._states.items()}}

    def limit(self, request: web.Request) -> web.Response | None:
        """Count a request of an address; returns the refusal where there are too many."""
        wait_s = self._of_address.take(self._proxies.caller(request).address)
        return _too_many(wait_s) if wait_s else None

    def state_of(self, request: web.Request) -> tuple[HookAccount, Captured] | None:
        """Find the account that an address names; None where there is none that takes hooks."""
        state = self._states.get(_named(request))
        return None if state is None else (state.of, state.captured)

    def refusal(self, request: web.Request) -> web.Response | None:
        """Return the refusal of a request whose address names no account in force; None if it names one.

        A hook that may be for a faulty entry gets 503, so that its vendor sends it again after the entry is corrected.
        """
        name = _named(request)
        if name in self._states:
            return None
        if any(each.may_be(*name) for each in self._faulty()):
            return _unavailable("this account cannot be served now", _RETRY_AT_MOST_S)
        return web.Response(status=404, text="there is no such account, or it takes no hooks\n")

    async def hook(self, request: web.Request) -> web.Response:
        """Receive a hook."""
        begun = time.monotonic()
        if (refused := self.refusal(request)) is not None:
            if (counts := self._faulty_counts.get(_named(request))) is not None:
                counts.hooks["unavailable"] += 1
            else:
                self.unknown += 1
            return refused
        state = self._states[_named(request)]
        try:
            caller = self._proxies.caller(request)
            with self.bodies.place(request, caller.address) as place:
                outcome, response = await self._received(request, state, caller, place, begun)
        except BodyRefusedError as error:
            outcome, response = "body_refused", web.Response(status=error.status, text=f"{error}\n")
            if error.status == web.HTTPServiceUnavailable.status_code:
                outcome, response = "unavailable", _unavailable(str(error))
        state.counts.hooks[outcome] += 1
        if outcome in {"stored", "dead_letter"}:
            self.latency.observe(time.monotonic() - begun)
        return response

    async def _received(
        self, request: web.Request, state: _AccountState, caller: Caller, place: Body, begun: float
    ) -> tuple[Outcome, web.Response]:
        of = state.of
        if wait_s := self._of_address.take(caller.address):
            return "limited", _too_many(wait_s)
        deadline = begun + of.hook.timeout_s - min(MARGIN_S, of.hook.timeout_s * _MARGIN_SHARE)
        body = await place.read()
        # Nothing is awaited from here to the signature: a stranger's hook takes nothing of the account's allowance.
        if wait_s := self._of_account.take(of.path):
            return "limited", _too_many(wait_s)
        payload = _payload(request, of, body, caller)
        if (fault := of.hook.signature.fault(payload, of.account.secrets, payload.received_at)) is not None:
            self._of_account.give_back(of.path)
            _note_fault(state, fault)
            return "unsigned", web.Response(status=401, text=UNSIGNED)
        # A vendor sends hooks of all its customers from a few addresses: a signed one is counted by its account alone.
        self._of_address.give_back(caller.address)
        state.counts.last_payload_at = payload.received_at
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                fetch_within_s = (deadline - time.monotonic()) * _FETCH_SHARE
                mapped = await map_hook(of, payload, state.fetcher, fetch_within_s)
                state.captured.note(payload, mapped)
                if mapped.records:
                    await self._writes.write(mapped.records)
        except TimeoutError:
            return "unavailable", _unavailable("this could not be stored in time")
        except (NotTakenError, RecordRefusedError):
            return "unavailable", _unavailable("this cannot be stored now")
        except VendorAwayError as error:
            if state.counts.is_due("unavailable", time.monotonic()):
                _LOG.warning("%s: a hook is answered with 503: %s", of.path, error)
            return "unavailable", _unavailable(
                "the hook needs the vendor's API, which does not answer now", error.after_s or RETRY_AFTER_S
            )
        if mapped.refusal is not None:
            _note_refusal(state, mapped.refusal)
        return _outcome(mapped), web.Response(status=of.hook.status)


def _named(request: web.Request) -> AccountKey:
    return request.match_info["source"], request.match_info["account"]


def _payload(request: web.Request, of: HookAccount, body: bytes, caller: Caller) -> Payload:
    return Payload(
        body,
        {name.lower(): value for name, value in request.headers.items()},
        dict(request.query),
        _url(request, of, caller),
        now_ms(),
    )


def _url(request: web.Request, of: HookAccount, caller: Caller) -> str:
    """Write the address that the vendor called: by `public_url`, or as this request came."""
    if of.account.entry.public_url:
        return f"{of.account.entry.public_url}{request.raw_path}"
    return f"{'https' if caller.https else request.scheme}://{request.headers.get('Host', '')}{request.raw_path}"


def _outcome(mapped: MappedHook) -> Outcome:
    if mapped.refusal is not None:
        return "dead_letter"
    return "stored" if mapped.records else "nothing"


def _note_fault(state: _AccountState, fault: str) -> None:
    """Log a fault of a signature, which repeats nothing that was sent."""
    if state.counts.is_due("unsigned", time.monotonic()):
        _LOG.warning("%s: a hook is refused: %s", state.of.path, fault)


def _note_refusal(state: _AccountState, refusal: UnmappableError) -> None:
    """Log that a payload is a dead letter, and why by its field alone: the reason may repeat what somebody wrote."""
    if state.counts.is_due("dead_letter", time.monotonic()):
        about = f" because of its field {refusal.field}" if refusal.field else " because of its form"
        if isinstance(refusal, NotFetchedError):
            about = f", as the vendor's API answers {refusal.status}"
        _LOG.warning("%s: a payload cannot be mapped%s: see the dead letters", state.of.path, about)


def _too_many(wait_s: float) -> web.Response:
    headers = {"Retry-After": str(min(_RETRY_AT_MOST_S, math.ceil(wait_s)))}
    return web.Response(status=429, text="too many requests\n", headers=headers)


def _unavailable(problem: str, after_s: float = RETRY_AFTER_S) -> web.Response:
    headers = {"Retry-After": str(min(_RETRY_AT_MOST_S, max(1, math.ceil(after_s))))}
    return web.Response(status=503, text=f"{problem}: send it again\n", headers=headers)
