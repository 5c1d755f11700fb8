"""`python -m genremodel.cluster worker ADDRESS`: analyze files for a cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from genremodel.batch.processes import cpu_count
from genremodel.cluster.arguments import add_tls_options, cluster_at
from genremodel.errors import GenreModelError
from genremodel.termination import exiting_on_sigterm


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker until its scheduler ends; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        cluster = cluster_at(options.address, options)
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
    add_tls_options(worker)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
