"""Migrations, in order: each is a module here, also where it stands in a folder of older ones."""

from pathlib import Path

#: Tortoise looks for migrations in one package, and in no package within it. When this folder is
#: full, its older half moves into one of its own, named here.
OLDER = ("until_0019",)

_HERE = Path(__file__).parent
__path__ = [str(_HERE), *(str(_HERE / older) for older in OLDER)]
