"""IAM's wildcards: `*` is any number of characters, `?` is one. In ARNs they stay within one part."""

from __future__ import annotations

_ARN_PARTS = 6


def matches(pattern: str, text: str) -> bool:
    """Tell whether the whole text is as the pattern says. Takes at most len(pattern) * len(text) steps."""
    # By hand: a regular expression with many stars can take for ever, and partners choose the text.
    at, start, star, tried = 0, 0, -1, 0
    while start < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, tried, at = at, start, at + 1
        elif at < len(pattern) and pattern[at] in ("?", text[start]):
            at, start = at + 1, start + 1
        elif star >= 0:
            tried += 1
            at, start = star + 1, tried
        else:
            return False
    return all(each == "*" for each in pattern[at:])


def is_arn_pattern(pattern: str) -> bool:
    """Tell whether IAM would take it as a resource: `*`, or an ARN with all its parts."""
    return pattern == "*" or (pattern.startswith("arn:") and pattern.count(":") >= _ARN_PARTS - 1)


def matches_arn(pattern: str, arn: str) -> bool:
    """Tell whether an ARN is as the pattern says, part by part; the last part may hold colons."""
    if pattern == "*":
        return True
    wanted, given = pattern.split(":", _ARN_PARTS - 1), arn.split(":", _ARN_PARTS - 1)
    return len(wanted) == len(given) and all(map(matches, wanted, given))


def matches_action(pattern: str, action: str) -> bool:
    """Tell whether an action, such as `s3:GetObject`, is as the pattern says. Case makes no difference."""
    return matches(pattern.lower(), action.lower())
