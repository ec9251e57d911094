"""Puzzel's API on 127.0.0.1 as its public pages show it: the log-in, the token's information, the states of queues."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

KEY: Final = "12345"
USER: Final = "pulssi"
PASSWORD: Final = "pa55-word"  # noqa: S105 - of a server in a test
USER_ID: Final = 4711
SESSION: Final = "s3ssion"

Answer = Callable[[web.Request], web.Response]


def queue(number: int, name: str, waiting: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Write the state of a queue."""
    told = {"agentsLoggedOn": 4, "agentsInPause": 1, "agentsReady": 2, "waitTimeMaxSeconds": 10 * waiting}
    today = {"callsOfferedToday": 58, "callsAnsweredToday": 54, "ciqsOfferedToday": 6, "ciqsAnsweredToday": 5}
    known = {"id": number, "description": name, "queueSize": waiting, "waitTimeAverageSeconds": 5, "sla": 92}
    return {**known, **told, **today, **fields}


class PuzzelServer:
    """The server; a test changes what it answers while it runs."""

    def __init__(self) -> None:
        self.queues: list[Any] = [queue(1, "Support", 3), queue(2, "Sales", 0)]
        #: How long a token is good, as it is told.
        self.lasts = timedelta(hours=1)
        #: Whether the session of a log-in gives another token.
        self.renews = True
        #: What a question for the states is answered with in the place of the queues, one after the other.
        self.instead: list[Answer] = []
        #: What a log-in is answered with in the place of a token.
        self.log_in_instead: Answer | None = None
        #: The paths that were asked for.
        self.asked: list[str] = []
        self.url = ""
        self._tokens: list[str] = []
        self._good = ""

    @property
    def tokens(self) -> list[str]:
        """The tokens that were given out."""
        return self._tokens

    def refuse_the_token(self) -> None:
        """Let the token that was given last be good no more."""
        self._good = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/api/Authenticate/LogIn", self._log_in)
        app.router.add_post("/api/Authenticate/GetAccessToken", self._renew)
        app.router.add_get("/ContactCentre5/accesstokeninformation", self._information)
        app.router.add_get("/ContactCentre5/{key}/visualqueues/stateinformation/All", self._states)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def entry(self) -> dict[str, str]:
        """Give the keys of an account that name this server."""
        return {
            "url": f"{self.url}/ContactCentre5",
            "login_url": f"{self.url}/api/Authenticate",
            "customer_key": KEY,
            "user": USER,
            "password_env": "PUZZEL_PASSWORD",
            "channel": "call",
            "time_zone": "Europe/Oslo",
        }

    async def _log_in(self, request: web.Request) -> web.Response:
        self.asked.append("LogIn")
        assert "Authorization" not in request.headers
        if self.log_in_instead is not None:
            return self.log_in_instead(request)
        body = await request.json()
        assert {"clientName", "clientVersion"} <= body.keys()
        if (body["customerKey"], body["userName"], body["password"]) != (KEY, USER, PASSWORD):
            return web.json_response({"message": f"wrong password {body['password']}"}, status=401)
        session = {"customerKey": KEY, "sessionId": SESSION, "expiryDate": "2026-08-12T21:26:50.51"}
        return web.json_response(
            {
                "accessToken": self._new_token(),
                "refreshToken": session,
                "languageCode": "EN",
                "twoFactorRequired": False,
                "twoFactor": None,
                "logoutFromExternalIdentityProvider": False,
            }
        )

    async def _renew(self, request: web.Request) -> web.Response:
        self.asked.append("GetAccessToken")
        body = await request.json()
        if not self.renews or body != {"customerKey": KEY, "sessionId": SESSION}:
            return web.json_response({"message": "no such session"}, status=400)
        return web.json_response(self._new_token())

    def _new_token(self) -> str:
        self._good = f"eyJt0ken{len(self._tokens)}"
        self._tokens.append(self._good)
        return self._good

    def _is_signed_in(self, request: web.Request) -> bool:
        return bool(self._good) and request.headers.get("Authorization") == f"Bearer {self._good}"

    async def _information(self, request: web.Request) -> web.Response:
        self.asked.append("information")
        if not self._is_signed_in(request):
            return web.json_response({"message": "unauthorized"}, status=401)
        ends = (datetime.now(UTC) + self.lasts).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        told = {"customerKey": KEY, "customerId": 1, "userId": USER_ID, "accessTokenExpiry": ends}
        return web.json_response({"result": told, "code": 0, "id": "1", "message": ""})

    async def _states(self, request: web.Request) -> web.Response:
        self.asked.append("states")
        if not self._is_signed_in(request):
            return web.json_response({"message": "unauthorized"}, status=401)
        assert (request.match_info["key"], request.query["userId"]) == (KEY, str(USER_ID))
        if self.instead:
            return self.instead.pop(0)(request)
        return web.json_response({"result": self.queues, "code": 0, "id": "1", "message": ""})
