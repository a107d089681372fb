"""Analytics: read models of the public feeds, never money. Today: points, by season and week (F-5.15).

Purpose      tells every account what its activity of a week is worth beside that of all others, and explains each part of it
Inputs       feed.account, feed.markets, feed.settlement; deploy/points.toml: seasons, weights, ranks
Outputs      PointsQueries over gRPC, metrics; it writes to no topic and decides nothing
State        one file, saved whole: how far each stream was read, levels (positions, claims, debts, prices) with the time they hold since,
             and per week what was traded and how long levels held
Invariants   each number of the state is written by one stream alone, and streams only meet when a week is distributed: so the order in
             which streams are read makes no difference, and the same feeds give the same points, by Kafka or in one process.
             Points of a week sum to exactly what it distributes, or to nothing where nobody did anything
Source       F-5.15, TV-5.20; weeks end on Thursday 00:00 UTC

    weeks.py         where a week begins and ends; time split at their ends
    terms.py         seasons, weights and ranks, read from the file
    state.py         what is kept
    reducer.py       apply: one feed record; the only code that changes the state
    worth.py         what a unit of activity is worth in the unit of account; rates.py that of a week
    points.py        shares by largest remainder, places, ranks
    distribution.py  a week's points, line by line; a season's standings
    store.py         the file
    reader.py        feeds read from any home of the log, by one process
    kafka_app.py     the same by faust-streaming, from Kafka
    process.py       the process; api.py its answers; metrics.py its figures
"""
