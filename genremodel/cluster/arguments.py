"""Options of command lines that connect to a scheduler."""

from __future__ import annotations

import argparse
from pathlib import Path

from genremodel.cluster.settings import Certificates, Cluster
from genremodel.errors import ClusterError

_FILES = {
    "tls_ca_file": "certificate of the authority",
    "tls_cert": "certificate of this machine",
    "tls_key": "private key of this machine",
}


def add_tls_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of Dask's scheduler that name the certificates."""
    for name, text in _FILES.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=Path, metavar="FILE", help=text)


def cluster_at(address: str, options: argparse.Namespace) -> Cluster:
    """Return the cluster at an address, with the certificates of the options.

    Raises ClusterError.
    """
    files = [getattr(options, name) for name in _FILES]
    if any(files) and not all(files):
        raise ClusterError("TLS needs all of --tls-ca-file, --tls-cert and --tls-key")
    return Cluster(address, certificates=Certificates(*files) if all(files) else None)
