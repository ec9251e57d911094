"""What every answer of the wallboard tells browsers to refuse: code, frames and readers from elsewhere.

One place for all routes, so that none is forgotten. Nothing here may be loosened for a page: what a page needs, its own
files bring.
"""

from typing import Final

#: Same-origin frames are allowed: an own page may hold several boards. Others could trick people into clicks.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_LOGIN_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_REFUSED_POWERS: Final = (
    *("accelerometer", "browsing-topics", "camera", "display-capture", "geolocation", "gyroscope", "hid"),
    *("idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "payment", "serial", "usb"),
)

_HEADERS: Final = {
    "Server": "Pulssi",  # and not of which library in which version
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        (*(f"{power}=()" for power in _REFUSED_POWERS), "fullscreen=(self)", "screen-wake-lock=(self)")
    ),
}
#: For a year, for this name alone: a name below it may have no https.
_ONLY_HTTPS: Final = "max-age=31536000"


def security_headers(path: str, *, https: bool) -> dict[str, str]:
    """Give the headers of an answer; `path` is its route's, `https` whether a trusted proxy says so."""
    login, public = path == "/login", path.startswith("/public/")
    headers = {
        **_HEADERS,
        "Content-Security-Policy": _LOGIN_POLICY if login else _POLICY,
        # With `no-referrer` a browser would send its form with the origin `null`, as it does to strangers.
        "Referrer-Policy": "same-origin" if login else "no-referrer",
        # Figures for everybody are for pages of others, too.
        "Cross-Origin-Resource-Policy": "cross-origin" if public else "same-origin",
    }
    return {**headers, "Strict-Transport-Security": _ONLY_HTTPS} if https else headers
