"""Public databases as indexes of records and patients: catalogue, lookup, download, verification."""

from ecgtune.databases.catalogue import CATALOGUE, DS1, DS2, PACED, Entry, entry_of, patient_of
from ecgtune.databases.download import Download, get
from ecgtune.databases.identify import identify
from ecgtune.databases.index import Database, find_database
from ecgtune.databases.verification import Listed, Verification, list_databases, verify

__all__ = [
    "CATALOGUE",
    "DS1",
    "DS2",
    "PACED",
    "Database",
    "Download",
    "Entry",
    "Listed",
    "Verification",
    "entry_of",
    "find_database",
    "get",
    "identify",
    "list_databases",
    "patient_of",
    "verify",
]
