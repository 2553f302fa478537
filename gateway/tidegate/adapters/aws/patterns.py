"""Patterns of AWS's models, which are Java's, as Python's: meaning the same, and never slow."""

from __future__ import annotations

import re

# Unicode Standard, general category Z.
_SEPARATORS = "\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Classes that Java knows and Python does not. What `\w` has beyond letters and digits is `_`, which
# stands beside each of these in the model.
_CLASSES = (
    (r"\P{M}\p{M}", r"\s\S"),
    (r"\p{L}\p{Z}\p{N}", rf"\w{_SEPARATORS}"),
    (r"\p{Print}", r"\x20-\x7e"),
)
# Two patterns can be matched in so many ways that a text of some hundred characters, or of thirty, takes
# hours. These accept the same, and every part of them takes what it can and gives nothing back.
_QUICK = {
    # SshPublicKeyBody. The second branch is a comment with no key before it.
    r"\s*(ssh|ecdsa)-[a-z0-9-]+[ \t]+(([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{1,3})?(={0,3})?)"
    r"(\s*|[ \t]+[\S \t]*\s*)": (
        r"\s*+(?:ssh|ecdsa)-[a-z0-9-]++"
        r"(?:[ \t]++[A-Za-z0-9+/]*+={0,3}+(?:\s*+\Z|[ \t][\S \t]*+\s*+\Z)|[ \t]{2}[\S \t]*+\s*+\Z)"
    ),
    # SourceFileLocation: three characters or more, and no two beside each other that are not of `\w`.
    r"\$\{(\w+.)+\w+\}": r"\$\{(?=.{3,}\}\Z)\w++(?:[^\w\n]\w++)*+\}",
}


def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern for `fullmatch`. In Java `\\w` means ASCII, and classes of Unicode have names."""
    flags = re.NOFLAG if r"\p{L}" in pattern else re.ASCII
    ours = _QUICK.get(pattern, pattern)
    for theirs, equivalent in _CLASSES:
        ours = ours.replace(theirs, equivalent)
    # Java takes the hyphen of `[\w- ]` as itself.
    return re.compile(re.sub(r"(?<=\\w)-(?=[^\]])", r"\\-", ours), flags)
