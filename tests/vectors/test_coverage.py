"""The table of covered ids in formulas/README.md is complete, and says what the files hold."""

from collections.abc import Iterator

from tests.vectors.formulas.loader import HERE, read_vectors

CHAPTERS = {
    "TV-1.": 8,
    "TV-2.": 18,
    "TV-4.": 14,
    "TV-5.": 20,
    "F-1.": 7,
    "F-2.": 13,
    "F-4.": 12,
    "F-5.": 15,
    "V-LP-": 7,
    "F-LP-": 11,
}
"""How many ids the references' chapters on dated futures, perpetuals, the unified account, Backpack, and lending pools have."""


def table() -> Iterator[tuple[str, list[str], str]]:
    """Rows: id, files, reason."""
    for line in (HERE / "README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0].strip("-") not in {"", "id"}:
            yield cells[0], [name.strip(" `") for name in cells[1].split(",") if name.strip()], cells[2]


def test_every_id_has_vectors_or_a_reason() -> None:
    rows = list(table())
    ids = [identity for identity, _, _ in rows]
    assert len(ids) == len(set(ids))
    needed = {f"{chapter}{number}" for chapter, count in CHAPTERS.items() for number in range(1, count + 1)}
    assert needed - set(ids) == set()
    assert [identity for identity, files, reason in rows if bool(files) == bool(reason)] == []


def test_the_files_hold_what_is_claimed_and_nothing_else() -> None:
    claimed = {(identity, file) for identity, files, _ in table() for file in files}
    held = set()
    for file in sorted(HERE.glob("*.jsonl")):
        for vector in read_vectors(file.name):
            held |= {(vector.id.split()[0], file.name), (vector.formula.split()[0], file.name)}
    assert held == claimed
