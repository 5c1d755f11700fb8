"""`python -m genremodel.cluster worker ADDRESS`: analyze files for a cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from genremodel.batch.processes import cpu_count
from genremodel.cluster.settings import Certificates, Cluster
from genremodel.errors import GenreModelError
from genremodel.termination import exiting_on_sigterm


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker until its scheduler ends; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    files = (options.tls_ca_file, options.tls_cert, options.tls_key)
    if any(files) and not all(files):
        parser.error("TLS needs all of --tls-ca-file, --tls-cert and --tls-key")
    certificates = Certificates(*files) if all(files) else None
    try:
        cluster = Cluster(options.address, certificates=certificates)
        from genremodel.cluster.dask_worker import serve  # slow to import

        with exiting_on_sigterm():
            serve(cluster, options.workers)
    except (GenreModelError, ImportError) as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m genremodel.cluster", description="Analyze files for other machines."
    )
    worker = parser.add_subparsers(dest="command", required=True).add_parser(
        "worker", help="analyze files for the clients of a scheduler"
    )
    worker.add_argument("address", metavar="ADDRESS", help="the scheduler: tls://HOST:PORT")
    worker.add_argument(
        "--workers",
        type=_positive,
        default=cpu_count(),
        metavar="N",
        help="files analyzed in parallel (default: %(default)s)",
    )
    for name, text in (
        ("ca-file", "certificate of the authority"),
        ("cert", "certificate of this machine"),
        ("key", "private key of this machine"),
    ):
        worker.add_argument(f"--tls-{name}", type=Path, metavar="FILE", help=text)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
