"""Admin keys that everybody knows, so that a venue for development can be administered at once; no other venue may have them.

Their seeds are the BLAKE2b-256 of "vigil development admin 1" and "... 2". A venue whose name does not end in DEVELOPMENT_SUFFIX is
refused when it is read with one of them in it.
"""

import os
from hashlib import blake2b
from pathlib import Path

from services.core.keys import SigningKey

DEVELOPMENT_SUFFIX = "-dev"
ADMINS = 2


def admin_key(number: int) -> SigningKey:
    """Development key of the first or second admin."""
    return SigningKey(blake2b(f"vigil development admin {number}".encode(), digest_size=32).digest())


ADMIN_KEY_IDS = tuple(admin_key(number).key_id for number in range(1, ADMINS + 1))


def write_admin_keys(folder: Path) -> list[Path]:
    """Write both keys as the `vigil` command reads them, for their owner's eyes alone; the same again changes nothing. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"admin-{number}.key" for number in range(1, ADMINS + 1)]
    for number, file in enumerate(files, 1):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(admin_key(number).seed.hex() + "\n")
    return files
