"""HTML of screens by templates that escape what they are given: `NAME.html.jinja` beside the part that fills it."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup as Markup

from core.results import templates

# render("how/table.html.jinja", caption=...): Markup. One environment for all parts; names begin at pages/parts/.
render = templates.renderer(Path(__file__).parents[1])
