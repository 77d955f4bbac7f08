"""Which tests may be skipped, and why; any other skip fails the run.

A skip is known by how its reason begins.
"""

from __future__ import annotations

from typing import Final

MAY_SKIP: Final = {
    # What a gateway is.
    "nobody can pretend to pay here": "a bank transfer has no page to pay on",
    "this gateway gives nothing back by itself": "staff send bank transfers back",
    "this gateway sends no messages": "banks send statements",
    # What a machine lacks; the tests say what was not tested.
    "NOT TESTED: api/static has not been built (make setup)": "that needs a network",
    "NOT TESTED in a browser: api/static has not been built (make setup)": "as above",
    "NOT TESTED in a browser: there is no chromium on PATH": "not every machine has a browser",
    "NOT TESTED: there is no playwright": "there is no wheel of it for every machine",
    "NOT TESTED: no pgbouncer on PATH, or no PostgreSQL of the tests' own": "no wheel has it",
    "NOT TESTED: pgbouncer did not start": "it may lack a user to run as",
    "NOT TESTED: S3's stand-in cannot be installed": "it comes from the registry, once",
    "NOT TESTED: S3's stand-in does not start.": "as above",
    "NOT TESTED: PDFs need Pango's libraries": "they are packages of the system",
    "NOT TESTED with mock-bank: it is not installed": "it is installed on demand",
    "NOT TESTED with PHP: there is no php on PATH": "few machines have it",
    "NOT TESTED with PHP: it has no cURL": "a package of its own",
    **{
        f"{clients}: {lacking}": "JavaScript tools are the machine's, packages the registry's"
        for clients, lacks in {
            "NOT TESTED with npm's GraphQL clients": ("node and npm are not on PATH",),
            "NOT TESTED with npm's oidc-provider": ("there is no deno",),
            "NOT TESTED with Apollo Client, Relay and urql": (
                "there is no deno",
                "there is no chromium on PATH",
                "there is no playwright",
            ),
        }.items()
        for lacking in (*lacks, "its packages can't be installed")
    },
    "NOT SHOWN: that commits are synced before they are answered needs strace": "not everywhere",
    "NOT SHOWN: strace may not look at another process here": "containers forbid it",
    "no tmpfs can be mounted here": "only root may mount a disk that is full",
    "root may write everywhere": "no file is closed to root",
    "only Linux limits a process's memory": "other systems have no such limit",
    "only git knows what belongs to the project": "an unpacked archive is no clone",
    "there is no Chromium": "as in a browser",
    "no redis-server on PATH": "there is no wheel of Redis for every machine",
    # What others made, and may not be published here; what their packages tell is always tested.
    "paypal-server-sdk": "PayPal's package comes from the registry, once",
    "stripe-simulator": "as paypal-server-sdk",
    "localstripe": "as paypal-server-sdk",
    "PayPal's OpenAPI document": "beside the package, where it lies beside the repository",
    "PayPal's genuine message": "beside the tests' own signed ones",
    "Stripe's own examples": "beside those that its package describes",
}


def is_expected(reason: str) -> bool:
    """Whether a test may be skipped for this reason."""
    return reason.removeprefix("Skipped: ").startswith(tuple(MAY_SKIP))
