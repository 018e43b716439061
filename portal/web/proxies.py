"""The portal's own proxies, and the network address from which a request really comes."""

from __future__ import annotations

import os
from ipaddress import IPv6Address, ip_address, ip_network

from flask import Flask, current_app, request
from werkzeug.middleware.proxy_fix import ProxyFix

FORWARDED = "X-Forwarded-For"
# Whoever has one IPv6 address has all addresses of its network.
IPV6_NETWORK = 64


def init_app(app: Flask) -> None:
    """Trust the proxies that the settings name; warn where production names none.

    The proxy passes the browser's `Host` on. `X-Forwarded-Host` is never trusted: visitors can set it.
    """
    if hops := app.config["PROXY_HOPS"]:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    elif app.config["SESSION_COOKIE_SECURE"] and not is_command():
        app.logger.warning(
            "PROXY_HOPS is not set: behind a proxy all visitors share its address, and failed sign-ins cannot be"
            " counted by address. Set PROXY_HOPS=1 where nginx stands in front (docs/operations.md)."
        )


def is_command() -> bool:
    """Whether a `flask` command runs, as cron does every hour: it has no visitors."""
    return os.environ.get("FLASK_RUN_FROM_CLI") == "true"


def source() -> str:
    """The network address of the visitor; empty when it may be that of a proxy shared by many."""
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    told = len([part for part in request.headers.get(FORWARDED, "").split(",") if part.strip()])
    hops = current_app.config["PROXY_HOPS"]
    if not (told >= hops if hops else address.is_global):
        return ""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_NETWORK), strict=False))
    return str(address)
