"""Builds the pages into the wheel. An editable install goes on without them: set-up builds them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundlesHook(BuildHookInterface):  # type: ignore[type-arg] # not generic when it runs
    """Runs build.py before the wheel is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatch's
        """Build the pages; a wheel is not built without them."""
        if version != "editable":
            script = Path(self.root, "api/web/build.py")
            subprocess.run([sys.executable, str(script)], check=True)  # noqa: S603 - our own file
