"""`python -m tests.wording`: find retired words in code, documents, help texts and messages.

Identifiers are split into words first: `isUnheard` and `is_unheard` are found as well. To retire a
word, add it to RULES; for lines that must use one, add a pattern to EXCEPTIONS.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUFFIXES = {".md", ".py", ".toml", ".txt", ".yaml", ".yml", ".html", ".js", ".css", ""}
SKIPPED = ("LICENSE", "NOTICE", "genremodel/assets/", "tests/files/", "tests/wording.py")

RULES = {  # regular expression of retired words: what to use instead
    r"hear|hears|heard|hearing": "analyze",
    r"unheard|never heard": "unseen",
    r"tell|tells|told|telling": "report, show, distinguish, reject",
    r"said": "printed, predicted",
    r"verdicts?|judge?ments?": "prediction, window probabilities",
    r"judge|judges|judged|judging": "predict",
    r"rightly|named right|wrongly named": "correct, accuracy",
    r"right among|sure enough|sureness": "selective accuracy, coverage",
    r"(?:left|leaves?) alone": "not changed, skipped",
    r"stands? in|stood in|stands? in for": "replace",
    r"no music": "non-music",
    r"of which|of whom|from which": "a sentence of its own",
    r"lest|whoever|wherein|thereof|therein": "so that, if, a name",
    r"nobody|somebody": "no one, someone, or name the actor",
    r"mend|mends|mended|mending": "fix, patch",
    r"anew": "again",
    r"commonest|likeliest": "most common, most probable",
    r"learnt|learned (?:model|genre)s?|of (?:one|your)'s own": "trained, custom model",
    r"genreclf-learn|genre history": "genreclf-train, genre_journal_id",
    # American spelling
    r"analys(?:e[dr]?|ers?|ing)": "analyz-",
    r"(?:un)?(?:author|categor|character|custom|emphas|final|general|initial|local|maxim|memor|minim"
    r"|normal|optim|organ|prior|random|recogn|regular|serial|special|standard|summar|symbol|synchron"
    r"|synthes|token|util|visual)is(?:e[drs]?|ers?|ing|ations?)": "-iz-",
    r"licences?|licenced": "license",
    r"(?:behavi|col|fav|flav|hon|lab|neighb)our(?:s|ed|ing|able|ite|hood|less)?": "-or",
    r"(?:label|model|signal|travel)l(?:ed|ing|er)": "one l",
    r"(?:cent|lit|met|fib)res?": "-er",
    r"grey|artefacts?|whilst|amongst|spelt": "gray, artifact, while, among, spelled",
}
EXCEPTIONS = {  # file: regular expression of its lines that may use retired words
    "CONTRIBUTING.md": r"^\|",  # the glossary quotes them
    "genremodel/models/heads.py": r'"centres"',  # a name in heads.npz
    "genremodel/models/knn.py": r'"neighbours"',  # a name in knn.npz
    "training/build.py": r'"neighbours"',  # the same
    "training/datasets/nonmusic_recordings.py": r'"licence"',  # a column of the data
    "tests/beetsplug/test_overlay.py": r'"tell"',  # a method of files
}

_PATTERNS = [(re.compile(rf"\b(?:{words})\b", re.I), advice) for words, advice in RULES.items()]
_WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")


def main() -> int:
    """Print retired words; return 1 if there are any."""
    found = [f"{path}:{number}: {text}" for path in files() for number, text in check(path)]
    print(*found, sep="\n", end="\n" if found else "")
    return bool(found)


def files() -> Iterator[str]:
    """Yield the text files of the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for path in listed.splitlines():
        file = ROOT / path
        if file.is_file() and file.suffix in SUFFIXES and not path.startswith(SKIPPED):
            yield path


def check(path: str) -> Iterator[tuple[int, str]]:
    """Yield the line numbers of retired words, with what to use instead."""
    exception = re.compile(EXCEPTIONS[path]) if path in EXCEPTIONS else None
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if exception and exception.search(line):
            continue
        words = _WORD_BOUNDARY.sub(" ", line)
        for pattern, advice in _PATTERNS:
            for match in pattern.finditer(words):
                yield number, f'"{match[0]}": use "{advice}"'


if __name__ == "__main__":
    sys.exit(main())
