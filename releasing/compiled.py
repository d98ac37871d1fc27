"""The compiled form: the modules that requests pass, translated to C by mypyc and built into the wheel.

hatchling calls `CompiledModules` where the build asks for it (``HATCH_BUILD_HOOKS_ENABLE=1``); a wheel is pure
otherwise, and needs no compiler. ``python releasing/compiled.py FOLDER`` compiles the package in a copy of the
repository in place, for tests and measurements.

hatch-mypyc does the same, but moves pyproject.toml away for the time of the build and leaves the compiled modules in
the checkout, which then runs them unasked.
"""

import os
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILED = (
    *(f"gate/{name}.py" for name in ("decision", "paths", "routes", "rules", "verdict")),
    "proxy/**/*.py",
    "telemetry/*.py",
    "tls/connection.py",
    "tls/message_limits.py",
    "wire/**/*.py",
)
"""What a request passes, as patterns below gatekeeper/."""
INTERPRETED = (
    "**/__init__.py",
    # mypyc cannot take an Enum whose members have an __init__ of their own.
    "wire/rules.py",
    # These run once per connection, certificate or reload: compiled, they would only make the library larger.
    "proxy/client/acceptor.py",
    "proxy/client/proxy_header.py",
    "proxy/client/redirect.py",
    "proxy/crl_*.py",
    "proxy/loading.py",
    "proxy/ocsp.py",
    "proxy/revocations.py",
    "proxy/upstream/check.py",
    "proxy/upstream/closing.py",
    "proxy/upstream/endpoints.py",
)
"""What of that is not."""
SUFFIX: str = sysconfig.get_config_var("EXT_SUFFIX")


def sources(root: Path) -> list[str]:
    """The files to compile, relative to ``root``."""
    package = root / "gatekeeper"
    found = {path for pattern in COMPILED for path in package.glob(pattern)}
    found -= {path for pattern in INTERPRETED for path in package.glob(pattern)}
    return sorted(str(path.relative_to(root)) for path in found)


def compile_modules(root: Path, into: Path, scratch: Path) -> None:
    """Compile the package of ``root``; the extension modules go ``into`` a folder, as its imports expect them."""
    # Only who compiles has these: they are dependencies of the build hook.
    from mypyc.build import mypycify
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    cores = len(os.sched_getaffinity(0))

    class OnAllCores(build_ext):
        """setuptools compiles the files of one extension one after the other, and nearly all are of one."""

        def build_extension(self, extension: Extension) -> None:
            options = {"include_dirs": extension.include_dirs, "extra_postargs": extension.extra_compile_args}
            with ThreadPoolExecutor(cores) as pool:
                compiled = [
                    pool.submit(self.compiler.compile, [source], output_dir=self.build_temp, **options)
                    for source in extension.sources
                ]
            extension.extra_objects = [path for objects in compiled for path in objects.result()]
            extension.sources = []
            super().build_extension(extension)

    with chdir(root):  # module names come from paths
        flags = ["--config-file=pyproject.toml", *sources(root)]
        # An exchange costs the same instructions at level 2 and 3, and 0.8 % more at 1, where gcc needs 38 seconds of
        # one core instead of 72 and some 120: calls into CPython are what it consists of.
        extensions = mypycify(
            flags,
            opt_level="1",
            debug_level="0",
            multi_file=True,  # one C file for each module, for all cores
            group_name="gatekeeper",
            target_dir=str(scratch / "c"),
        )
        for extension in extensions:
            # Calls from file to file stay within the library, as direct as those within a file.
            extension.extra_compile_args.append("-fvisibility=hidden")
        command = OnAllCores(Distribution({"ext_modules": extensions}))
        command.build_lib, command.build_temp = str(into), str(scratch / "objects")
        command.parallel = cores
        command.ensure_finalized()
        command.run()


class CompiledModules(BuildHookInterface[Any]):
    """What hatchling calls before it packs a wheel."""

    _scratch: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and add the extension modules to a wheel that is for this Python and processor alone."""
        if version == "editable":
            raise RuntimeError("an editable install runs the source as it is: install without HATCH_BUILD_HOOKS_ENABLE")
        self._scratch = scratch = Path(mkdtemp(prefix="gatekeeper-compiled-"))
        compile_modules(Path(self.root), scratch / "modules", scratch)
        for path in (scratch / "modules").rglob(f"*{SUFFIX}"):
            build_data["force_include"][str(path)] = str(path.relative_to(scratch / "modules"))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel is packed."""
        if self._scratch is not None:
            rmtree(self._scratch)


if __name__ == "__main__":
    tree = Path(sys.argv[1]).resolve()
    compile_modules(tree, tree, tree / "build")
