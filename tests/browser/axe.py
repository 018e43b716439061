"""The accessibility check: axe-core on the page as it is shown."""

from pathlib import Path

from playwright.sync_api import Page

SOURCE = (Path(__file__).parent / "vendor" / "axe" / "axe.min.js").read_text()
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
RUN = """
async (tags) => {
  const found = await axe.run(document, {runOnly: {type: "tag", values: tags}, resultTypes: ["violations"]});
  return found.violations.map((one) => `${one.id} (${one.help}): ` + one.nodes.slice(0, 3).map((node) =>
    `${node.target} ${node.failureSummary.split("\\n").slice(1).map((line) => line.trim()).join(" ")}`).join(" | "));
}
"""


def violations(page: Page) -> list[str]:
    """What axe finds wrong on this page, in words."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(SOURCE)
    found: list[str] = page.evaluate(RUN, TAGS)
    return found


def check(page: Page) -> None:
    assert not violations(page), "\n".join([page.url, *violations(page)])
