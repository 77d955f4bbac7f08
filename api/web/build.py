"""Bundles the pages of this folder into api/static, with deno and nothing else.

`python api/web/build.py` builds them unless they are there already, made from these very sources;
set-up calls it each time. It exits with 1 where they cannot be built, as without a network, and
says why. `check` checks the sources' types and style in place of building; where the packages for
that cannot be had, it says so and exits with 0.

api/static then has `manifest.json`, which says what each page consists of, and files whose names
have the hash of their contents, each with a .gz beside it where that saves anything.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from pathlib import Path
from string import ascii_letters
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB = Path(__file__).parent
STATIC = WEB.parent / "static"
SCHEMA = WEB.parents[1] / "schema" / "schema.graphql"

#: Each page: the module that it starts with. Its catalogues are in `locales` beside that.
BUNDLES = {"portal": "portal/main.tsx", "graphiql": "graphiql/main.tsx"}
#: The portal's parts as elements of other pages: one script.
EMBED = "portal/embed/main.tsx"
_INTER = "node_modules/@fontsource-variable/inter/files"
FONTS = {
    f"inter-{part}.woff2": f"{_INTER}/inter-{part}-wght-normal.woff2"
    for part in ("latin", "latin-ext")
}
_COMPRESSED = {".js", ".css", ".json", ".txt"}
#: GraphiQL's style has 0.4 MB of these; the pages have fonts of their own.
_EMBEDDED_FONT = re.compile(r"@font-face\s*\{[^}]*data:[^}]*\}")
#: What many of the elements' documents have in common.
_COMMON = ("{amount currency}", "userErrors{code message field}", "(locale:$locale)")
# `const NAME = graphql(`…`, [FRAGMENTS])`, as graphql.ts puts it together.
_DOCUMENT = re.compile(r"const (\w+) = graphql\(\s*`([^`]*)`(?:,\s*\[([^\]]*)\])?,?\s*\)")


class NotBuilt(Exception):
    """The pages could not be built; the text says why."""


class NotInstalled(NotBuilt):
    """The packages that they are made of cannot be had here."""


def digest() -> str:
    """Stands for these sources: another one where any of them differs."""
    found = hashlib.sha256()
    for path in _sources():
        found.update(f"{path.relative_to(WEB)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def is_built() -> bool:
    """Whether api/static was made from these very sources."""
    try:
        built = json.loads((STATIC / "manifest.json").read_text())["sources"]
    except (OSError, ValueError, KeyError):
        return False
    return bool(built == digest())


def build() -> None:
    """Make api/static anew. Raises NotBuilt, and then leaves it as it was."""
    with tempfile.TemporaryDirectory() as folder:
        work = _workshop(Path(folder), "--prod")
        _shorten(work)
        made = Path(folder, "static")
        made.mkdir()
        fonts = {
            name: _store(made, name, (work / path).read_bytes()) for name, path in FONTS.items()
        }
        bundles = {name: _bundle(work, made, name, entry, fonts) for name, entry in BUNDLES.items()}
        bundles["embed"] = _embed(work, made)
        _store(made, "licenses.txt", _licenses(work).encode())
        manifest = {"sources": digest(), "pages": bundles, "fonts": fonts}
        (made / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1))
        shutil.rmtree(STATIC, ignore_errors=True)
        shutil.copytree(made, STATIC)


def check() -> None:
    """Check types against the exported schema, and style. Raises NotBuilt."""
    with tempfile.TemporaryDirectory() as folder:
        work = _workshop(Path(folder))
        _deno(work, "fmt", "--quiet", "--check")
        _deno(work, "lint", "--quiet")
        (work / "portal" / "generated.d.ts").write_text(_types())
        _deno(work, "check", "--quiet", *BUNDLES.values(), EMBED)


# ------------------------------------------------------------------------------- the parts


def _sources() -> list[Path]:
    """The files that the pages are made of; pictures are not."""
    kinds = {".css", ".json", ".lock", ".py", ".ts", ".tsx"}
    return sorted(path for path in WEB.rglob("*") if path.suffix in kinds and path.is_file())


def _workshop(folder: Path, *flags: str) -> Path:
    """A copy of the sources with the packages that they need: none is left in this folder."""
    work = folder / "web"
    shutil.copytree(WEB, work, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    try:
        _deno(work, "install", "--quiet", "--frozen", *flags)
    except NotBuilt as problem:
        raise NotInstalled(*problem.args) from None
    return work


def _bundle(
    work: Path, made: Path, name: str, entry: str, fonts: dict[str, str]
) -> dict[str, object]:
    """Bundle one page; what the manifest says of it."""
    script, style = _script_and_style(work, name, entry)
    style = _EMBEDDED_FONT.sub("", style)
    for font, stored in fonts.items():
        style = style.replace(f"/static/{font}", f"/static/{stored}")
    return {
        "script": _store(made, f"{name}.js", script.encode()),
        "style": _store(made, f"{name}.css", style.encode()),
        "languages": _languages(work / Path(entry).parent / "locales", made, name, None),
        "documents": _documents(work / Path(entry).parent),
    }


def _embed(work: Path, made: Path) -> dict[str, object]:
    """Bundle the elements, with what they use of the portal's style and texts."""
    script, style = _script_and_style(work, "embed", EMBED)
    style = _within(_used(style, script))
    script, names = _numbered(work, script)
    script = _named_once(_folded(_without_math(script)))
    return {
        "script": _store(made, "embed.js", script.encode()),
        "style": _store(made, "embed.css", style.encode()),
        "languages": _languages(work / "portal" / "locales", made, "embed", names),
        "documents": _documents(work / "portal"),
    }


def _script_and_style(work: Path, name: str, entry: str) -> tuple[str, str]:
    flags = ("--quiet", "--platform", "browser", "--minify", "--external", "/static/*")
    _deno(work, "bundle", *flags, "--outdir", f"out/{name}", entry)
    bundled = work / "out" / name / Path(entry).stem
    script, style = (bundled.with_suffix(f".{kind}").read_text() for kind in ("js", "css"))
    return script, style


def _used(style: str, script: str) -> str:
    """The style without the selectors of classes that the script never names."""
    words = set(re.findall(r"[\w-]+", script))

    def kept(rule: re.Match[str]) -> str:
        selectors = [
            one
            for one in re.split(r",(?![^(]*\))", rule[1])
            if set(re.findall(r"\.([a-z][\w-]*)", one)) <= words
        ]
        return f"{','.join(selectors)}{{{rule[2]}}}" if selectors else ""

    return re.sub(r"@[^{}]+\{\}", "", re.sub(r"([^{}]+)\{([^{}]*)\}", kept, style)).strip()


def _within(style: str) -> str:
    """A page's style for an element of a page whose letters and width are another's: many have a
    root of 10 pixels, and the element may be narrow where the window is wide.
    """
    style = re.sub(r"([\d.]+)rem\b", lambda size: f"{float(size[1]) * 16:g}px", style)
    return re.sub(r"@media ?\((max-width)", r"@container(\1", style)


def _numbered(work: Path, script: str) -> tuple[str, dict[str, str]]:
    """The script with numbers in place of the keys of texts, and the number of each that it names.
    Keys that are put together when it runs, and single words, stay as they are.
    """
    english = json.loads((work / "portal" / "locales" / "en.json").read_text(encoding="utf-8"))
    begun = tuple(re.findall(r"`([\w.-]+\.)\$\{", script))
    names = {key: key for key in english if f'"{key}"' in script or key.startswith(begun)}
    for number, key in enumerate(key for key in names if "." in key and f'"{key}"' in script):
        names[key] = str(number)
        script = re.sub(rf'(?<=\w)"{re.escape(key)}"', f" {number}", script)
        script = script.replace(f'"{key}"', str(number))
    return script, names


def _without_math(script: str) -> str:
    """The script without what Preact has for MathML, which no element shows."""
    space = '"http://www\\.w3\\.org/1998/Math/MathML"'
    script = re.sub(rf'\w+=="math"\?\w+={space}:', "", script)
    return re.sub(
        rf'\(\w+=="foreignObject"\|\|\w+=={space}&&\w+\.test\(\w+\)\)&&\(\w+="[^"]+"\),', "", script
    )


def _folded(script: str) -> str:
    """The script with a short variable in place of what many documents have in common."""
    free = _free_names(script)
    names = {part: next(free) for part in _COMMON}

    def folded(document: re.Match[str]) -> str:
        text = document[1]
        for part, name in names.items():
            text = text.replace(part, f"${{{name}}}")
        return document[0] if text == document[1] else f"`{text}`"

    made = ",".join(f'{name}="{part}"' for part, name in names.items())
    document = r'"((?:query|mutation|subscription|fragment) [^"\\`]+)"'
    return f"var {made};{re.sub(document, folded, script)}"


def _free_names(script: str) -> Iterator[str]:
    taken = set(re.findall(r"[\w$]+", script))
    return (name for letter in ascii_letters if (name := f"${letter}") not in taken)


def _named_once(script: str) -> str:
    """The script with a short variable in place of each value that it has so often that this makes
    it shorter: words in quotes that are no keys, and `void 0`.
    """
    value = re.compile(r'(?<=[=(,?:&|[!+>])(?:"[\w -]+"|void 0)(?=[]),;?&|}:.=!+])')

    def is_key(found: re.Match[str]) -> bool:
        return script[found.start() - 1] == "," and script[found.end()] == ":"

    counted = Counter(found[0] for found in value.finditer(script) if not is_key(found))
    free = _free_names(script)
    names: dict[str, str] = {}
    for text, times in counted.most_common():
        if times * (len(text) - 2) > len(f"$a={text},") and (name := next(free, "")):
            names[text] = name

    def named(found: re.Match[str]) -> str:
        return found[0] if is_key(found) else names.get(found[0], found[0])

    made = ",".join(f"{name}={text}" for text, name in names.items())
    return f"var {made};{value.sub(named, script)}"


def _shorten(work: Path) -> None:
    """Make the portal's bundles smaller: its documents are sent as they stand in the sources, so
    these lose their indentation; and elements are written as `h(tag, props, ...children)`, which is
    a twentieth shorter than what newer JSX becomes.
    """
    config = json.loads((work / "deno.json").read_text())
    options = {"jsx": "react", "jsxFactory": "_h", "jsxFragmentFactory": "_Fragment"}
    del config["compilerOptions"]["jsxImportSource"]
    config["compilerOptions"] |= options
    (work / "deno.json").write_text(json.dumps(config))
    for path in _modules(work / "portal"):
        text = re.sub(
            r"(\bgraphql\(\s*`)([^`]*)`",
            lambda found: f"{found[1]}{_short(found[2])}`",
            path.read_text(encoding="utf-8"),
        )
        if path.suffix == ".tsx":
            text = f'import {{ Fragment as _Fragment, h as _h }} from "preact";\n{text}'
        path.write_text(text, encoding="utf-8")


def _short(document: str) -> str:
    return re.sub(r" ?([{}():,]) ?", r"\1", " ".join(document.split()))


def _modules(folder: Path) -> list[Path]:
    return sorted([*folder.rglob("*.ts"), *folder.rglob("*.tsx")])


def _documents(folder: Path) -> dict[str, str]:
    """The operations of a page as it sends them, by their identifiers: where the server answers
    registered documents alone, it answers these.
    """
    found = {}
    sources = [path.read_text(encoding="utf-8") for path in _modules(folder)]
    shared = {
        name: text
        for source in sources
        for name, text, _ in _DOCUMENT.findall(source)
        if f"export const {name} = graphql" in source
    }
    for source in sources:
        made = dict(shared)
        for name, text, fragments in _DOCUMENT.findall(source):
            used = [made[one.strip()] for one in fragments.split(",") if one.strip()]
            made[name] = "\n".join([text, *used])
        for text in made.values():
            if not text.lstrip().startswith("fragment"):
                found[f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"] = text
    return found


def _languages(
    folder: Path, made: Path, page: str, names: dict[str, str] | None
) -> dict[str, dict[str, str]]:
    """Every catalogue: its file, and its language's own name for itself. Where there are `names`,
    it has these texts alone, by these names.
    """
    found = {}
    for path in sorted(folder.glob("*.json")):
        catalogue = json.loads(path.read_text(encoding="utf-8"))
        texts = catalogue
        if names is not None:
            texts = {names[key]: text for key, text in catalogue.items() if key in names}
        stored = json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode()
        file = _store(made, f"{page}.{path.stem}.json", stored)
        found[path.stem] = {"name": catalogue["language.name"], "file": file}
    return found


def _licenses(work: Path) -> str:
    """The licenses of what may be in the bundles, which ask to go along with them."""
    kept = work / "node_modules" / ".deno"
    found = [*kept.glob("*/node_modules/*"), *kept.glob("*/node_modules/@*/*")]
    packages = {
        path.parent
        for path in (folder / "package.json" for folder in found)
        if path.exists() and not path.parent.is_symlink()
    }
    return "\n\n".join(sorted(map(_license, packages)))


def _license(package: Path) -> str:
    about = json.loads((package / "package.json").read_text(encoding="utf-8"))
    texts = [path.read_text(encoding="utf-8") for path in sorted(package.glob("LICEN[CS]E*"))]
    return "\n\n".join([about["name"], *(texts or [str(about.get("license"))])])


def _store(made: Path, name: str, content: bytes) -> str:
    """Write a file, and its compressed form; the name that it got."""
    stem, _, suffix = name.rpartition(".")
    stored = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
    (made / stored).write_bytes(content)
    if f".{suffix}" in _COMPRESSED:
        (made / f"{stored}.gz").write_bytes(gzip.compress(content, mtime=0))
    return stored


def _types() -> str:
    """What types follow from: the exported schema for documents, English's keys for texts."""
    from graphql import build_schema, introspection_from_schema  # noqa: PLC0415 - for `check` alone

    schema = introspection_from_schema(build_schema(SCHEMA.read_text()), descriptions=False)
    texts = json.loads((WEB / "portal" / "locales" / "en.json").read_text(encoding="utf-8"))
    return (
        f"export type introspection = {json.dumps(schema)};\n"
        f"export type Key = {' | '.join(map(json.dumps, texts))};\n"
    )


def _deno(work: Path, *command: str) -> None:
    # Beside this Python in .venv; on PATH in the environment that a wheel is built in.
    beside = Path(sysconfig.get_path("scripts"), "deno")
    deno = str(beside) if beside.exists() else shutil.which("deno")
    if deno is None:
        raise NotBuilt("there is no deno here, which the group `build` of pyproject.toml brings")
    environment = {
        "DENO_TLS_CA_STORE": "system,mozilla",
        "DENO_NO_UPDATE_CHECK": "1",
        "NO_COLOR": "1",
        **os.environ,
    }
    done = subprocess.run(  # noqa: S603 - our own words
        [deno, *command], cwd=work, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        # A stack trace of deno's own comes last.
        told = (done.stdout + done.stderr).partition("\n\nStack")[0]
        raise NotBuilt(f"deno {command[0]} says: {told.strip()}")


def main(command: list[str]) -> int:
    """What the command line asks for; what to exit with."""
    try:
        if command == ["check"]:
            check()
        elif not is_built():
            print("Building the pages")  # noqa: T201 - a command
            build()
    except (NotBuilt, OSError) as problem:
        unchecked = command == ["check"] and isinstance(problem, NotInstalled)
        print("NOT CHECKED:" if unchecked else "Stopped:", problem, file=sys.stderr)  # noqa: T201 - as above
        return 0 if unchecked else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
