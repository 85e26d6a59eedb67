"""What stands in README.md and the other pages: code blocks, commands in running text, links, headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
OTHERS = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")

_BLOCK = re.compile(r"^```(\w*) ?(.*)\n((?:.*\n)*?)^```$", re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PYTHON = re.compile(r"^(?:\.venv/bin/)?python\b")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, its language, whether it is only an illustration, and what it says."""

    page: str
    language: str
    tag: str
    text: str

    @property
    def first(self) -> str:
        return self.text.partition("\n")[0]

    def commands(self) -> Iterator[list[str]]:
        """The block's lines as words, without comments, python by its short name."""
        for line in self.text.replace("\\\n", " ").splitlines():
            if words := shlex.split(_PYTHON.sub("python", line), comments=True):
                yield words


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    return [Block(page, *found) for found in _BLOCK.findall(text(page))]


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return _BLOCK.sub("", text(page))


def inline(page: str) -> list[list[str]]:
    """The commands in a page's running text, as words."""
    spans = (_PYTHON.sub("python", " ".join(span.split())) for span in _INLINE.findall(prose(page)))
    return [words for span in spans if (words := span.split())[:1] and words[0] in ("python", "make")]


def links(page: str) -> list[str]:
    return [link for link in _LINK.findall(prose(page)) if not re.match(r"\w+:", link)]


def anchors(page: str) -> set[str]:
    """The headings of a page as GitHub's addresses: small letters, no punctuation, a hyphen for each space."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
