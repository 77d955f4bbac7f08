"""The process that renders: `python -m api.pdf.printer`. The only one that imports WeasyPrint.

It reads frames from standard input and answers on standard output (see `api.pdf.frames`). It ends
when its input does, which is also when the server has been killed, and when one document takes
longer than the alarm that it sets itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import sys
from contextlib import redirect_stdout
from datetime import datetime
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, BinaryIO, Final

from api.pdf import fonts
from api.pdf.frames import FAILED, HEAD, MISSING, PDF, READY, SECONDS, UNAVAILABLE, frame
from api.pdf.html import html_of, xml_of
from api.pdf.xmp import added_metadata

NICENESS: Final = 5
#: Its first page costs a process twice as much as later ones; clients need not wait for that.
WARM_UP: Final = "<p>Invoice <b>請求書"
#: Archival (ISO 19005-3) and tagged (ISO 14289-1), so that it can be read aloud and decades from
#: now.
VARIANT: Final = "pdf/a-3a"
#: All that a page may name: the logo and the QR code, which it carries itself.
PICTURES: Final = ("data:image/png;base64,", "data:image/svg+xml;")


class Printer:
    """WeasyPrint with the style sheet parsed and the fonts found, once a process."""

    def __init__(self, templates: Path) -> None:
        """Raises OSError where Pango's libraries are missing."""
        # Not at the top: it loads Pango, and that may be missing. Then it also prints an essay.
        with fonts.configuration(templates) as file, redirect_stdout(StringIO()):
            os.environ["FONTCONFIG_FILE"] = file
            import weasyprint  # noqa: PLC0415
            from weasyprint.text.fonts import FontConfiguration  # noqa: PLC0415
            from weasyprint.urls import FatalURLFetchingError, URLFetcher  # noqa: PLC0415

            self.fonts = FontConfiguration()
            self.shown = fonts.Shown(templates)

        class NoFetcher(URLFetcher):  # type: ignore[misc]
            """Refuses everything: a page is handed all that it needs."""

            def fetch(self, url: str, headers: object = None) -> object:
                if url.startswith(PICTURES):
                    return super().fetch(url, headers)
                raise FatalURLFetchingError(f"a document may not fetch anything: {url[:80]!r}")

        self.refused: type[BaseException] = FatalURLFetchingError
        self.weasyprint = weasyprint
        self.fetcher = NoFetcher()
        self.style = weasyprint.CSS(
            string=(templates / "document.css").read_text("utf-8"),
            font_config=self.fonts,
            url_fetcher=self.fetcher,
        )

    def pdf(self, html: str, xml: bytes | None = None, at: datetime | None = None) -> bytes:
        """The same bytes for the same HTML, and for the structured invoice in it, dated `at`.

        Raises ValueError for a page that wants to fetch.
        """
        html = self.shown.text(html)
        page = self.weasyprint.HTML(string=html, base_url="about:blank", url_fetcher=self.fetcher)
        options = self.weasyprint.DEFAULT_OPTIONS | {
            "pdf_identifier": hashlib.sha256(html.encode() + (xml or b"")).digest()[:16],
            "pdf_variant": VARIANT,
            "attachments": [self._attachment(xml, at)] if xml else None,
            "stylesheets": [self.style],
        }
        try:
            document = page.render(font_config=self.fonts, **options)
            document.metadata.generate_rdf_metadata = partial(
                _described, document.metadata.generate_rdf_metadata, e_invoice=bool(xml)
            )
            written: bytes = document.write_pdf(finisher=_finish, **options)
        except self.refused as refusal:  # a BaseException, which would end the process
            raise ValueError(str(refusal)) from refusal
        return written

    def _attachment(self, xml: bytes, at: datetime | None) -> object:
        return self.weasyprint.Attachment(
            string=xml,
            name="factur-x.xml",
            description="Factur-X EN 16931",
            relationship="Alternative",
            created=at,
            modified=at,
        )


def _finish(_document: object, pdf: Any) -> None:  # noqa: ANN401 - WeasyPrint's
    """WeasyPrint lists each associated file twice."""
    if "AF" in pdf.catalog:
        pdf.catalog["AF"][:] = dict.fromkeys(pdf.catalog["AF"])


def _described(generate: Any, *args: Any, e_invoice: bool) -> bytes:  # noqa: ANN401 - WeasyPrint's
    """The metadata with ours in the same `rdf:RDF`: a second one would be no PDF/A."""
    written: bytes = generate(*args)
    return written.replace(b"</rdf:RDF>", added_metadata(e_invoice=e_invoice) + b"</rdf:RDF>")


def answer(printer: Printer, templates: Path, request: bytes) -> tuple[bytes, bytes]:
    """The frame that answers one document: the PDF, or what went wrong in one line."""
    try:
        document: dict[str, Any] = json.loads(request)
        html, xml = html_of(document, templates), xml_of(document, templates)
        return PDF, printer.pdf(html, xml, datetime.fromisoformat(document["created"]))
    except MemoryError:
        # What is left of the process is not to be trusted.
        raise SystemExit("A document exceeded the memory limit.") from None
    except Exception as error:  # noqa: BLE001 - whatever it is, the server must hear of it
        return FAILED, f"{type(error).__name__}: {error}"[:500].encode("utf-8", "replace")


def read_frame(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """The next frame; None at the end of the stream."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    what, length = HEAD.unpack(head)
    return what, stream.read(length)


def tell(stream: BinaryIO, what: bytes, body: bytes = b"") -> None:
    """Writes one frame, at once."""
    stream.write(frame(what, body))
    stream.flush()


def limit(memory_bytes: int) -> None:
    """Less important than the server, no core dumps, and no more memory than that."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere the kernel knows the limit and refuses to set it
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def main(memory_bytes: int, templates: Path) -> None:
    """Renders what comes in until nothing does."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between two frames
    limit(memory_bytes)
    # Where the server was killed there is nobody to tell: the process ends, without a traceback.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        printer = Printer(templates)
    except OSError:
        return tell(answers, UNAVAILABLE, MISSING.encode())
    printer.pdf(WARM_UP)
    tell(answers, READY)
    while asked := read_frame(requests):
        (seconds,) = SECONDS.unpack_from(asked[1])
        signal.alarm(seconds)  # nobody handles it: the process ends
        tell(answers, *answer(printer, templates, asked[1][SECONDS.size :]))
        signal.alarm(0)
    return None


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
