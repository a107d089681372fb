"""What a broken law is."""


class LawBroken(AssertionError):
    """A law does not hold."""


def law(holds: bool, claim: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise when a law does not hold."""
    if not holds:
        raise LawBroken(claim)
