"""Watches every page that a browser test opens; nothing may go wrong unseen."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Page, Request, Response

# Runs in each page before the page's own scripts; what it finds it says on the console.
SENTRY = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
addEventListener("load", () => requestAnimationFrame(() => {
  const page = document.documentElement;
  if (page.scrollWidth <= page.clientWidth) return;
  const wide = [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > page.clientWidth + 1)
    .map((one) => `${one.tagName}.${one.className}`);
  console.error(`too wide: ${page.scrollWidth} > ${page.clientWidth}: ${wide.slice(0, 8).join(" ")}`);
}));
"""
# The browser says so of each 4xx page; `Watch.response` judges those better.
REFUSED_PAGE = "Failed to load resource: the server responded with a status of 4"


class Watch:
    """What went wrong in the pages of one browser context: script, CSP, server, requests to others, width."""

    def __init__(self, context: BrowserContext, home: str, *, awaits_conflict: bool = False) -> None:
        self.home = home
        self.awaits_conflict = awaits_conflict
        self.conflicts: list[str] = []
        self.problems: list[str] = []
        self.visited: list[str] = []
        context.add_init_script(SENTRY)
        context.on("console", self.console)
        context.on("weberror", lambda raised: self.note(raised.page, raised.error))
        context.on("request", self.request)
        context.on("response", self.response)

    def note(self, page: Page | None, problem: str | Error) -> None:
        self.problems.append(f"{page.url if page else '?'}: {problem}")

    def console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(REFUSED_PAGE):
            self.note(message.page, f"{message.type}: {message.text}")

    def request(self, request: Request) -> None:
        if not request.url.startswith((self.home, "data:", "blob:", "about:")):
            self.problems.append(f"asked somebody else: {request.url}")

    def response(self, response: Response) -> None:
        is_page = response.request.is_navigation_request()
        if is_page:
            self.visited.append(response.url)
        if response.status == 409 and response.request.resource_type == "fetch" and self.awaits_conflict:
            self.conflicts.append(response.url)  # another was faster, and the test has arranged it
        elif response.status >= (500 if is_page else 400):
            self.problems.append(f"{response.status} for {response.request.method} {response.url}")
