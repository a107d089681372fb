"""The laboratory: what a rule of the venue does to the people in it, on a price path, before it does it to anybody (`vigil research`).

An experiment is data: a path of prices (`paths`), a population (`population`), venues that differ in what is asked about (`experiment`),
and measures (`measures`). It runs on the machines themselves (`virtual_venue`), on virtual time; the same seed gives the same report,
byte for byte. `pulse` is the first experiment; another one is another file like it.
"""
