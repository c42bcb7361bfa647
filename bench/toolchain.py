"""What must be built or fetched before anything can be measured, kept in a cache outside of the tree.

A tool that is missing is an error that names it, never a part of the benchmark left out in silence.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.errors import BenchError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

NATIVE: Final = Path(__file__).parent / "native"
BASELINES: Final = Path(__file__).parent / "baselines"
_SHARED: Final = ("measure.c", "transport.c", "websocket.c")
_PROGRAMS: Final = {
    "generator": ("generator.c", "phone_side.c", "model_side.c", *_SHARED),
    "relay": ("relay.c", *_SHARED),
}
_C_FLAGS: Final = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE")
_TLS_FLAGS: Final = ("-DWITH_TLS",)
_TLS_LIBRARIES: Final = ("-lssl", "-lcrypto")
_BUILD_TIMEOUT_S: Final = 180

_CERTIFICATE_FORM: Final = """\
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = callbridge bench
[extensions]
subjectAltName = IP:127.0.0.1
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign
subjectKeyIdentifier = hash
"""


def default_cache() -> Path:
    """Where builds are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "callbridge-bench"


@dataclass(frozen=True)
class Toolchain:
    """Builds each thing when it is first asked for.

    Every property raises `UnavailableError` for a tool that is not there, `BenchError` for a failed build.
    """

    cache: Path
    with_tls: bool

    def prepare(self, tools: Iterable[str]) -> None:
        """Builds these now, and what every run needs, so that what is missing is told before a run."""
        wanted = {"generator", *tools}
        if self.with_tls:
            wanted.add("certificate")
        for name in sorted(wanted):
            getattr(self, name)

    @cached_property
    def generator(self) -> Path:
        """The load generator."""
        return self._program("generator")

    @cached_property
    def relay(self) -> Path:
        """The C relay."""
        return self._program("relay")

    @cached_property
    def node(self) -> str:
        """The Node.js interpreter."""
        return _tool("node", "install Node.js 20 or later, or leave out --bridges node")

    @cached_property
    def node_relay(self) -> Path:
        """The Node.js relay, beside the packages that it needs."""
        npm = _tool("npm", "it comes with Node.js; or leave out --bridges node")
        sources = [BASELINES / "package.json", BASELINES / "node_relay.mjs"]
        folder = self.cache / f"node-{_digest(sources)}"
        if not (folder / "installed").exists():
            folder.mkdir(parents=True, exist_ok=True)
            for source in sources:
                shutil.copy(source, folder)
            _run((npm, "install", "--omit=dev", "--no-audit", "--no-fund", "--no-package-lock"), folder)
            (folder / "installed").touch()
        return folder / "node_relay.mjs"

    @cached_property
    def certificate(self) -> Path:
        """A self-signed certificate for 127.0.0.1, with its key beside it as `key.pem`."""
        openssl = _tool("openssl", "install it, or measure with --legs plain")
        folder = self.cache / "tls"
        certificate, key, wishes = folder / "certificate.pem", folder / "key.pem", folder / "wishes.cnf"
        folder.mkdir(parents=True, exist_ok=True)
        wishes.write_text(_CERTIFICATE_FORM, encoding="ascii")
        files = ("-config", str(wishes), "-keyout", str(key), "-out", str(certificate))
        kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "7")
        _run((openssl, "req", "-x509", *kind, *files), folder)
        return certificate

    @property
    def key(self) -> Path:
        """The key of `certificate`."""
        return self.certificate.with_name("key.pem")

    def _program(self, name: str) -> Path:
        compiler = os.environ.get("CC") or "cc"
        compiler = _tool(compiler, "install a C compiler (Debian: apt-get install gcc libc6-dev)")
        flags = (*_C_FLAGS, *(_TLS_FLAGS if self.with_tls else ()))
        sources = [NATIVE / source for source in _PROGRAMS[name]]
        digest = _digest([*sources, *sorted(NATIVE.glob("*.h"))], compiler, *flags)
        program = self.cache / f"{name}-{digest}"
        if not program.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            if self.with_tls:
                self._require_openssl_headers(compiler)
            unfinished = program.with_suffix(f".{os.getpid()}")
            libraries = _TLS_LIBRARIES if self.with_tls else ()
            _run((compiler, *flags, *map(str, sources), "-o", str(unfinished), *libraries), NATIVE)
            unfinished.rename(program)  # Whole or not there: another run may look for it now.
        return program

    def _require_openssl_headers(self, compiler: str) -> None:
        probe = subprocess.run(  # noqa: S603 - the user's own compiler
            (compiler, "-E", "-x", "c", "-"),
            input=b"#include <openssl/ssl.h>\n",
            capture_output=True,
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
        if probe.returncode:
            raise UnavailableError(
                "the headers of OpenSSL are missing: install them (Debian: apt-get install libssl-dev), "
                "or measure with --legs plain"
            )


def _tool(name: str, remedy: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise UnavailableError(f"`{name}` was not found: {remedy}")
    return path


def _digest(files: list[Path], *words: str) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _run(command: tuple[str, ...], folder: Path) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own command lines
            command, cwd=folder, capture_output=True, text=True, timeout=_BUILD_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"`{' '.join(command)}` took more than {_BUILD_TIMEOUT_S} s") from error
    if done.returncode:
        raise BenchError(f"`{' '.join(command)}` failed:\n{done.stderr or done.stdout}")
