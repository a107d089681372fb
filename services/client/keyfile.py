"""A private key in a file: hexadecimal seed, readable by its owner alone."""

import os
from pathlib import Path

from services.client.errors import ClientError
from services.core.keys import SigningKey

DEFAULT = Path("~/.config/vigil/key")
OTHERS = 0o077


def write_key(path: Path) -> SigningKey:
    """Make a new key; an existing file is never overwritten. Raises ClientError."""
    path = path.expanduser()
    key = SigningKey.generate()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ClientError(f"{path} exists already; name another file, or move it away yourself") from None
    except OSError as error:
        raise ClientError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(key.seed.hex() + "\n")
    return key


def read_key(path: Path) -> SigningKey:
    """Read a key. Raises ClientError when there is none, or others may read it."""
    path = path.expanduser()
    try:
        if path.stat().st_mode & OTHERS:
            raise ClientError(f"{path} may be read by others; run: chmod 600 {path}")
        return SigningKey(bytes.fromhex(path.read_text().strip()))
    except FileNotFoundError:
        raise ClientError(f"no key at {path}; make one with: vigil keys new") from None
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ClientError(f"{path} does not hold a key: 64 hexadecimal digits are expected") from None
