"""The words of the templates: `python -m tests.catalogue` writes locale/documents.pot anew."""

from __future__ import annotations

from io import BytesIO

from babel.messages import Catalog
from babel.messages.pofile import write_po
from jinja2.ext import babel_extract

from api.pdf.frames import TEMPLATES
from models.invoices.snapshot import DEPOSIT
from schema.core.texts import CATALOGUES

POT = TEMPLATES / "locale" / "documents.pot"
HEADER = """\
# Words of the documents. A language is added by copying this to <language>/documents.po and filling
# it in; nothing else knows which languages there are."""
#: Said by code, not by a template; the labels of registration numbers are the provider's own words.
BESIDE = (
    (DEPOSIT, None),
    ("Page {page} of {pages}", None),
    ("Registration no.", None),
    *((CATALOGUES["en"][key], None) for key in CATALOGUES["en"] if key.startswith("gateway.")),
)


def extracted() -> Catalog:
    """Every word, in the order of the templates."""
    catalogue = Catalog(header_comment=HEADER, project="Account Credit", version="1")
    for name in ("layout", "parts", "invoice", "receipt", "void", "statement"):
        with (TEMPLATES / f"{name}.html").open("rb") as template:
            for _, function, said, _ in babel_extract(template, KEYWORDS, [], {}):
                _add(catalogue, function, said)
    with (TEMPLATES / "factur-x.xml").open("rb") as template:
        for _, function, said, _ in babel_extract(template, KEYWORDS, [], {}):
            _add(catalogue, function, said)
    for text, context in BESIDE:
        catalogue.add(text, context=context)
    return catalogue


KEYWORDS = ("_", "gettext", "pgettext")


def _add(catalogue: Catalog, function: str, said: str | tuple[str | None, ...] | None) -> None:
    words = [word for word in (said if isinstance(said, tuple) else (said,)) if word]
    if function == "pgettext" and len(words) > 1:
        catalogue.add(words[1], context=words[0])
    elif words:
        catalogue.add(words[0])


def text() -> str:
    """The file's contents, without the moment that it was made at."""
    written = BytesIO()
    write_po(written, extracted(), width=100, omit_header=True)
    return f"{HEADER}\n{written.getvalue().decode()}"


if __name__ == "__main__":
    POT.write_text(text(), encoding="utf-8")
