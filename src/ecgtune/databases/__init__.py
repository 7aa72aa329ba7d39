"""Public databases as indexes of records and patients: catalogue, lookup, download, verification."""

from ecgtune.databases.catalogue import CATALOGUE, DS1, DS2, PACED, Entry, entry_of, patient_of
from ecgtune.databases.index import Database, find_database

__all__ = [
    "CATALOGUE",
    "DS1",
    "DS2",
    "PACED",
    "Database",
    "Entry",
    "entry_of",
    "find_database",
    "patient_of",
]
