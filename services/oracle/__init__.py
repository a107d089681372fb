"""Oracle: where prices come from; a source like the outside world, not a machine.

Purpose     give funding what several sources saw of an index, each late and noisy in its own way
Inputs      a path of prices: a scenario (scenario.py) or a recorded file (recorded.py); the clock of the log
Outputs     PriceObserved to every funding partition; natural key (source, observed_ms)
State       none: every observation is a function of its time and the seed, so a restart repeats itself exactly
Invariants  integers only; a recorded price stays inside its bar; nothing is observed where the recording has a gap
Source      DESIGN.md 1 (age travels; the observation of a recorded price is when it is played); F-2.7 for what funding makes of it
"""
