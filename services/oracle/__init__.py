"""Oracle: where prices come from; a source like the outside world, not a machine.

Purpose     give funding what several sources saw of each index, each late and noisy in its own way, and say which of them misbehave
Inputs      a path of prices: a scenario (scenario.py), recorded files (recorded.py), indices that follow another (correlated.py); or live
            venues through ccxt (live.py); the clock of the log
Outputs     PriceObserved to every funding partition, with what traded since the last look where that is known; natural key (source,
            observed_ms)
State       of a path none: every observation is a function of its time and the seed, so a restart repeats itself exactly; of a live venue
            what it said last
Invariants  integers only; a recorded price stays inside its bar; nothing is observed where the recording has a gap; a venue that fails
            stops neither the process nor another venue
Source      DESIGN.md 1 (age travels; the observation of a recorded price is when it is played); F-2.8 for what funding makes of it
"""
