"""The ledger: double-entry books of the whole venue in SQL, read from every `ledger.*` topic; a reader, not a machine.

It decides nothing and may be deleted at any time: reading the topics again from their beginning builds it anew.

    store.py    the SQLite file: entries, legs, balances and the positions read, written together
    reader.py   one stream per topic partition: duplicates dropped, order kept, every entry checked
    queries.py  trial balance, balances, statements
    api.py      the same over gRPC (LedgerQueries)
    commands.py the same as `vigil` commands
"""
