"""SQLite as the store uses it: the one file that imports it."""

import sqlite3
from pathlib import Path

Connection = sqlite3.Connection
DatabaseError = sqlite3.Error


def connect(path: Path) -> Connection:
    """
    A connection without implicit transactions; raises `DatabaseError`.

    Made by one thread and used by another afterwards, never by two at once.
    """
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)
