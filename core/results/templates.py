"""HTML by Jinja2 templates. What is given is escaped unless it came from a template, and what a template asks for and
does not get is an error.

A template stands beside the module that fills it, as `NAME.html.jinja`, and is named by its path within the folder.
Attributes are quoted, always: only then is what is escaped safe in one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

Render = Callable[..., Markup]


def renderer(folder: Path) -> Render:
    """A function `render(name, **values)` over the templates of a folder; each is compiled once.

    It returns Markup, which another template takes as it is. Raises jinja2's errors: TemplateNotFound for a name that
    is not in the folder, UndefinedError for a value that was not given.
    """
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def render(name: str, /, **values: object) -> Markup:
        return Markup(environment.get_template(name).render(values))  # the one place where text is called markup

    return render


render = renderer(Path(__file__).parent)
