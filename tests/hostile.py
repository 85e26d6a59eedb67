"""Names that would be markup if anything forgot to escape them, and a page that tells whether something did."""

from __future__ import annotations

from html.parser import HTMLParser

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&amp;"


def evil(number: int) -> str:
    """One of many names that differ."""
    return f"{EVIL}{number}"


class Page(HTMLParser):
    """The tags and attributes of a page, and all that it says: texts and attributes' values, entities resolved."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.values: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            self.values.append(value or "")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def says(self, words: str) -> int:
        """How many texts and values hold these words, to the letter."""
        return sum(words in said for said in [*self.texts, *self.values])


def check(text: str) -> Page:
    """The page, in which a hostile name is a text or a value and nothing else, escaped once."""
    page = Page(text)
    assert "script" not in page.tags
    assert not any(name.startswith("on") for name in page.attributes), page.attributes
    assert "x" not in page.values, "an attribute of the name's own"
    assert text.count("alert(1)") == text.count("&gt;&lt;script&gt;alert(1)&lt;/script&gt;"), "escaped twice, or not"
    return page
